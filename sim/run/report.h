#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/run/samples.h"

/// What a run found out: figures, and which of the overlay's properties held.
namespace ipop::sim {

/// P1 … P14 of docs/scale.md, by their numbers.
enum class Property : std::uint8_t {
  NearestAreLinked = 1,
  LinksAreMutual,
  DegreeIsBounded,
  PacketsArrive,
  NoRoutingLoop,
  OneRingAfterHealing,
  MembershipIsAgreed,
  RevokedAreCutOff,
  AtMostOnce,
  OneOwnerOfAnAddress,
  OnlyEndsSeeContent,
  IdleIsCheap,
  MemoryIsBounded,
  SameSeedSameTrace,
};
inline constexpr std::size_t kPropertyCount = 14;
std::string_view property_text(Property property);

class Report {
 public:
  struct Figure {
    std::string name;
    std::string unit;
    Samples samples;
  };
  struct Verdict {
    std::size_t checks = 0;
    std::size_t violations = 0;
    std::vector<std::string> examples;  ///< of violations, the first few
  };
  /// The state of the network at one moment.
  struct Moment {
    double seconds = 0;     ///< since the beginning
    std::size_t live = 0;   ///< members that are on
    std::size_t right = 0;  ///< ... whose nearest are all linked
    std::size_t aware = 0;  ///< ... that know as many members as whoever knows most
  };
  /// A member at the end, for the picture of the ring.
  struct Place {
    double turn = 0;  ///< of the circle, 0..1
    std::string name;
    bool live = false;
    bool villain = false;
    bool behind_nat = false;
  };
  struct Line {
    std::size_t from = 0;  ///< indices of places
    std::size_t to = 0;
    bool near = false;
    bool relayed = false;
  };

  std::string scenario;
  std::size_t nodes = 0;
  std::uint64_t seed = 0;
  std::uint64_t trace = 0;
  std::uint64_t events = 0;
  double virtual_seconds = 0;
  double wall_seconds = 0;
  double kilobytes_a_node = 0;  ///< of the heap; 0 where the allocator does not tell
  std::vector<Figure> figures;
  std::vector<Moment> moments;
  std::vector<Place> places;
  std::vector<Line> lines;

  void add(std::string_view figure, std::string_view unit, double value);
  /// Null where nothing was measured.
  const Figure* find(std::string_view figure) const;
  /// One check of a property; what is wrong, empty if nothing.
  void check(Property property, const std::string& wrong);
  const Verdict& verdict(Property property) const {
    return verdicts_[static_cast<std::size_t>(property)];
  }
  bool passed() const;

 private:
  std::array<Verdict, kPropertyCount + 1> verdicts_;  ///< by number; 0 is not used
};

/// For people: the whole of one run, or one line of a list of runs.
std::string report_text(const Report& report);
std::string report_headline();
std::string report_line(const Report& report);
/// One JSON object, without a line end.
std::string report_json(const Report& report);
/// The command that plays the same again.
std::string replay_command(const Report& report);

}  // namespace ipop::sim
