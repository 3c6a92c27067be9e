#pragma once

#include "base/device.h"
#include "base/packet.h"
#include "dataplane/inner_packet.h"

namespace ipop::dataplane {

/// The packets that a large one stands for, which our kernel left to us to make of it (TSO, USO):
/// each has its own share of the payload behind a copy of the headers. Their checksums stay
/// unfinished: the field is as in the large packet.
class Segments {
 public:
  /// `packet` is borrowed. Error BadValue where it is not what `left` says.
  /// Requires: `inner` is parse_inner(packet).
  static Result<Segments> of(Bytes packet, const InnerPacket& inner, const Offload& left);

  std::size_t count() const { return count_; }
  /// Bytes of IP packet, at most those of the first.
  std::size_t size(std::size_t index) const;

  /// Writes one segment. Requires: index < count(), out.size() == size(index).
  void write(std::size_t index, MutableBytes out) const;
  /// Makes the large packet its own first segment, for an answer that quotes it.
  /// Requires: `packet` is the one that of() was given.
  void shrink_to_first(Packet& packet) const;

 private:
  Segments(Bytes packet, const InnerPacket& inner, std::size_t header_size,
           std::size_t segment_size);
  void write_header(std::size_t index, MutableBytes out) const;

  Bytes packet_;
  bool is_v6_ = false;
  bool is_tcp_ = false;
  std::size_t transport_ = 0;
  std::size_t header_size_ = 0;   ///< IP and transport
  std::size_t segment_size_ = 0;  ///< payload
  std::size_t count_ = 0;
};

}  // namespace ipop::dataplane
