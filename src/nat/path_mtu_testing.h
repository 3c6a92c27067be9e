#pragma once

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "nat/path_mtu.h"

/// What the tests of the path MTU's search share.
namespace ipop::nat {

using namespace std::chrono_literals;

inline constexpr std::uint16_t kLimit = 1420;

/// A search, its clock, and a path that drops what is larger than `size_max` without a word.
struct PathMtuBench {
  explicit PathMtuBench(std::uint64_t seed = 1) : rng(seed) {}

  SeededRng rng;
  PathMtu search{rng, kLimit};
  Instant now{1h};

  // The path.
  std::uint16_t size_max = 1500;
  Duration round_trip = 20ms;
  Duration jitter{};
  double loss = 0;        ///< each way
  double large_loss = 0;  ///< of probes of a kilobyte or more: a limit on the rate
  bool answers = true;
  std::uint16_t kernel_max = 65535;  ///< larger ones are refused by our own kernel, which says so

  // The owner.
  bool flows = false;  ///< IP packets go out all the time

  // What was seen.
  std::vector<std::uint16_t> sizes;  ///< of the probes that were sent
  std::size_t dropped = 0;           ///< by the path, for their size
  std::size_t lost = 0;              ///< by chance
  std::size_t bounds_due = 0;
  std::size_t changes = 0;
  std::uint16_t lowest = kLimit;
  Instant wait = Instant::max();

  void drain() {
    for (;;) {
      const auto output = search.poll_output();
      if (const auto* w = std::get_if<PathMtu::WaitUntil>(&output)) {
        wait = w->at;
        lowest = std::min(lowest, search.mtu());
        return;
      }
      if (const auto* p = std::get_if<PathMtu::SendProbe>(&output)) send(*p);
      if (std::holds_alternative<PathMtu::Changed>(output)) ++changes;
      if (std::holds_alternative<PathMtu::BoundDue>(output)) ++bounds_due;
    }
  }
  /// Packets begin to go.
  void use() {
    flows = true;
    sent_at_ = now;
    search.handle_sent(now, now);
    drain();
  }
  void rest() { flows = false; }
  void move() {
    search.reset(now, last_sent());
    drain();
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 100'000) << "the deadline stands still";
      const Instant answer = answers_.empty() ? Instant::max() : answers_.begin()->first;
      const Instant next = std::min(answer, wait);
      if (next > end) break;
      now = std::max(now, next);
      if (answer <= now) {
        const PathMtu::Token token = answers_.begin()->second;
        answers_.erase(answers_.begin());
        search.handle_answer(now, token);
      } else {
        search.handle_sent(now, last_sent());
        search.handle_timeout(now);
      }
      drain();
    }
    now = end;
  }
  std::size_t count(std::uint16_t size) const {
    return static_cast<std::size_t>(std::count(sizes.begin(), sizes.end(), size));
  }
  std::size_t bytes() const {
    std::size_t out = 0;
    for (const std::uint16_t size : sizes) out += size;
    return out;
  }
  Instant last_sent() const { return flows ? now : sent_at_; }

 private:
  bool chance(double p) { return rng.below(1'000'000) < static_cast<std::uint64_t>(p * 1'000'000); }
  void send(const PathMtu::SendProbe& probe) {
    sizes.push_back(probe.size);
    if (probe.size > kernel_max) {
      search.set_bound(kernel_max);
    } else if (probe.size > size_max) {
      ++dropped;
    } else if (chance(loss) || chance(loss) || (probe.size > 1000 && chance(large_loss))) {
      ++lost;
    } else if (answers) {
      Duration took = round_trip;
      if (jitter.count() > 0) {
        took += Duration(
            static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(jitter.count()))));
      }
      answers_.emplace(now + took, probe.token);
    }
  }

  std::multimap<Instant, PathMtu::Token> answers_;
  Instant sent_at_ = Instant::min();
};

}  // namespace ipop::nat
