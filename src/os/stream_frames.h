#pragma once

#include <optional>

#include "base/bytes.h"

namespace ipop::os {

/// Datagrams in a stream of bytes (docs/protocol.md, "TLS"): u16 length, little endian | datagram.
/// No datagram is empty or longer than this, which the largest that a member sends fits.
inline constexpr std::size_t kStreamDatagramMax = 2048;

/// Requires: 1 .. kStreamDatagramMax bytes.
void append_stream_frame(Bytes datagram, ByteVector& out);

/// Cuts what comes out of a stream, in pieces of any size, into datagrams. Read into room(), say
/// how much with add(), then take next() until there is none.
class StreamFrames {
 public:
  /// Where the stream's next bytes belong; never empty. Invalidates what next() gave.
  MutableBytes room();
  /// The first `size` bytes of room() are filled.
  void add(std::size_t size);
  /// The next whole datagram; nullopt: there is none yet, or is_broken().
  std::optional<MutableBytes> next();
  /// A length was 0 or too large: nothing after it can be understood.
  bool is_broken() const { return is_broken_; }

 private:
  /// A record of TLS, and what is left of a datagram before it.
  static constexpr std::size_t kRoom = 16384;

  ByteVector buffer_;
  std::size_t begin_ = 0;  ///< of what was not taken yet
  std::size_t end_ = 0;
  bool is_broken_ = false;
};

}  // namespace ipop::os
