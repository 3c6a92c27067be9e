#include "sim/run/faults.h"

#include <algorithm>

namespace ipop::sim {
namespace {

/// A random live one that may be taken away: one of the open ones has to stay for who joins.
std::optional<std::size_t> expendable(Stage& stage) {
  std::vector<std::size_t> who = stage.live();
  const auto open = std::ranges::count_if(who, [&](std::size_t i) { return i < stage.open(); });
  if (open == 1) std::erase_if(who, [&](std::size_t i) { return i < stage.open(); });
  if (who.empty()) return std::nullopt;
  return who[stage.rng().below(who.size())];
}

std::vector<std::size_t> all_that(Stage& stage, bool (*holds)(const Node&)) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < stage.size(); ++i) {
    if (holds(stage.node(i))) out.push_back(i);
  }
  return out;
}

bool is_off(const Node& node) { return !node.is_running(); }
bool is_asleep(const Node& node) { return node.is_running() && !node.is_awake(); }

}  // namespace

void put_behind_nats(Stage& stage, std::size_t open) {
  stage.set_open(open);
  for (std::size_t i = open; i < stage.size(); ++i) {
    const std::uint64_t draw = stage.rng().below(100);
    const NatKind kind = draw < 13   ? NatKind::FullCone
                         : draw < 75 ? NatKind::PortRestricted
                                     : NatKind::Symmetric;
    const auto lifetime = std::chrono::seconds(30 + stage.rng().below(151));
    stage.node(i).move_behind(kind, lifetime);
  }
}

void crash_some(Stage& stage, std::size_t count) {
  for (; count > 0; --count) {
    if (const auto i = expendable(stage)) stage.node(*i).crash();
  }
}

void sleep_some(Stage& stage, std::size_t count) {
  for (; count > 0; --count) {
    if (const auto i = expendable(stage)) stage.node(*i).sleep();
  }
}

void wake_all(Stage& stage) {
  for (const std::size_t i : all_that(stage, is_asleep)) stage.node(i).wake();
}

void start_all(Stage& stage) {
  for (const std::size_t i : all_that(stage, is_off)) stage.node(i).start();
}

bool reinstall_one(Stage& stage) {
  const std::vector<std::size_t> off = all_that(stage, is_off);
  if (off.empty()) return false;
  const std::size_t i = off[stage.rng().below(off.size())];
  stage.node(i).lose_disk();
  stage.node(i).start();
  return stage.call_to_join(i);
}

bool part_with_one(Stage& stage) {
  std::vector<std::size_t> who = stage.live();
  std::erase(who, 0U);
  if (who.empty()) return false;
  Node& node = stage.node(who[stage.rng().below(who.size())]);
  const bool left = node.engine().leave(node.now(), {}).has_value();
  node.drain();
  return left;
}

void skew_clocks(Stage& stage, std::chrono::seconds most) {
  const auto span = static_cast<std::uint64_t>(most.count());
  for (std::size_t i = 0; i < stage.size(); ++i) {
    const std::uint64_t drawn = stage.rng().below(2 * span + 1);
    stage.node(i).clock_skew = static_cast<std::int64_t>(drawn) - most.count();
  }
}

}  // namespace ipop::sim
