#include "daemon/caller_limits.h"

#include <algorithm>

namespace ipop::daemon {
namespace {

constexpr std::ptrdiff_t kNetworkBytes = 8;

}  // namespace

IpAddress origin_of(const IpAddress& address) {
  if (!address.is_v6()) return address;
  Ipv6 network = address.v6();
  std::fill(network.bytes.begin() + kNetworkBytes, network.bytes.end(), std::byte{0});
  return network;
}

bool CallerLimits::take(Instant now, const IpAddress& from) {
  const IpAddress origin = origin_of(from);
  if (!origins_.contains(origin) && origins_.size() >= kOriginsMax) forget_some(now);
  Origin& known = origins_[origin];
  known.called_at = now;
  return known.bucket.take(now, kOfOne) && all_.take(now, kOfAll);
}

/// Those that say nothing any more; were there none, whoever called longest ago: by then the limit
/// for all is what counts.
void CallerLimits::forget_some(Instant now) {
  std::erase_if(origins_, [&](const auto& o) { return o.second.bucket.is_full(now, kOfOne); });
  if (origins_.size() < kOriginsMax) return;
  origins_.erase(std::ranges::min_element(
      origins_, {}, [](const auto& entry) { return entry.second.called_at; }));
}

}  // namespace ipop::daemon
