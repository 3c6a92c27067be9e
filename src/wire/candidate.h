#pragma once

#include "base/address.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {

/// True for what may travel as somebody's address: a unicast address and a port. Refused are port
/// 0, unspecified, multicast and broadcast addresses, and IPv4-mapped IPv6 (a second way to write
/// an IPv4 address).
bool is_candidate(const Endpoint& endpoint);

/// candidate: u8 family (4 or 6) | 16 address (IPv4 in the first four bytes, the rest zero) |
/// u16 port. Anything but an is_candidate() makes the reader fail.
Endpoint read_candidate(Reader& reader);
/// A caller sends only what is_candidate(), or the peer refuses the whole datagram; nothing is
/// checked here, since what we see of a peer (port 0) must never stop the process.
void write_candidate(const Endpoint& endpoint, Writer& writer);

inline constexpr std::size_t kCandidateSize = 19;

}  // namespace ipop::wire
