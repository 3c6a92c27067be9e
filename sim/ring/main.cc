// ring_scale [MEMBERS…]: what a ring of so many members costs and does, as one line of a table
// each.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "sim/ring/world.h"

using namespace ipop;                  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

struct Hops {
  double mean = 0;
  unsigned p99 = 0;
  std::size_t failed = 0;
};

Hops measure_hops(sim::RingWorld& world, std::size_t online, std::size_t pairs) {
  SeededRng rng(1);
  std::vector<std::size_t> tags;
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t a = rng.below(online);
    const std::size_t b = rng.below(online);
    if (a != b) tags.push_back(world.route(std::min(a, b), std::max(a, b)));
    if (i % 50 == 0) world.run_for(10ms);
  }
  world.run_for(6s);
  Hops out;
  std::vector<unsigned> hops;
  for (const std::size_t tag : tags) {
    const auto& d = world.datagrams()[tag];
    out.failed += d.arrived ? 0U : 1U;
    if (d.arrived) hops.push_back(d.hops);
  }
  std::sort(hops.begin(), hops.end());
  for (const unsigned h : hops) out.mean += h;
  out.mean /= static_cast<double>(hops.size());
  out.p99 = hops[hops.size() * 99 / 100];
  return out;
}

/// Members that start one after another into the running ring: seconds until each is exact.
std::vector<double> measure_joins(sim::RingWorld& world, std::size_t first, std::size_t count) {
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    const Instant begin = world.now();
    world.start(first + i);
    static_cast<void>(world.run_until([&] { return world.is_right(first + i); }, 60s, 20ms));
    times.push_back(seconds(world.now() - begin));
  }
  std::sort(times.begin(), times.end());
  return times;
}

void measure(std::size_t members) {
  const auto memory_before = mallinfo2().uordblks;
  const auto begin = std::chrono::steady_clock::now();
  sim::RingWorld world({.seed = 42, .loss = 0.01});
  constexpr std::size_t kJoins = 200;
  world.add_members(members + kJoins);
  world.start_ring(members);
  world.run_for(120s);
  const Hops hops = measure_hops(world, members, 10'000);
  // Each part of the line as soon as it is known: large worlds take an hour.
  std::printf("%8zu | %5.2f %3u %4zu |", members, hops.mean, hops.p99, hops.failed);
  std::fflush(stdout);
  world.run_for(60s);

  const auto idle_begin = std::chrono::steady_clock::now();
  const std::uint64_t bytes = world.bytes();
  world.run_for(300s);
  const double speed =
      300 / std::chrono::duration<double>(std::chrono::steady_clock::now() - idle_begin).count();
  const double idle =
      static_cast<double>(world.bytes() - bytes) / 300 / static_cast<double>(members);
  const auto memory = mallinfo2().uordblks - memory_before;
  const std::size_t wrong = world.wrong_near();
  const double links = world.links_mean();
  const std::size_t links_max = world.links_max();
  std::printf(" %4zu | %5.1f %3zu | %6.1f | %7.1f | %6.1f |", wrong, links, links_max, idle,
              static_cast<double>(memory) / static_cast<double>(members) / 1000, speed);
  std::fflush(stdout);
  const auto joins = measure_joins(world, members, kJoins);
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf(" %5.2f %5.2f | %5.0f\n", joins[joins.size() / 2], joins[joins.size() * 99 / 100],
              wall);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf(
      " members | hops p99 lost | wrong | links max | idle B/s | kB/node | x real time | join p50 "
      "p99 s | s\n");
  for (int i = 1; i < argc; ++i) measure(std::strtoull(argv[i], nullptr, 10));
  if (argc == 1) {
    for (const std::size_t n : {1000U, 10'000U, 100'000U}) measure(n);
  }
}
