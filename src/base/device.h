#pragma once

#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/bytes.h"
#include "base/id.h"

/// The words that the packet path and the operating system's devices share. The path (dataplane/)
/// never sees os/ and os/ never sees the path: both know these structs, and the worker takes the
/// devices as template arguments.
///
/// A Tun has
///   std::size_t read(std::span<Packet> packets, std::span<Offload> left);  // 0 = would block
///   bool write(const OutgoingPacket& packet);  // false: the interface refused it
///   TunOffloads offloads() const;
/// and a Udp has
///   std::size_t receive(std::span<Packet> packets, std::span<ReceivedMeta> meta);
///   std::size_t send(std::span<const OutgoingDatagrams> batch);  // how many entries went
///   std::optional<Endpoint> take_too_big();        // destination of a datagram that met EMSGSIZE
/// None of them blocks.
namespace ipop {

/// How one packet stands for many, which whoever passes it on has to make of it.
enum class Segmentation : std::uint8_t { None, Tcp4, Tcp6, Udp };

/// What the sender of an IP packet left undone (virtio 1.2, section 5.1.6).
struct Offload {
  Segmentation segmentation = Segmentation::None;
  std::uint16_t segment_size = 0;  ///< bytes of payload in each packet but the last
  /// The checksum field holds the pseudo-header's sum only; the rest, from `checksum_start` to the
  /// packet's end, is to be added and stored at `checksum_start + checksum_offset`.
  bool checksum_partial = false;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;

  bool operator==(const Offload&) const = default;
};

/// What an interface takes over, from us and for us.
struct TunOffloads {
  bool checksum = false;  ///< checksum_partial
  bool tcp = false;       ///< Tcp4, Tcp6
  bool udp = false;       ///< Udp

  bool operator==(const TunOffloads&) const = default;
};

/// An IP packet for an interface. Everything is borrowed until write() returns.
struct OutgoingPacket {
  std::span<const Bytes> parts;   ///< joined they are the packet
  std::uint16_t header_size = 0;  ///< IP and transport header; counts with segmentation only
  Offload offload;
};

/// What came with a received datagram.
struct ReceivedMeta {
  Endpoint from;
  std::uint8_t ecn = 0;  ///< the outer header's ECN bits, RFC 3168: 0 = Not-ECT, 3 = CE
  /// Not 0: the buffer holds several datagrams of this size each, the last one may be shorter.
  std::uint16_t segment_size = 0;
  SocketId socket;  ///< that it came to
};

/// Datagrams to send; `bytes` is borrowed until send() returns.
struct OutgoingDatagrams {
  Bytes bytes;
  Endpoint to;
  std::uint8_t ecn = 0;            ///< for the outer headers
  std::uint16_t segment_size = 0;  ///< as in ReceivedMeta
  SocketId socket;                 ///< to send it from
};

}  // namespace ipop
