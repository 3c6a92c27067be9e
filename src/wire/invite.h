#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "wire/statement.h"

namespace ipop::wire {

inline constexpr std::size_t kInviteHostsMax = 3;
/// Bytes before base32, checksum included; a founder's one-use invite stays <= 380 so that its QR
/// fits 80 columns. The largest rank, with the longest names and every member let in by somebody of
/// the same chain, needs 4417 bytes; the rest is for admitters with chains of their own.
inline constexpr std::size_t kInviteSizeMax = 8192;
/// Statements of the issuer's chain.
inline constexpr std::size_t kInviteChainMax = 64;

/// A member that the joiner may call first: its tunnel key and one address.
struct InviteHost {
  TunnelKey tunnel_key;
  Endpoint endpoint;
  bool tls = false;  ///< a TCP address where it takes TLS connections
};

/// What an invite string carries (docs/protocol.md, "invite"). The GRANT's network, epoch and
/// subject are left out of the encoding: they follow from `network`, `epoch` and the seed.
struct Invite {
  NetworkId network;
  std::array<std::byte, 32> seed{};  ///< of the throw-away key; secret
  Epoch epoch;
  std::array<std::byte, 32> secret{};  ///< the network's secret of `epoch`; secret
  Statement grant;                     ///< a Grant of kind Invite, with its signature
  std::vector<ByteVector> chain;       ///< issuer's statements, only where it is not the founder
  std::vector<InviteHost> hosts;       ///< <= kInviteHostsMax, best first
};

/// "IPOP1-" and upper-case base32 (RFC 4648, no padding) of the layout and a 4-byte checksum.
/// `checksum` is the caller's hash of the bytes (wire/ has no crypto).
using InviteChecksum = std::array<std::byte, 4>;
ByteVector write_invite(const Invite& invite);
/// False for an invite whose chain is too long to be read again: it must not be given out.
bool is_invite_readable(const Invite& invite);
std::string invite_text(Bytes layout, const InviteChecksum& checksum);

/// The layout and checksum of a text, read without regard to case, spaces, line breaks and hyphens.
/// Errors, with texts for the user: BadValue "this is not an ipop invite …", "the invite is
/// damaged: …" (characters, length), Unsupported "this invite needs a newer ipop".
struct InviteText {
  ByteVector layout;
  InviteChecksum checksum;
};
Result<InviteText> parse_invite_text(std::string_view text);
/// The returned grant's subject is zero: it is the public key of the seed, which the caller
/// derives. Errors as for the text, and Truncated.
Result<Invite> parse_invite(Bytes layout);

}  // namespace ipop::wire
