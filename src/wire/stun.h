#pragma once

#include <optional>
#include <variant>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"

/// The part of STUN (RFC 8489) that tells us our outer address: a Binding request without
/// attributes, and what a server answers. No credentials: a response is believed because it repeats
/// 96 random bits and comes from where the request went (section 6.3.1).
namespace ipop::wire {

struct StunTransactionTag;
using StunTransaction = FixedBytes<StunTransactionTag, 12>;

inline constexpr std::uint32_t kStunCookie = 0x2112a442;
inline constexpr std::size_t kStunHeaderSize = 20;
/// No server may send more without knowing the path's MTU (section 6.1, for IPv6).
inline constexpr std::size_t kStunSizeMax = 1280;
/// Public servers send five or so.
inline constexpr std::size_t kStunAttributesMax = 32;

struct StunSuccess {
  StunTransaction transaction;
  /// Where the server saw the request come from, is_candidate(). XOR-MAPPED-ADDRESS where there is
  /// one (14.2), else MAPPED-ADDRESS (14.1), which some NATs rewrite.
  Endpoint mapped;
  /// Where the server says it answered from, and its other address and port (RFC 5780 7.3, 7.4).
  /// nullopt: not said, or no address that can be called.
  std::optional<Endpoint> origin;
  std::optional<Endpoint> other;

  friend bool operator==(const StunSuccess&, const StunSuccess&) = default;
};

struct StunFailure {
  StunTransaction transaction;
  std::uint16_t code = 0;  ///< 300..699 (14.8)

  friend bool operator==(const StunFailure&, const StunFailure&) = default;
};

using StunResponse = std::variant<StunSuccess, StunFailure>;

/// The transaction of what looks like a STUN message of any kind: two zero bits, a length of its
/// own that is the datagram's, the magic cookie (section 5). nullopt for anything else. Cheap: what
/// demultiplexing asks of every datagram before parsing.
std::optional<StunTransaction> stun_transaction(Bytes datagram);

/// Appends a Binding request; `with_fingerprint` adds FINGERPRINT (14.7), which a server that
/// shares its port with other protocols may want.
void write_stun_request(const StunTransaction& transaction, bool with_fingerprint, ByteVector& out);

/// Reads the response to a Binding request. Truncated: shorter than it says. BadValue: no response
/// to Binding, a wrong length, a wrong FINGERPRINT, no or an impossible mapped address.
/// Unsupported: an attribute that has to be understood is not (6.3.3), so that the transaction has
/// failed. What follows MESSAGE-INTEGRITY is ignored (14.5); of repeated attributes the first
/// counts (section 14).
Result<StunResponse> parse_stun_response(Bytes datagram);

}  // namespace ipop::wire
