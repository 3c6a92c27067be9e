#pragma once

#include <optional>
#include <vector>

#include "sim/run/report.h"
#include "sim/world.h"

namespace ipop::sim {

/// IP packets that applications of simulated members send each other, each with a number and with
/// the world's marker inside (P11). What arrives is judged: P9.
class Traffic {
 public:
  struct Packet {
    std::size_t from = 0;
    std::size_t to = 0;
    Ipv4 source;
    Instant sent{};
    std::optional<Instant> arrived;
  };

  /// Borrows both.
  Traffic(World& world, Report& report) : world_(&world), report_(&report) {}

  /// Gives the packet's number; nullopt: one of them is no member with an address now.
  std::optional<std::size_t> send(std::size_t from, std::size_t to);
  /// Takes what has arrived at all nodes since the last call.
  void collect();
  const Packet& packet(std::size_t number) const { return packets_[number]; }
  /// Since the beginning.
  std::size_t arrived_from(std::size_t node) const;

 private:
  void judge(std::size_t at, Bytes packet);

  World* world_;
  Report* report_;
  std::vector<Packet> packets_;
};

}  // namespace ipop::sim
