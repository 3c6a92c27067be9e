#include "session/local_side.h"

#include <algorithm>

namespace ipop::session {
namespace {

/// TAI64 (https://cr.yp.to/libtai/tai64.html): label 2^62 + s is the second that began s TAI
/// seconds after 1970; TAI was 10 s ahead of UTC then, and leap seconds are ignored as everywhere.
constexpr std::uint64_t kTaiOfUnixEpoch = (1ULL << 62U) + 10;
/// Beyond any clock, and far from where the label's arithmetic would wrap.
constexpr std::uint64_t kSecondsMax = 1ULL << 61U;
constexpr std::uint32_t kTickNs = 1U << 24U;
constexpr std::uint32_t kSecondNs = 1'000'000'000;
constexpr std::chrono::seconds kReservation = std::chrono::hours(2);
constexpr std::chrono::seconds kReservationMargin = std::chrono::minutes(30);

struct Parts {
  std::uint64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  auto operator<=>(const Parts&) const = default;
};

Parts decode(const wire::Tai64n& label) {
  Parts out;
  for (std::size_t i = 0; i < 8; ++i) {
    out.seconds = out.seconds << 8U | std::to_integer<std::uint64_t>(label.bytes[i]);
  }
  for (std::size_t i = 8; i < 12; ++i) {
    out.nanoseconds = out.nanoseconds << 8U | std::to_integer<std::uint32_t>(label.bytes[i]);
  }
  out.seconds = out.seconds < kTaiOfUnixEpoch ? 0 : out.seconds - kTaiOfUnixEpoch;
  return out;
}

wire::Tai64n encode(Parts parts) {
  wire::Tai64n out;
  const std::uint64_t seconds = kTaiOfUnixEpoch + parts.seconds;
  for (std::size_t i = 0; i < 8; ++i) {
    out.bytes[i] = static_cast<std::byte>(seconds >> (8 * (7 - i)));
  }
  for (std::size_t i = 0; i < 4; ++i) {
    out.bytes[8 + i] = static_cast<std::byte>(parts.nanoseconds >> (8 * (3 - i)));
  }
  return out;
}

/// The next whitened moment.
Parts one_tick_after(Parts parts) {
  const std::uint32_t next = (parts.nanoseconds / kTickNs + 1) * kTickNs;
  if (next < kSecondNs) return {parts.seconds, next};
  return {parts.seconds + 1, 0};
}

}  // namespace

wire::Tai64n TimestampSource::next(const Now& now) {
  Parts label{std::min(now.wall.seconds, kSecondsMax),
              std::min(now.wall_nanoseconds, kSecondNs - 1) / kTickNs * kTickNs};
  if (floor_.seconds > 0) {
    // A label within the floor's last second may have been used before the restart.
    label = std::max(label, Parts{std::min(floor_.seconds, kSecondsMax) + 1, 0});
  }
  if (!last_.is_zero()) label = std::max(label, one_tick_after(decode(last_)));
  last_ = encode(label);
  return last_;
}

UnixTime TimestampSource::reached(const Now& now) const {
  const UnixTime used{last_.is_zero() ? 0 : decode(last_).seconds};
  return std::max({now.wall, floor_, used});
}

bool TimestampSource::wants_reservation(const Now& now) const {
  return reached(now).plus(kReservationMargin) > reserved_;
}

void TimestampSource::reserve(const Now& now) { reserved_ = reached(now).plus(kReservation); }

ByteVector native_prologue(const wire::NetworkId& network) {
  ByteVector out = to_vector(as_bytes("ipop v1"));
  append(out, network.view());
  return out;
}

}  // namespace ipop::session
