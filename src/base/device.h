#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

/// The words that the packet path and the operating system's devices share. The path (dataplane/)
/// never sees os/ and os/ never sees the path: both know these two structs, and the worker takes
/// the devices as template arguments.
///
/// A Tun has
///   std::size_t read(std::span<Packet> packets);   // fills them from the front; 0 = would block
///   bool write(Bytes ip_packet);                   // false: the interface refused it
/// and a Udp has
///   std::size_t receive(std::span<Packet> packets, std::span<ReceivedMeta> meta);
///   std::size_t send(std::span<const OutgoingDatagram> batch);  // how many went; the rest is lost
///   std::optional<Endpoint> take_too_big();        // destination of a datagram that met EMSGSIZE
/// None of them blocks.
namespace ipop {

/// What came with a received datagram.
struct ReceivedMeta {
  Endpoint from;
  std::uint8_t ecn = 0;  ///< the outer header's ECN bits, RFC 3168: 0 = Not-ECT, 3 = CE
};

/// A datagram to send; `bytes` is borrowed until send() returns.
struct OutgoingDatagram {
  Bytes bytes;
  Endpoint to;
  std::uint8_t ecn = 0;  ///< for the outer header
};

}  // namespace ipop
