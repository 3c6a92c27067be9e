#include "control/doctor_verdict.h"

#include <gtest/gtest.h>

#include <functional>

namespace ipop::control {
namespace {

using Effect = LocalFirewall::Effect;

Endpoint endpoint(const char* text) { return *Endpoint::parse(text); }

/// A computer with a public IPv4 address.
DoctorSide open_side(std::uint16_t port) {
  return {.port = port,
          .ipv4 = {.has_address = true, .mapping = NatMapping::None},
          .path = PathKind::Relay};
}

AddressTest silent(const char* address) {
  return {.address = endpoint(address), .result = TestResult::Silence, .sent = 5};
}

/// Alice asked about bob, who is relayed by carol; no address of either answered.
DoctorReply relayed() {
  DoctorReply r;
  r.network = "family";
  r.self = "alice";
  r.member = "bob";
  r.far = FarEnd::Answered;
  r.path = {
      .path = {.kind = PathKind::Relay, .via = "carol", .rtt = std::chrono::microseconds(40400)},
      .sent = 10,
      .answered = 10};
  r.here = open_side(41820);
  r.here.tests = {silent("203.0.113.7:40000")};
  r.there = open_side(40000);
  r.there->tests = {silent("198.51.100.2:41820")};
  r.others = r.others_online = 1;
  return r;
}

void make_hard(DoctorSide& side) { side.ipv4.mapping = NatMapping::AddressAndPortDependent; }
void make_easy(DoctorSide& side) { side.ipv4.mapping = NatMapping::EndpointIndependent; }

struct Case {
  const char* name;
  std::function<void(DoctorReply&)> change;
  PathCause cause;
  std::vector<const char*> says;  ///< in the text
  std::vector<const char*> next;  ///< in what would help, in this order
};

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"Direct",
       [](DoctorReply& r) {
         r.path.path = {.kind = PathKind::Direct, .rtt = std::chrono::milliseconds(12)};
       },
       PathCause::Direct,
       {"direct by UDP, 12 ms"},
       {}},
      {"DirectWithASmallRoundTrip",
       [](DoctorReply& r) {
         r.path.path = {.kind = PathKind::Direct, .rtt = std::chrono::microseconds(20)};
       },
       PathCause::Direct,
       {"direct by UDP, 0.1 ms"},
       {}},
      {"DirectThoughTheOtherIsTooOldToSay",
       [](DoctorReply& r) {
         r.path.path = {.kind = PathKind::Direct};
         r.far = FarEnd::TooOld;
         r.there.reset();
       },
       PathCause::Direct,
       {"direct by UDP"},
       {}},
      {"BothHard",
       [](DoctorReply& r) {
         make_hard(r.here);
         make_hard(*r.there);
       },
       PathCause::BothHard,
       {"relayed through carol, 40 ms, because both routers give every connection another port"},
       {"forward UDP port 41820 to this computer", "forward UDP port 40000 to bob", "IPv6"}},
      {"BothHardByAddress",
       [](DoctorReply& r) {
         r.here.ipv4.mapping = r.there->ipv4.mapping = NatMapping::AddressDependent;
       },
       PathCause::BothHard,
       {"both routers"},
       {}},
      {"HardHere",
       [](DoctorReply& r) {
         make_hard(r.here);
         make_easy(*r.there);
       },
       PathCause::OneHard,
       {"because this computer's router gives every connection another port",
        "bob's lets in only what it has called"},
       {"41820", "40000"}},
      {"HardThere",
       [](DoctorReply& r) { make_hard(*r.there); },
       PathCause::OneHard,
       {"because bob's router gives every connection another port"},
       {"41820"}},
      {"HardButForwarded",
       [](DoctorReply& r) {
         make_hard(r.here);
         make_hard(*r.there);
         r.here.forwarding = Forwarding::Pcp;
       },
       PathCause::Filtered,
       {"every address stays silent"},
       {}},
      {"HardThereAndOpenHere",
       [](DoctorReply& r) {
         make_hard(*r.there);
         r.here.ipv4.filtering = NatFiltering::EndpointIndependent;
       },
       PathCause::Filtered,
       {"every address stays silent"},
       {}},
      {"HardHereAndForwardedThere",
       [](DoctorReply& r) {
         make_hard(r.here);
         make_easy(*r.there);
         r.there->forwarding = Forwarding::Upnp;
       },
       PathCause::Filtered,
       {"every address stays silent"},
       {}},
      {"ForwardedButTheirRouterIsNotKnown",
       [](DoctorReply& r) {
         r.here.forwarding = Forwarding::NatPmp;
         r.there->ipv4.mapping = NatMapping::Unknown;
       },
       PathCause::UnknownNat,
       {"the router of bob"},
       {"STUN"}},
      {"NoRouteHere",
       [](DoctorReply& r) {
         r.here.tests.front() = {.address = endpoint("203.0.113.7:40000"),
                                 .result = TestResult::NoRoute};
       },
       PathCause::NoWay,
       {"this computer has no way to any address of bob"},
       {"network in common"}},
      {"NoWayThere",
       [](DoctorReply& r) {
         r.there->tests = {
             {.address = endpoint("198.51.100.2:41820"), .result = TestResult::NoRoute},
             {.address = endpoint("[2001:db8::2]:41820"), .result = TestResult::NoAddress},
             {.address = endpoint("192.168.1.2:41820"), .result = TestResult::Untried}};
       },
       PathCause::NoWay,
       {"bob has no way to any address of this computer"},
       {}},
      {"HardAndForwardingSwitchedOff",
       [](DoctorReply& r) {
         make_hard(r.here);
         make_hard(*r.there);
         r.here.forwarding = Forwarding::Off;
       },
       PathCause::BothHard,
       {},
       {"switch port mapping on in /etc/ipop/ipopd.toml"}},
      {"HardWithIpv6OnBothSides",
       [](DoctorReply& r) {
         make_hard(r.here);
         make_hard(*r.there);
         r.here.ipv6.has_address = r.there->ipv6.has_address = true;
       },
       PathCause::BothHard,
       {},
       {"both have IPv6, but a firewall keeps it out"}},
      {"AnAddressAnsweredUs",
       [](DoctorReply& r) {
         make_hard(r.here);
         r.here.tests.push_back({.address = endpoint("203.0.113.7:41000"),
                                 .result = TestResult::Answered,
                                 .sent = 5,
                                 .answered = 3});
       },
       PathCause::MovesToDirect,
       {"relayed through carol", "has just found"},
       {"run this again"}},
      {"AnAddressAnsweredThem",
       [](DoctorReply& r) { r.there->tests.front().result = TestResult::Answered; },
       PathCause::MovesToDirect,
       {},
       {}},
      {"AnAddressAnsweredAnOldOne",
       [](DoctorReply& r) {
         r.there.reset();
         r.far = FarEnd::TooOld;
         r.here.tests.front().result = TestResult::Answered;
       },
       PathCause::MovesToDirect,
       {},
       {}},
      {"Filtered",
       [](DoctorReply&) {},
       PathCause::Filtered,
       {"relayed through carol", "every address stays silent", "firewall"},
       {"let UDP port 41820 in here, or UDP port 40000 at bob", "`ipop doctor alice` on bob"}},
      {"OurRouterIsNotKnown",
       [](DoctorReply& r) { r.here.ipv4.mapping = NatMapping::Unknown; },
       PathCause::UnknownNat,
       {"the router of this computer"},
       {"STUN"}},
      {"TheirRouterIsNotKnown",
       [](DoctorReply& r) { r.there->ipv4.mapping = NatMapping::Unknown; },
       PathCause::UnknownNat,
       {"the router of bob"},
       {}},
      {"NoCommonFamily",
       [](DoctorReply& r) { r.there->ipv4 = {}, r.there->ipv6.has_address = true; },
       PathCause::NoCommonFamily,
       {"this computer has IPv4 alone and bob IPv6 alone"},
       {"give this computer IPv6"}},
      {"NoCommonFamilyTheOtherWay",
       [](DoctorReply& r) { r.here.ipv4 = {}, r.here.ipv6.has_address = true; },
       PathCause::NoCommonFamily,
       {"this computer has IPv6 alone and bob IPv4 alone"},
       {"give bob IPv6"}},
      {"NoAddressHere",
       [](DoctorReply& r) { r.here.ipv4 = {}; },
       PathCause::NoAddress,
       {"this computer has no address"},
       {"connect it"}},
      {"NoAddressThere",
       [](DoctorReply& r) { r.there->ipv4 = {}; },
       PathCause::NoAddress,
       {"bob has no address"},
       {}},
      {"NothingTold",
       [](DoctorReply& r) { r.here.tests.clear(); },
       PathCause::NothingTold,
       {"bob has not told yet where it is"},
       {"try again"}},
      {"OurFirewallDropsByARule",
       [](DoctorReply& r) {
         r.path.answered = 0, r.far = FarEnd::Silent, r.there.reset();
         r.firewall = {.incoming = Effect::Drops, .chain = "inet filter input", .rule = 7};
       },
       PathCause::LocalFirewall,
       {"no path any more", "own firewall drops what comes to UDP port 41820",
        "chain inet filter input, rule with handle 7"},
       {"nft insert rule inet filter input udp dport 41820 accept"}},
      {"OurFirewallDropsByPolicy",
       [](DoctorReply& r) {
         r.path = {}, r.far = FarEnd::Unreached, r.there.reset();
         r.firewall = {.incoming = Effect::Drops, .chain = "ip a b"};
       },
       PathCause::LocalFirewall,
       {"chain ip a b, its policy"},
       {}},
      {"OurFirewallSeemsToDropWhatComesByTheRelay",
       [](DoctorReply& r) {
         r.firewall = {.incoming = Effect::Drops, .chain = "inet filter input", .rule = 7};
       },
       PathCause::Filtered,
       {"relayed through carol", "every address stays silent"},
       {}},
      {"OurFirewallDropsIpv4AndADeadPathIsOfIpv6",
       [](DoctorReply& r) {
         r.here.ipv6.has_address = true;
         r.path = {.path = {.kind = PathKind::Direct, .endpoint = endpoint("[2001:db8::7]:40000")},
                   .sent = 10,
                   .answered = 0};
         r.firewall = {.incoming = Effect::Drops, .chain = "ip filter input", .rule = 7};
       },
       PathCause::LocalFirewall,
       {},
       {}},
      {"OurFirewallRefuses",
       [](DoctorReply& r) { r.firewall.refuses_outgoing = true; },
       PathCause::LocalFirewall,
       {"refuses to send from UDP port 41820"},
       {"let UDP from source port 41820 out"}},
      {"OurFirewallIsNoMatterWhereThePathIsDirect",
       [](DoctorReply& r) {
         r.path.path = {.kind = PathKind::Direct};
         r.firewall = {.incoming = Effect::Drops, .chain = "inet filter input"};
       },
       PathCause::Direct,
       {"direct"},
       {}},
      {"OurFirewallLetsAnswersIn",
       [](DoctorReply& r) { r.firewall.incoming = Effect::AnswersOnly; },
       PathCause::Filtered,
       {},
       {}},
      {"TheirSystemRefuses",
       [](DoctorReply& r) {
         r.there->tests.front() = {.address = endpoint("198.51.100.2:41820"),
                                   .result = TestResult::Refused};
       },
       PathCause::FarFirewall,
       {"bob's own system refuses to send"},
       {"UDP port 40000 out"}},
      {"TheirSystemRefusesToSendToOneAddressOfTwo",
       [](DoctorReply& r) {
         r.there->tests.push_back(
             {.address = endpoint("192.168.1.2:41820"), .result = TestResult::Refused});
       },
       PathCause::Filtered,
       {"every address stays silent"},
       {}},
      {"TooOld",
       [](DoctorReply& r) { r.far = FarEnd::TooOld, r.there.reset(); },
       PathCause::FarUnknown,
       {"relayed through carol", "bob's ipop is too old to answer"},
       {"update ipop on bob"}},
      {"Busy",
       [](DoctorReply& r) { r.far = FarEnd::Busy, r.there.reset(); },
       PathCause::FarUnknown,
       {"asked too often"},
       {"try again in ten seconds"}},
      {"Silent",
       [](DoctorReply& r) { r.far = FarEnd::Silent, r.there.reset(); },
       PathCause::FarUnknown,
       {"bob did not answer in time"},
       {"try again"}},
      {"OnlyFromMemberToMember",
       [](DoctorReply& r) {
         r.path = {};
         make_hard(r.here);
         make_hard(*r.there);
       },
       PathCause::BothHard,
       {"no path but from member to member, because both routers"},
       {}},
      {"Offline",
       [](DoctorReply& r) { r.path = {}, r.far = FarEnd::Unreached, r.there.reset(); },
       PathCause::Offline,
       {"no path, because bob does not answer"},
       {"switch bob's computer on", "`ipop doctor alice` there"}},
      {"OfflineAndNobodyElseInTheNetwork",
       [](DoctorReply& r) {
         r.path = {}, r.far = FarEnd::Unreached, r.there.reset();
         r.others = r.others_online = 0;
       },
       PathCause::Offline,
       {"bob does not answer"},
       {}},
      {"CutOff",
       [](DoctorReply& r) {
         r.path = {}, r.far = FarEnd::Unreached, r.there.reset();
         r.others_online = 0;
       },
       PathCause::CutOff,
       {"no path, because no member of family answers"},
       {"ipop netcheck"}},
      {"CutOffByOurFirewall",
       [](DoctorReply& r) {
         r.path = {}, r.far = FarEnd::Unreached, r.there.reset();
         r.others_online = 0;
         r.firewall = {.incoming = Effect::Drops, .chain = "inet filter input", .rule = 7};
       },
       PathCause::LocalFirewall,
       {"no path, because this computer's own firewall"},
       {"nft insert"}},
      {"APathThatHasJustGoneSilent",
       [](DoctorReply& r) {
         r.path = {.path = {.kind = PathKind::Direct}, .sent = 10, .answered = 0};
         r.far = FarEnd::Silent, r.there.reset();
       },
       PathCause::Offline,
       {"no path any more, because bob does not answer"},
       {"switch bob's computer on"}},
      {"ADirectPathThatWentSilentAfterTheAnswer",
       [](DoctorReply& r) {
         r.path = {.path = {.kind = PathKind::Direct}, .sent = 10, .answered = 0};
       },
       PathCause::Filtered,
       {"no path any more, because every address stays silent"},
       {}},
      {"ADirectPathThatWentSilentAfterItSaidThatItIsBusy",
       [](DoctorReply& r) {
         r.path = {.path = {.kind = PathKind::Direct}, .sent = 10, .answered = 0};
         r.far = FarEnd::Busy, r.there.reset();
       },
       PathCause::FarUnknown,
       {"no path any more; why is not known: bob was asked too often"},
       {"try again in ten seconds"}},
      {"ADirectPathThatIsSilentAndTooOld",
       [](DoctorReply& r) {
         r.path = {.path = {.kind = PathKind::Direct}, .sent = 10, .answered = 0};
         r.far = FarEnd::TooOld, r.there.reset();
       },
       PathCause::FarUnknown,
       {"no path any more"},
       {"update ipop on bob"}},
      {"ADirectPathWithMostProbesLost",
       [](DoctorReply& r) {
         r.path = {.path = {.kind = PathKind::Direct}, .sent = 10, .answered = 1};
       },
       PathCause::Direct,
       {"direct by UDP"},
       {}},
      {"APathThatOurFirewallHasJustCut",
       [](DoctorReply& r) {
         r.path = {.path = {.kind = PathKind::Direct}, .sent = 10, .answered = 0};
         r.far = FarEnd::Silent, r.there.reset();
         r.firewall = {.incoming = Effect::Drops, .chain = "inet filter input", .rule = 7};
       },
       PathCause::LocalFirewall,
       {"no path any more, because this computer's own firewall"},
       {"nft insert"}},
      {"Unplugged",
       [](DoctorReply& r) {
         r.path = {}, r.far = FarEnd::Unreached, r.there.reset();
         r.here.ipv4 = {};
       },
       PathCause::NoAddress,
       {"no path, because this computer has no address"},
       {}},
  };
  return all;
}

