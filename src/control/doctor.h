#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "control/netcheck.h"
#include "control/path.h"

/// What `ipop doctor` tells: the part of schema.h that is about the path to one member.
namespace ipop::control {

struct DoctorRequest {
  std::string member;
  std::optional<std::string> network;
  friend bool operator==(const DoctorRequest&, const DoctorRequest&) = default;
};

/// What came back from an address.
enum class TestResult : std::uint8_t {
  Silence,
  Answered,
  NoAddress,  ///< not sent: the tester has no address of this family
  Refused,    ///< not sent: the tester's own system refused, as a local firewall does
  NoRoute,    ///< not sent: the tester has no route there
  Untried,    ///< not sent, since the other side could not be asked to test as well
};
struct AddressTest {
  Endpoint address;
  TestResult result = TestResult::Untried;
  std::uint32_t sent = 0;
  std::uint32_t answered = 0;
  std::optional<Duration> rtt;  ///< the shortest
  bool in_use = false;          ///< packets go there now
  friend bool operator==(const AddressTest&, const AddressTest&) = default;
};

/// Of one family.
struct DoctorNat {
  bool has_address = false;  ///< the computer has one that is not link-local
  NatMapping mapping = NatMapping::Unknown;
  NatFiltering filtering = NatFiltering::Unknown;
  NatPorts ports = NatPorts::Unknown;
  friend bool operator==(const DoctorNat&, const DoctorNat&) = default;
};
/// By which a router forwards the port.
enum class Forwarding : std::uint8_t { None, Asking, Pcp, NatPmp, Upnp, Off };

struct DoctorSide {
  std::uint16_t port = 0;  ///< outer UDP port of the computer
  DoctorNat ipv4;
  DoctorNat ipv6;
  Forwarding forwarding = Forwarding::None;
  PathKind path = PathKind::None;  ///< by which it sends to the other side
  std::vector<AddressTest> tests;  ///< of the other side's addresses, by this side
  friend bool operator==(const DoctorSide&, const DoctorSide&) = default;
};

/// What came of the other side.
enum class FarEnd : std::uint8_t {
  Answered,
  Busy,       ///< asked too often; later it answers again
  TooOld,     ///< its ipop does not know the question
  Silent,     ///< there is a session, but nothing came back
  Unreached,  ///< there is no session
};

/// A path with what was measured just now.
struct DoctorPath {
  PathStatus path;
  std::uint32_t sent = 0;
  std::uint32_t answered = 0;
  friend bool operator==(const DoctorPath&, const DoctorPath&) = default;
};

/// What this computer's own packet filter does with our port.
struct LocalFirewall {
  enum class Effect : std::uint8_t {
    Unknown,      ///< it could not be read, or has rules that we cannot follow
    Open,         ///< everything gets through
    AnswersOnly,  ///< strangers do not get through, answers do: paths can still be punched
    Drops,        ///< nothing gets in
  };
  Effect incoming = Effect::Unknown;
  std::optional<std::string> chain;   ///< whose rule or policy that is: "inet filter input"
  std::optional<std::uint64_t> rule;  ///< its handle; absent = the chain's policy
  bool refuses_outgoing = false;      ///< evidence: the system refused to send
  friend bool operator==(const LocalFirewall&, const LocalFirewall&) = default;
};

/// Why the path is as it is; stable words.
enum class PathCause : std::uint8_t {
  Direct,          ///< it is direct
  MovesToDirect,   ///< the test has just found a direct path
  LocalFirewall,   ///< this computer's drops us
  FarFirewall,     ///< the other computer's system refuses to send
  BothHard,        ///< both NATs give every destination another port
  OneHard,         ///< one does, and the other side lets in only whom it called, at that port
  NoCommonFamily,  ///< one has IPv4 alone, the other IPv6 alone
  NoAddress,       ///< a side has no address at all
  NothingTold,     ///< the other side named no address
  Filtered,        ///< all addresses stay silent, though the NATs should let us through
  NoWay,           ///< a side could send nothing to any address of the other
  UnknownNat,      ///< the same, and of a NAT nothing is known yet
  FarUnknown,      ///< the other side could not be asked
  Offline,         ///< there is no session with it
  CutOff,          ///< there is no session with anybody, though there are others
};
struct DoctorVerdict {
  PathCause cause = PathCause::FarUnknown;
  std::string text;               ///< "relayed through carol, because …": one line
  std::vector<std::string> next;  ///< what would help, best first; may be empty
  friend bool operator==(const DoctorVerdict&, const DoctorVerdict&) = default;
};

struct DoctorReply {
  std::string network;
  std::string self;  ///< this computer's name in it
  std::string member;
  std::optional<Ipv4> ipv4;  ///< the member's
  Ipv6 ipv6;
  DoctorVerdict verdict;
  FarEnd far = FarEnd::Unreached;
  DoctorPath path;                  ///< that packets take now
  std::optional<DoctorPath> relay;  ///< another one that is open
  DoctorSide here;
  std::optional<DoctorSide> there;  ///< absent unless it answered
  std::vector<Endpoint> told;       ///< our addresses, as the other side knows them
  LocalFirewall firewall;
  std::optional<std::chrono::seconds> last_seen;  ///< ago; absent = never since the start
  std::uint32_t others = 0;                       ///< members but these two
  std::uint32_t others_online = 0;                ///< those that there is a session with
  friend bool operator==(const DoctorReply&, const DoctorReply&) = default;
};

}  // namespace ipop::control
