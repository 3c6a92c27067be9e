// Members against members.
#include <malloc.h>

#include <algorithm>
#include <map>

#include "sim/run/checkers.h"
#include "sim/run/faults.h"
#include "sim/run/scenarios.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

/// P8: a REVOKE is with everybody connected in this time.
constexpr Duration kRevoked = 30s;
/// P13: what a minute of everything that a fifth of the members can send may leave with each.
constexpr double kGrowthKilobytesMax = 256;

/// Who has heard of the kick, and when it was seen to have.
class Hearing {
 public:
  Hearing(Stage& stage, wire::NodeId kicked) : stage_(&stage), kicked_(kicked) {}

  void look() {
    for (const std::size_t i : stage_->live()) {
      if (stage_->membership(i).find(kicked_) == nullptr) {
        heard_.try_emplace(i, stage_->world().at());
      }
    }
  }
  bool has_heard(std::size_t i) const { return heard_.contains(i); }
  /// Whether the packet was taken by somebody who knew already. A tick is what is between a
  /// moment and its being looked at.
  bool is_too_late(const Traffic::Packet& packet) const {
    const auto heard = heard_.find(packet.to);
    return packet.arrived && heard != heard_.end() &&
           *packet.arrived > heard->second + Stage::kTick;
  }

 private:
  Stage* stage_;
  wire::NodeId kicked_;
  std::map<std::size_t, Instant> heard_;
};

double heap_kilobytes() { return static_cast<double>(mallinfo2().uordblks) / 1000; }

}  // namespace

void play_kick(Stage& stage) {
  grow(stage);
  check_reach(stage, {});
  const std::size_t victim = stage.size() - 1;
  if (!stage.is_live(victim)) return;  // its join failed, and that is told already
  const wire::NodeId kicked = stage.self(victim)->node;
  stage.villains().set(stage.node(victim), Vice::Deaf);
  const bool one_sleeps = stage.size() > 3;
  if (one_sleeps) stage.node(1).crash();
  static_cast<void>(stage.node(0).engine().kick(stage.node(0).now(), {}, Stage::name(victim)));
  stage.node(0).drain();
  stage.cast_out(victim);
  const Instant issued = stage.world().at();
  Hearing hearing(stage, kicked);
  std::vector<std::size_t> sent;
  while (stage.world().at() - issued < kRevoked) {
    for (const std::size_t i : stage.live()) {
      if (const auto number = stage.traffic().send(victim, i)) sent.push_back(*number);
      if (const auto number = stage.traffic().send(i, victim)) sent.push_back(*number);
    }
    for (int ticks = 0; ticks < 10; ++ticks) {
      stage.run(Stage::kTick);
      hearing.look();
    }
  }
  std::size_t arrived = 0;
  for (const std::size_t number : sent) {
    const Traffic::Packet& packet = stage.traffic().packet(number);
    arrived += packet.arrived ? 1U : 0U;
    stage.report().check(Property::RevokedAreCutOff,
                         hearing.is_too_late(packet)
                             ? Stage::name(packet.from) + " to " + Stage::name(packet.to) +
                                   ": delivered after the kick was known"
                             : "");
  }
  stage.report().add("packets before the kick was known", "", static_cast<double>(arrived));
  for (const std::size_t i : stage.live()) {
    stage.report().check(
        Property::RevokedAreCutOff,
        hearing.has_heard(i) ? "" : Stage::name(i) + " has not heard of the kick after 30 s");
  }
  start_all(stage);
  settle(stage);
  check_rest(stage, {});
}

void play_malice(Stage& stage) {
  constexpr Vice kVices[] = {Vice::Drop, Vice::Lie, Vice::Flood, Vice::Misroute, Vice::Replay};
  const std::size_t villains = std::max<std::size_t>(1, stage.size() / 5);
  stage.set_open(stage.size() - villains);
  grow(stage);
  const double heap = heap_kilobytes();
  for (std::size_t k = 0; k < villains; ++k) {
    stage.villains().set(stage.node(stage.size() - 1 - k), kVices[k % std::size(kVices)]);
  }
  stage.run(1min);
  const double growth = (heap_kilobytes() - heap) / static_cast<double>(stage.size());
  stage.report().add("heap that grew under attack", "kB a node", growth);
  stage.report().check(Property::MemoryIsBounded,
                       growth <= kGrowthKilobytesMax ? "" : std::to_string(growth) + " kB a node");
  settle(stage);
  check_rest(stage, kPatient);
  crash_some(stage, 1);
  stage.run(42s);
  start_all(stage);
  settle(stage);
  check_rest(stage, kPatient);
  stage.report().check(Property::PacketsArrive, stage.villains().deeds() > 0 ? "" : "no deeds");
}

}  // namespace ipop::sim