TEST(DoctorVerdict, NamesTheCauseAndTheNextStep) {
  for (const Case& one : cases()) {
    DoctorReply reply = relayed();
    one.change(reply);
    const DoctorVerdict verdict = verdict_of(reply);
    EXPECT_EQ(verdict.cause, one.cause) << one.name << ": " << verdict.text;
    for (const char* words : one.says) {
      EXPECT_NE(verdict.text.find(words), std::string::npos) << one.name << ": " << verdict.text;
    }
    const std::string next = joined(verdict.next);
    std::size_t at = 0;
    for (const char* words : one.next) {
      at = next.find(words, at);
      EXPECT_NE(at, std::string::npos) << one.name << ": " << words << " in\n" << next;
      if (at == std::string::npos) break;
    }
    if (reply.here.forwarding == Forwarding::NatPmp) {
      EXPECT_EQ(next.find("forward UDP port 41820"), std::string::npos) << one.name;
    }
    EXPECT_EQ(verdict.next.empty(), verdict.cause == PathCause::Direct) << one.name;
    EXPECT_EQ(verdict.text.find('\n'), std::string::npos) << one.name;
  }
}

/// Whatever the findings are, there is a whole sentence.
TEST(DoctorVerdict, SaysSomethingOfEveryCombination) {
  for (int bits = 0; bits < 1 << 10; ++bits) {
    const auto bit = [&](int n) { return (bits >> n & 1) != 0; };
    DoctorReply r = relayed();
    if (bit(0)) r.path.path = {};
    if (bit(1)) r.here.ipv4.has_address = false;
    if (bit(2)) r.there->ipv4.has_address = false;
    if (bit(3)) r.here.ipv6.has_address = true;
    if (bit(4)) r.there->ipv6.has_address = true;
    if (bit(5)) make_hard(r.here);
    if (bit(6)) make_hard(*r.there);
    if (bit(7)) r.here.tests.clear();
    if (bit(8)) r.there.reset(), r.far = bit(9) ? FarEnd::TooOld : FarEnd::Unreached;
    const DoctorVerdict verdict = verdict_of(r);
    EXPECT_FALSE(verdict.text.empty()) << bits;
    EXPECT_FALSE(verdict.text.ends_with("because ")) << bits << verdict.text;
    EXPECT_FALSE(verdict.next.empty()) << bits;
  }
}

}  // namespace
}  // namespace ipop::control
