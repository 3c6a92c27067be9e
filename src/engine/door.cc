#include "engine/door.h"

#include <algorithm>

#include "engine/context.h"

namespace ipop::engine {
namespace {

constexpr TokenBucket::Limit kIngress{.per_second = 5, .burst = 10};
constexpr TokenBucket::Limit kNode{.per_second = 20, .burst = 20};

/// What a cookie is bound to: the address, or one that stands for the member that it came through
/// (in 100::/64, which RFC 6666 keeps free of anybody; the gate tells /64s apart).
Endpoint origin_of(const Way& from, PeerHandle ingress) {
  if (from.is_leg()) return from.endpoint();
  Ipv6 origin;
  origin.bytes[0] = std::byte{1};
  for (std::size_t i = 0; i < 4; ++i)
    origin.bytes[4 + i] = static_cast<std::byte>(ingress.value >> 8 * i);
  return {origin, 1};
}

}  // namespace

bool IngressLimit::admit(Instant now, PeerHandle ingress) {
  std::erase_if(by_ingress_,
                [&](const auto& entry) { return entry.second.is_full(now, kIngress); });
  // The one's own first: who is over it takes nothing from the others.
  return by_ingress_[ingress].take(now, kIngress) && all_.take(now, kNode);
}

Admission admit_initiation(Context& context, const Now& now, const session::Profile& profile,
                           const TunnelKey& own, const wire::Initiation& message, const Way& from,
                           PeerHandle ingress) {
  if (!from.is_leg() && !context.ingress.admit(now.at, ingress)) return {};
  const Endpoint origin = origin_of(from, ingress);
  switch (context.gate.admit(now.at, origin, message.mac2, message.mac2_input)) {
    case session::HandshakeGate::Verdict::Pass:
      return {.enters = true, .answer = {}};
    case session::HandshakeGate::Verdict::Drop:
      break;
    case session::HandshakeGate::Verdict::ReplyCookie: {
      ByteVector out;
      wire::write_cookie_reply(profile.shape,
                               context.gate.make_cookie_reply(now.at, profile, message.sender, own,
                                                              message.mac1, origin),
                               out);
      return {.enters = false, .answer = std::move(out)};
    }
  }
  return {};
}

}  // namespace ipop::engine
