#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/run/report.h"
#include "sim/run/traffic.h"
#include "sim/villains.h"
#include "sim/world.h"

namespace ipop::sim {

/// Where a scenario plays: a world, its members by number (m0 founds), what they send each other,
/// and the report that is being written. Time passes by run() and wait() alone, in steps of kTick,
/// so that packets are judged and villains act meanwhile.
class Stage {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(20);

  /// Borrows the report, whose nodes and seed say what there is; all nodes are on, none a member.
  explicit Stage(Report& report);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  World& world() { return world_; }
  Report& report() { return *report_; }
  Traffic& traffic() { return traffic_; }
  Villains& villains() { return villains_; }
  /// The scenario's own draws: they do not disturb the world's.
  Rng& rng() { return rng_; }
  std::size_t size() const { return world_.size(); }
  Node& node(std::size_t i) { return world_.node(i); }
  static std::string name(std::size_t i) { return "m" + std::to_string(i); }
  double seconds() const;  ///< since the beginning

  /// So many first nodes can be called by everybody; the others' invites come from them. All, if
  /// it was not said.
  void set_open(std::size_t count) { open_ = count; }
  std::size_t open() const { return open_; }

  void run(Duration time);
  /// Tested every kTick; false after `limit`.
  template <class Predicate>
  bool wait(Predicate holds, Duration limit) {
    const Instant end = world_.at() + limit;
    while (!holds()) {
      if (world_.at() >= end) return false;
      tick();
    }
    return true;
  }

  /// m0 founds the network.
  void begin();
  /// A node asks to join by an invite of an open member of its group. False: none of them is on
  /// and can invite now.
  bool call_to_join(std::size_t i);
  /// m1 to the last one join, their calls spread over this time, and all are members at the end;
  /// who is not by `patience` after the last call is a violation of P7.
  void join_everybody(Duration spread, Duration patience);
  /// Adds a node that is no member yet.
  std::size_t add_node();

  bool is_live(std::size_t i) { return self(i) != nullptr; }
  bool is_honest(std::size_t i) const { return !villains_.is_one(i); }
  /// From now on it is no member, whatever itself believes.
  void cast_out(std::size_t i) { outcasts_.insert(i); }
  /// Members that are on, in the order of their numbers.
  std::vector<std::size_t> live();
  /// Null: not live, or cast out.
  const member::Member* self(std::size_t i);
  const overlay::Ring& ring(std::size_t i);
  const member::Membership& membership(std::size_t i);

 private:
  /// A node between its call and its first place in the ring.
  struct Joining {
    std::size_t node = 0;
    Instant called{};
    bool joined = false;
  };
  std::optional<std::string> invite_of_one(std::vector<std::size_t> inviters);
  void tick();
  void follow_joins();
  void sample();

  Report* report_;
  World world_;
  Villains villains_;
  Traffic traffic_;
  SeededRng rng_;
  std::set<std::size_t> outcasts_;
  std::size_t open_;
  Instant begun_;
  Instant sample_at_{};
  std::vector<Joining> joining_;
};

}  // namespace ipop::sim
