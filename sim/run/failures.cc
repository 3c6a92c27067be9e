// Members that come and go, and networks that part and meet.
#include <algorithm>

#include "sim/run/checkers.h"
#include "sim/run/faults.h"
#include "sim/run/scenarios.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

/// The last death is noticed after 32 s at most; then the ring has 10 s to close.
constexpr Duration kAfterDeaths = 42s;

Duration drawn(Rng& rng, Duration least, Duration most) {
  return least + Duration(static_cast<std::int64_t>(
                     rng.below(static_cast<std::uint64_t>((most - least).count()) + 1)));
}

/// Packets of a moment in which nobody knows yet: how many arrive is a figure.
void count_arrivals(Stage& stage, const char* figure, std::size_t packets) {
  const std::vector<std::size_t> who = stage.live();
  std::vector<std::size_t> numbers;
  for (std::size_t n = 0; n < packets && who.size() > 1; ++n) {
    const std::size_t a = who[stage.rng().below(who.size())];
    const std::size_t b = who[stage.rng().below(who.size())];
    if (a == b) continue;
    if (const auto number = stage.traffic().send(a, b)) numbers.push_back(*number);
    stage.run(Stage::kTick);
  }
  stage.run(3s);
  for (const std::size_t number : numbers) {
    stage.report().add(figure, "", stage.traffic().packet(number).arrived ? 1 : 0);
  }
}

void upset(Stage& stage) {
  const std::size_t live = stage.live().size();
  switch (stage.rng().below(6)) {
    case 0:
    case 1:
      if (live * 2 > stage.size()) crash_some(stage, 1);
      return;
    case 2:
      return start_all(stage);
    case 3:
      static_cast<void>(reinstall_one(stage));
      return;
    case 4:
      if (live * 2 > stage.size()) static_cast<void>(part_with_one(stage));
      return;
    default:
      static_cast<void>(stage.call_to_join(stage.add_node()));
  }
}

/// Whether somebody has a session with a member of the other half.
bool halves_met(Stage& stage, const std::vector<unsigned>& half) {
  const std::vector<std::size_t> live = stage.live();
  return std::ranges::any_of(live, [&](std::size_t a) {
    return std::ranges::any_of(live, [&](std::size_t b) {
      return half[a] != half[b] && stage.ring(a).links().find(stage.self(b)->node) != nullptr;
    });
  });
}

}  // namespace

void play_churn(Stage& stage) {
  stage.world().default_path.loss = 0.01;
  grow(stage);
  const Instant end = stage.world().at() + 5min;
  while (stage.world().at() < end) {
    upset(stage);
    count_arrivals(stage, "arrived during churn", 10);
    stage.run(drawn(stage.rng(), 0s, 5s));
  }
  start_all(stage);
  settle(stage);
  check_rest(stage, kPatient);
}

void play_deaths(Stage& stage) {
  grow(stage);
  stage.run(30s);
  crash_some(stage, std::max<std::size_t>(1, stage.size() * 3 / 10));
  count_arrivals(stage, "arrived while nobody knew", 200);
  settle(stage, {.ring = kAfterDeaths});
  check_rest(stage, {});
  start_all(stage);
  settle(stage);
  check_rest(stage, {});
}

void play_sleep(Stage& stage) {
  grow(stage);
  for (int night = 0; night < 4; ++night) {
    sleep_some(stage, std::max<std::size_t>(1, stage.size() / 3));
    stage.run(drawn(stage.rng(), 5s, 10min));
    wake_all(stage);
    settle(stage);
    check_reach(stage, {.pairs_max = 100});
  }
  check_rest(stage, {});
}

void play_partition(Stage& stage) {
  grow(stage);
  std::vector<unsigned> half(stage.size());
  for (std::size_t i = 0; i < stage.size(); ++i) {
    half[i] = i < 2 ? static_cast<unsigned>(i) : static_cast<unsigned>(stage.rng().below(2));
    stage.world().set_group(stage.node(i), half[i]);
  }
  stage.run(2min);
  for (unsigned side = 0; side < 2; ++side) {
    const std::size_t i = stage.add_node();
    half.push_back(side);
    stage.world().set_group(stage.node(i), side);
    static_cast<void>(stage.call_to_join(i));
  }
  settle(stage);
  check_state(stage);
  for (std::size_t i = 0; i < stage.size(); ++i) stage.world().set_group(stage.node(i), 0);
  const double healed = stage.seconds();
  const bool met = stage.wait([&] { return halves_met(stage, half); }, 8min);
  stage.report().check(Property::OneRingAfterHealing,
                       met ? "" : "the halves did not meet within 8 minutes");
  stage.report().add("halves met after", "s", stage.seconds() - healed);
  const double contact = stage.seconds();
  const bool one = stage.wait([&] { return count_right(stage) == stage.live().size(); }, 20s);
  stage.report().check(Property::OneRingAfterHealing,
                       one ? "" : "not one ring 20 s after the halves met");
  stage.report().add("one ring after they met", "s", stage.seconds() - contact);
  settle(stage);
  check_rest(stage, {});
}

}  // namespace ipop::sim
