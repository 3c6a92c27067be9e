#pragma once

#include <map>

#include "base/address.h"
#include "base/token_bucket.h"

namespace ipop::daemon {

/// What one caller counts as: an IPv4 address; of IPv6 a /64, whose addresses are one customer's.
IpAddress origin_of(const IpAddress& address);

/// How many callers a TLS port takes in a second: so many of one origin, and of what these leave so
/// many in all. One origin's calls therefore cost nobody else a place. Bounded memory; one thread.
class CallerLimits {
 public:
  static constexpr TokenBucket::Limit kOfAll{.per_second = 50, .burst = 50};
  /// An office behind one address comes back within seconds after our restart.
  static constexpr TokenBucket::Limit kOfOne{.per_second = 2, .burst = 8};
  static constexpr std::size_t kOriginsMax = 1024;

  /// Somebody may be taken in, if its origin's limit says so too.
  bool has_room(Instant now) const { return all_.available(now, kOfAll) >= 1; }
  /// Whether this one may. What its origin may not costs the others nothing.
  bool take(Instant now, const IpAddress& from);
  std::size_t origins() const { return origins_.size(); }

 private:
  struct Origin {
    TokenBucket bucket;
    Instant called_at{};
  };
  void forget_some(Instant now);

  TokenBucket all_;
  std::map<IpAddress, Origin> origins_;
};

}  // namespace ipop::daemon
