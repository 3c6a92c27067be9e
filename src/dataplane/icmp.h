#pragma once

#include <optional>

#include "base/packet.h"
#include "dataplane/inner_packet.h"

namespace ipop::dataplane {

/// What an answer says and to whom none is sent.
struct TooBigOptions {
  std::uint16_t mtu = 0;        ///< largest packet that would have gone
  std::optional<Prefix4> pool;  ///< its last address is a broadcast
};

/// Replaces `packet` by the ICMP "fragmentation needed" (RFC 792, RFC 1191) or the ICMPv6 "packet
/// too big" (RFC 4443 section 3.2) that answers it, for the interface that it came from. False, and
/// the packet unchanged, where none may be sent (RFC 1122 3.2.2, RFC 4443 2.4): to an ICMP error,
/// a later fragment, a multicast, broadcast or unspecified address.
///
/// The answer's source is the packet's destination: an address of our own would make the kernel
/// refuse it as a martian.
/// Requires: `inner` is parse_inner(packet.data()), and the packet has all its headroom.
bool replace_by_too_big(Packet& packet, const InnerPacket& inner, const TooBigOptions& options);

}  // namespace ipop::dataplane
