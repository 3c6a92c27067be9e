#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"

/// The control frames by which two members find out together why their path is as it is (`ipop
/// doctor`). Members of wire::Frame (wire/frames.h), whose parser and writer are the way in.
/// docs/protocol.md, "diagnosis".
namespace ipop::wire {

/// Addresses that one side tests for one diagnosis: those that a peer names, and where it is now.
inline constexpr std::size_t kDiagnosisTestsMax = 8;

/// u8 type=0x20 | u32 request
/// "Test every address of mine that I told you, and say what you found." Repeated under the same
/// number until the tests are over.
struct Diagnose {
  std::uint32_t request = 0;
  bool operator==(const Diagnose&) const = default;
};

/// RFC 4787 4.1, 5 and 4.2.1, as nat::Classifier concludes them.
enum class NatMapping : std::uint8_t {
  Unknown = 0,
  None = 1,
  EndpointIndependent = 2,
  AddressDependent = 3,
  AddressAndPortDependent = 4,
};
enum class NatFiltering : std::uint8_t {
  Unknown = 0,
  EndpointIndependent = 1,
  AddressDependent = 2,
  AddressAndPortDependent = 3,
};
enum class NatPorts : std::uint8_t { Unknown = 0, Preserved = 1, Changed = 2, Sequential = 3 };
/// Of one family: u8 1 where the sender has an address of it, else 0 | u8 mapping | u8 filtering |
/// u8 ports
struct NatKind {
  bool has_address = false;
  NatMapping mapping = NatMapping::Unknown;
  NatFiltering filtering = NatFiltering::Unknown;
  NatPorts ports = NatPorts::Unknown;
  bool operator==(const NatKind&) const = default;
};
/// Whether a router forwards the sender's port.
enum class PortForwarding : std::uint8_t {
  None = 0,
  Asking = 1,
  Pcp = 2,
  NatPmp = 3,
  Off = 4,
  Upnp = 5,
};
/// By which the sender sends to the receiver now.
enum class PathInUse : std::uint8_t {
  None = 0,
  Direct = 1,
  Relay = 2,
  Routed = 3,
  Stream = 4,
};

enum class TestOutcome : std::uint8_t {
  Silence = 0,   ///< nothing came back
  Answered = 1,  ///< there and back, by this address
  // Not one datagram could be sent:
  NoAddress = 2,  ///< the sender has none of this family
  Refused = 3,    ///< its own system refused them, as a local firewall does
  NoRoute = 4,
  Untried = 5,  ///< it was not tried yet
};
/// 19 candidate | u8 outcome | u8 sent | u8 answered | u32 round trip in µs
/// Answered: 1 <= answered <= sent; else answered and the round trip are 0, and `sent` is 0 unless
/// it was Silence.
struct AddressTest {
  Endpoint endpoint;
  TestOutcome outcome = TestOutcome::Untried;
  std::uint8_t sent = 0;
  std::uint8_t answered = 0;
  std::uint32_t rtt_us = 0;  ///< the shortest
  bool operator==(const AddressTest&) const = default;
};

/// u8 type=0x21 | u32 request | u8 state, and unless that is Busy:
/// u16 port | 4 IPv4 | 4 IPv6 | u8 forwarding | u8 path | u8 n | n x test
struct Diagnosis {
  enum class State : std::uint8_t {
    Running = 0,  ///< ask again
    Done = 1,
    Busy = 2,  ///< asked too often: there is no test, and no findings
  };
  struct Findings {
    std::uint16_t port = 0;  ///< the sender's own
    NatKind v4;
    NatKind v6;
    PortForwarding forwarding = PortForwarding::None;
    PathInUse path = PathInUse::None;
    std::vector<AddressTest> tests;  ///< of the receiver's addresses; <= kDiagnosisTestsMax
    bool operator==(const Findings&) const = default;
  };
  std::uint32_t request = 0;
  State state = State::Busy;
  std::optional<Findings> findings;  ///< nullopt if and only if Busy
  bool operator==(const Diagnosis&) const = default;
};

using DiagnosisFrame = std::variant<Diagnose, Diagnosis>;

/// Whether a frame that begins with this byte is one of these.
bool is_diagnosis_frame(std::uint8_t type);
/// Errors: Truncated, BadValue.
Result<DiagnosisFrame> parse_diagnosis_frame(Bytes plaintext);
/// Appends the frame. Requires: what is said of Diagnosis and AddressTest above.
void write_diagnosis_frame(const DiagnosisFrame& frame, ByteVector& out);

}  // namespace ipop::wire
