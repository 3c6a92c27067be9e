#pragma once

#include <array>

#include "base/device.h"
#include "dataplane/inner_packet.h"

namespace ipop::dataplane {

/// An IP packet on its way to an interface; `bytes` is borrowed.
struct ReceivedPacket {
  MutableBytes bytes;  ///< of inner.size
  InnerPacket inner;
  bool checksum_partial = false;  ///< then checksum_place() is no error
};

/// Joins received packets of one TCP or UDP flow that follow each other into one large packet,
/// which the kernel takes as one (GRO, in virtio's terms). What it joins, the kernel can split
/// again into the same packets. Only packets whose checksum is partial are joined: the payloads of
/// others would have to be summed up, to tell a wrong checksum from a right one.
///
///   if (!run.append(packet)) { write(run.finish()); run.start(packet, tun.offloads()); }
class Coalescer {
 public:
  /// As many as the kernel splits again (UDP_MAX_SEGMENTS).
  static constexpr std::size_t kPartsMax = 64;

  bool empty() const { return count_ == 0; }
  /// Begins a run for an interface that takes over `offloads`. Requires: empty().
  void start(const ReceivedPacket& packet, const TunOffloads& offloads);
  /// Lengthens the run by a packet that continues it; false: it does not, and nothing changed.
  bool append(const ReceivedPacket& packet);
  /// Writes the headers of the whole run into its first packet; leaves the run empty. The result is
  /// borrowed until start(). Requires: !empty().
  OutgoingPacket finish();

 private:
  /// What is joined with the run only if it is the same.
  bool same_flow(const ReceivedPacket& packet) const;
  void write_run_header();

  TunOffloads offloads_;
  ReceivedPacket first_;
  std::array<Bytes, kPartsMax> parts_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;          ///< of the joined packet
  std::size_t header_size_ = 0;   ///< 0: this packet stays alone
  std::size_t segment_size_ = 0;  ///< payload of the first
  std::uint32_t next_sequence_ = 0;
  bool closed_ = false;  ///< by a shorter segment or PSH: nothing follows
  bool push_ = false;
};

}  // namespace ipop::dataplane
