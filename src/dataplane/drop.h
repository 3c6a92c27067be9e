#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ipop::dataplane {

/// Why a packet was thrown away; each is a counter that `ipop status --json` shows.
enum class Drop : std::uint8_t {
  BadHeader,            ///< datagram: not a valid DATA header
  UnknownSession,       ///< datagram: no keypair has that index
  Replayed,             ///< counter seen before or too old
  BadTag,               ///< authentication failed
  KeyExpired,           ///< keypair past its block or message limit
  NotProven,            ///< IP packet before PROOF
  BadPayload,           ///< inside: neither IP nor a control frame, or wrong inner length
  SpoofedSource,        ///< inner source is not the sender's
  BadInnerDestination,  ///< inner destination is not us
  EcnNotCapable,        ///< outer CE on an inner Not-ECT packet (RFC 6040)
  BadInner,             ///< from TUN: malformed IP packet
  NoRoute,              ///< from TUN: destination is no member
  ForeignSource,        ///< from TUN: source is not our overlay address
  TooBig,          ///< from TUN: above the path's MTU; answered with packet-too-big where allowed
  Congested,       ///< from TUN: one of more than we can seal, to slow its sender down
  UnknownLabel,    ///< relayed: nobody has that label, or it belongs to another session
  NestedRelay,     ///< relayed inside of relayed
  RelayNoLeg,      ///< relayed: the other leg is not direct and proven now
  RelayOverLimit,  ///< relayed: the pair has used up its allowance
  QueueFull,       ///< control's queue was full
  SendFailed,      ///< the socket or the interface refused it
  Count_,          // NOLINT(readability-identifier-naming): no reason, but their number
};
inline constexpr std::size_t kDropCount = static_cast<std::size_t>(Drop::Count_);

/// Snake-case name for JSON and metrics.
std::string_view drop_name(Drop drop);

}  // namespace ipop::dataplane
