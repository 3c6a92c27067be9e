#include "base/check.h"
#include "session/testing.h"

// Two sessions and a link that the input commands: deliver, drop, duplicate, reorder and spoil
// datagrams, let time pass, ask for handshakes, reset, restart. No schedule may crash, give the two
// ends of a pair different keys, hold more than the bounds, or leave the ends unable to talk
// (natively: on one pair that both choose) once the link is clean again. Each input runs in both
// profiles.

namespace {

using namespace ipop;                    // NOLINT(google-build-using-namespace)
using namespace ipop::session::testing;  // NOLINT(google-build-using-namespace)

class Schedule {
 public:
  Schedule(const session::Profile& profile, Bytes input)
      : profile_(&profile),
        input_(input),
        ends_{TestEnd({.seed = 1, .suites = suites(profile), .profile = &profile}),
              TestEnd({.seed = 2,
                       .suites = suites(profile),
                       .clock_skew_seconds = -9000,
                       .profile = &profile})} {
    ends_[0].meet(ends_[1]);
    ends_[1].meet(ends_[0]);
  }

  void run() {
    while (!input_.empty() && steps_++ < kStepsMax) {
      step(next());
      collect();
      check_bounds();
    }
    settle();
  }

 private:
  static constexpr std::size_t kStepsMax = 400;
  static constexpr std::size_t kFlyingMax = 64;

  static std::uint8_t suites(const session::Profile& profile) {
    return profile.carries_membership ? 3 : 1;
  }
  unsigned next() {
    if (input_.empty()) return 0;
    const auto value = std::to_integer<unsigned>(input_.front());
    input_ = input_.subspan(1);
    return value;
  }

  void step(unsigned op) {
    const std::size_t who = op & 1U;
    switch (op >> 1U & 15U) {
      case 0:
        ends_[who].connect(now_);
        break;
      case 1:
        ends_[who].handshake_now(now_);
        break;
      case 2:
        ends_[who].session().stop_connecting();
        break;
      case 3:
        ends_[who].reset(now_);
        break;
      case 4:
        ends_[who].restart(now_);
        break;
      case 5:
        ends_[who].send_ip(now_, next());
        break;
      case 6:
        advance(std::chrono::milliseconds(next()));
        break;
      case 7:
        advance(std::chrono::seconds(next() * next()));
        break;
      case 8:
        deliver(who, 0, true);
        break;
      case 9:
        deliver(who, next(), true);
        break;
      case 10:
        deliver(who, next(), false);
        break;
      case 11:
        drop(who, next());
        break;
      case 12:
        spoil(who);
        break;
      default:
        while (!flying_[who].empty()) deliver(who, 0, true);
        break;
    }
  }

  void advance(Duration by) {
    now_ += by;
    for (TestEnd& end : ends_) end.tick(now_);
  }
  void deliver(std::size_t to, std::size_t which, bool consume) {
    if (flying_[to].empty()) return;
    which %= flying_[to].size();
    const ByteVector datagram = flying_[to][which];
    if (consume) flying_[to].erase(flying_[to].begin() + static_cast<std::ptrdiff_t>(which));
    ends_[to].receive(now_, datagram);
  }
  void drop(std::size_t to, std::size_t which) {
    if (flying_[to].empty()) return;
    which %= flying_[to].size();
    flying_[to].erase(flying_[to].begin() + static_cast<std::ptrdiff_t>(which));
  }
  void spoil(std::size_t to) {
    const std::size_t position = next() * 2;
    const auto bits = static_cast<std::byte>(next());
    if (flying_[to].empty()) return;
    ByteVector& datagram = flying_[to].front();
    datagram[position % datagram.size()] ^= bits;
  }
  void collect() {
    for (std::size_t i = 0; i < 2; ++i) {
      for (ByteVector& datagram : ends_[i].take_outbox()) {
        if (flying_[1 - i].size() < kFlyingMax) flying_[1 - i].push_back(std::move(datagram));
      }
    }
  }
  void check_bounds() {
    check(TestEnd::keys_agree(ends_[0], ends_[1]));
    for (TestEnd& end : ends_) {
      check(end.pair_count() <= session::kEstablishedMax + session::kUnconfirmedMax);
      check(end.indices().size() <=
            session::kEstablishedMax + session::kUnconfirmedMax + profile_->pending_max);
    }
  }

  /// A clean link, and both owners want the session: first both start afresh on what they have, and
  /// an end whose peer forgot it learns so from its owner.
  void settle() {
    for (auto& queue : flying_) queue.clear();
    for (TestEnd& end : ends_) end.connect(now_);
    run_clean(now_ + 60s);
    if (ends_[0].sending() != ends_[1].sending() || !agreed()) {
      for (TestEnd& end : ends_) {
        end.reset(now_);
        end.connect(now_);
      }
      run_clean(now_ + 10s);
    }
    check(agreed());
    check(TestEnd::keys_agree(ends_[0], ends_[1]));
    for (std::size_t i = 0; i < 2; ++i) {
      check(ends_[i].send_ip(now_, 0xffff0000));
      run_clean(now_ + 1s);
      check(ends_[1 - i].received().contains(0xffff0000));
    }
  }
  void run_clean(Duration end) {
    while (true) {
      collect();
      while (!flying_[0].empty() || !flying_[1].empty()) {
        check(++steps_ < 200'000);
        deliver(flying_[0].empty() ? 1 : 0, 0, true);
        collect();
      }
      const Duration at = std::min(ends_[0].deadline(), ends_[1].deadline()).time_since_epoch();
      if (at > end) break;
      check(++steps_ < 200'000);
      advance(std::max(Duration::zero(), at - now_));
    }
    advance(end - now_);
    collect();
  }
  bool agreed() const {
    if (!ends_[0].sending() || !ends_[1].sending()) return false;
    return profile_->newest_sends || ends_[0].sending() == ends_[1].sending();
  }

  const session::Profile* profile_;
  Bytes input_;
  std::array<TestEnd, 2> ends_;
  std::array<std::vector<ByteVector>, 2> flying_;
  Duration now_{};
  std::size_t steps_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  Schedule(session::kNativeProfile, input).run();
  Schedule(session::kStockProfile, input).run();
  return 0;
}
