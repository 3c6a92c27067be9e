#pragma once

#include <variant>

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/ids.h"

/// The control frames by which members agree that one carries packets for two others. Members of
/// wire::Frame (wire/frames.h), whose parser and writer are the way in. docs/protocol.md, "relay".
namespace ipop::wire {

/// u8 type=0x19 | u8 role | u32 request | 16 node id of the far end | u32 label, not 0
/// The label is the one by which the sender wants to receive. Repeated under the same request until
/// it is answered.
struct RelayOpen {
  enum class Role : std::uint8_t {
    Carry = 0,  ///< an end to the relay: carry my packets to the far end
    Offer = 1,  ///< the relay to the other end: the far end wants to reach you through me
  };
  Role role = Role::Carry;
  std::uint32_t request = 0;
  NodeId far;
  RelayLabel label;
  bool operator==(const RelayOpen&) const = default;
};
/// u8 type=0x1A | u32 request | u32 label, not 0: by which the sender of this frame wants to
/// receive.
struct RelayOk {
  std::uint32_t request = 0;
  RelayLabel label;
  bool operator==(const RelayOk&) const = default;
};
enum class RelayRefusal : std::uint8_t {
  NotConnected = 0,  ///< no direct session with the far end
  Refused = 1,       ///< the far end does not want it, or is nobody
  Quota = 2,         ///< too many already
  Disabled = 3,      ///< this member carries nothing for others
};
/// u8 type=0x1B | u32 request | u8 reason
struct RelayNo {
  std::uint32_t request = 0;
  RelayRefusal reason = RelayRefusal::NotConnected;
  bool operator==(const RelayNo&) const = default;
};
/// u8 type=0x1C | u32 label, not 0: the one under which the receiver of this frame used to send.
struct RelayClose {
  RelayLabel label;
  bool operator==(const RelayClose&) const = default;
};

using RelayFrame = std::variant<RelayOpen, RelayOk, RelayNo, RelayClose>;

/// Whether a frame that begins with this byte is one of these.
bool is_relay_frame(std::uint8_t type);
/// Errors: Truncated, BadValue.
Result<RelayFrame> parse_relay_frame(Bytes plaintext);
/// Appends the frame. Requires: no label is 0.
void write_relay_frame(const RelayFrame& frame, ByteVector& out);

}  // namespace ipop::wire
