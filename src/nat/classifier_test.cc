#include "nat/classifier.h"

#include <gtest/gtest.h>

#include <string>

#include "nat/nat_testing.h"

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;
using Depends = NatForTest::Depends;
using Ports = NatForTest::Ports;

const Endpoint kLocal{Ipv4{0xc0a80102}, 41000};

/// Member or server number n, and its port.
Endpoint host(std::uint64_t n, std::uint16_t port = 7000) {
  return {Ipv4{static_cast<std::uint32_t>(0xc6120000U + n * 256 + 1)}, port};
}

struct Kind {
  std::string name;
  Depends mapping;
  Depends filter;
  Ports ports = Ports::Preserve;
  int step = 1;
  std::uint16_t low = 1024;
  std::uint16_t high = 65535;
  MappingKind concluded{};
  FilteringKind filtering{};
};

constexpr auto kEi = MappingKind::EndpointIndependent;
constexpr auto kAd = MappingKind::AddressDependent;
constexpr auto kApd = MappingKind::AddressAndPortDependent;
constexpr auto kEif = FilteringKind::EndpointIndependent;
constexpr auto kAdf = FilteringKind::AddressDependent;
constexpr auto kApdf = FilteringKind::AddressAndPortDependent;

/// The zoo of the laboratory, and some of its crossings.
const Kind kKinds[] = {
    {"open", Depends::None, Depends::Nothing, Ports::Preserve, 1, 0, 0, MappingKind::None, kEif},
    {"firewall", Depends::None, Depends::AddressAndPort, Ports::Preserve, 1, 0, 0,
     MappingKind::None, kApdf},
    {"full cone", Depends::Nothing, Depends::Nothing, Ports::Preserve, 1, 0, 0, kEi, kEif},
    {"full cone, other port", Depends::Nothing, Depends::Nothing, Ports::Random, 1, 40000, 48191,
     kEi, kEif},
    {"restricted", Depends::Nothing, Depends::Address, Ports::Preserve, 1, 0, 0, kEi, kAdf},
    {"port-restricted", Depends::Nothing, Depends::AddressAndPort, Ports::Preserve, 1, 0, 0, kEi,
     kApdf},
    {"port-restricted, other port", Depends::Nothing, Depends::AddressAndPort, Ports::Random, 1,
     40000, 48191, kEi, kApdf},
    {"port-restricted, sequential", Depends::Nothing, Depends::AddressAndPort, Ports::Sequential, 1,
     0, 0, kEi, kApdf},
    {"symmetric random", Depends::AddressAndPort, Depends::AddressAndPort, Ports::Random, 1, 1024,
     65535, kApd, kApdf},
    {"symmetric sequential", Depends::AddressAndPort, Depends::AddressAndPort, Ports::Sequential, 1,
     0, 0, kApd, kApdf},
    {"symmetric by two", Depends::AddressAndPort, Depends::AddressAndPort, Ports::Sequential, 2, 0,
     0, kApd, kApdf},
    {"symmetric downwards", Depends::AddressAndPort, Depends::AddressAndPort, Ports::Sequential, -1,
     0, 0, kApd, kApdf},
    {"symmetric, open inwards", Depends::AddressAndPort, Depends::Nothing, Ports::Random, 1, 1024,
     65535, kApd, kEif},
    {"address-dependent", Depends::Address, Depends::AddressAndPort, Ports::Random, 1, 1024, 65535,
     kAd, kApdf},
    {"address-dependent, sequential", Depends::Address, Depends::Address, Ports::Sequential, 1, 0,
     0, kAd, kAdf},
    {"CGN block", Depends::AddressAndPort, Depends::AddressAndPort, Ports::Random, 1, 20480, 20991,
     kApd, kApdf},
};

NatForTest make(const Kind& kind, std::uint64_t seed) {
  NatForTest nat(seed);
  nat.mapping = kind.mapping;
  nat.filter = kind.filter;
  nat.ports = kind.ports;
  nat.step = kind.step;
  if (kind.high != 0) {
    nat.low = kind.low;
    nat.high = kind.high;
  }
  return nat;
}

struct Bench {
  Classifier classifier{Classifier::Family::V4};
  Instant now{100h};

  void report(std::uint64_t witness, const Endpoint& observer, const Endpoint& seen,
              const Endpoint& local = kLocal) {
    classifier.handle_observation(now, {{witness}, observer, local, seen, now});
    now += 50ms;
  }
  /// A datagram through `nat`, and the honest report about it.
  void probe(NatForTest& nat, std::uint64_t witness, std::uint16_t port = 7000) {
    report(witness, host(witness, port), nat.send(kLocal, host(witness, port)));
  }
  /// The witness tries to reach what it saw of us, from where we never sent.
  void reach(const NatForTest& nat, std::uint64_t witness, const Endpoint& seen) {
    const Endpoint neighbour = host(witness, 9999);
    const Endpoint stranger = host(witness + 100);
    for (const auto& [from, contact] :
         {std::pair(neighbour, Contact::SameAddress), std::pair(stranger, Contact::None)}) {
      classifier.handle_reach(now, {{witness}, from, contact, nat.passes(seen, from)});
    }
  }
  Classifier::Conclusion conclusion() const { return classifier.classify(now); }
  MappingKind mapping() const { return conclusion().mapping; }
};

/// Four witnesses, two ports of each.
void interview(Bench& b, NatForTest& nat) {
  for (std::uint64_t w = 1; w <= 4; ++w) {
    b.probe(nat, w);
    b.probe(nat, w, 7001);
    b.reach(nat, w, nat.send(kLocal, host(w)));
  }
}

TEST(ClassifierProperty, TellsEveryKindOfNatFromFourHonestWitnesses) {
  for (const Kind& kind : kKinds) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      NatForTest nat = make(kind, seed);
      Bench b;
      interview(b, nat);
      const auto c = b.conclusion();
      ASSERT_EQ(c.mapping, kind.concluded) << kind.name << ", seed " << seed;
      ASSERT_EQ(c.filtering, kind.filtering) << kind.name << ", seed " << seed;
      const bool kept = kind.ports == Ports::Preserve;
      ASSERT_EQ(c.ports, kept ? PortPreservation::Preserved : PortPreservation::Changed)
          << kind.name << ", seed " << seed;
      const bool dependent = kind.mapping >= Depends::Address;
      ASSERT_EQ(c.external.has_value(), !dependent) << kind.name;
      if (!dependent) { ASSERT_EQ(*c.external, nat.send(kLocal, host(50))) << kind.name; }
      ASSERT_EQ(c.span.has_value(), dependent) << kind.name;
    }
  }
}

TEST(ClassifierProperty, PredictsTheNextPortOfASequentialNat) {
  for (const Kind& kind : kKinds) {
    int found = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      NatForTest nat = make(kind, seed);
      Bench b;
      interview(b, nat);
      const auto c = b.conclusion();
      if (!c.step) continue;
      ++found;
      if (kind.ports == Ports::Sequential) {
        ASSERT_EQ(nat.send(kLocal, host(60)).port, c.step->newest + c.step->step) << kind.name;
      }
    }
    const bool sequential = kind.ports == Ports::Sequential && kind.mapping >= Depends::Address;
    EXPECT_EQ(found, sequential ? 50 : 0) << kind.name;
  }
}

TEST(ClassifierProperty, TheSpanOfABlockLiesInTheBlock) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    NatForTest nat = make(kKinds[std::size(kKinds) - 1], seed);
    Bench b;
    interview(b, nat);
    b.report(9, host(9), {nat.address, 65000});  // and a liar
    const auto c = b.conclusion();
    ASSERT_TRUE(c.span);
    EXPECT_GE(c.span->lowest, 20480);
    EXPECT_LE(c.span->highest, 20991);
  }
}

TEST(ClassifierProperty, OneLiarAmongFiveChangesNothing) {
  for (const Kind& kind : kKinds) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      NatForTest nat = make(kind, seed);
      SeededRng rng(seed);
      Bench b;
      std::vector<Endpoint> heard{kLocal};
      const auto lie = [&] {
        for (const std::uint16_t port : {std::uint16_t{7000}, std::uint16_t{7001}}) {
          const Endpoint invented{Ipv4{static_cast<std::uint32_t>(0xcb007100 + rng.below(256))},
                                  static_cast<std::uint16_t>(1 + rng.below(65535))};
          b.report(9, host(9, port), rng.below(2) == 0 ? invented : heard[rng.below(heard.size())]);
        }
        for (const Contact contact : {Contact::None, Contact::SameAddress}) {
          b.classifier.handle_reach(b.now, {{9}, host(9), contact, false});
        }
      };
      for (std::uint64_t w = 1; w <= 4; ++w) {
        if (rng.below(2) == 0) lie();
        b.probe(nat, w);
        b.probe(nat, w, 7001);
        b.reach(nat, w, nat.send(kLocal, host(w)));
        heard.push_back(nat.send(kLocal, host(w)));
      }
      lie();
      ASSERT_EQ(b.mapping(), kind.concluded) << kind.name << ", seed " << seed;
      ASSERT_EQ(b.conclusion().filtering, kind.filtering) << kind.name << ", seed " << seed;
    }
  }
}

TEST(ClassifierProperty, NoSingleReportTurnsAConclusionIntoItsOpposite) {
  SeededRng rng(4);
  const auto is_bad = [](MappingKind m) { return m >= MappingKind::AddressDependent; };
  const auto is_good = [&](MappingKind m) { return m != MappingKind::Unknown && !is_bad(m); };
  int concluded = 0;
  for (int round = 0; round < 3000; ++round) {
    Bench b;
    for (auto n = rng.below(12); n > 0; --n) {
      const auto w = 1 + rng.below(6);
      b.report(w, host(w, static_cast<std::uint16_t>(7000 + rng.below(2))),
               {Ipv4{0xcb007107}, static_cast<std::uint16_t>(1 + rng.below(3))});
    }
    const MappingKind before = b.mapping();
    const auto w = 1 + rng.below(7);
    b.report(w, host(w), {Ipv4{0xcb007107}, static_cast<std::uint16_t>(1 + rng.below(4))});
    const MappingKind after = b.mapping();
    concluded += before != MappingKind::Unknown ? 1 : 0;
    // One who had agreed may tip it where many contradict already; a newcomer never.
    if (w == 7) { EXPECT_FALSE(is_good(before) && is_bad(after)) << "round " << round; }
  }
  EXPECT_GT(concluded, 1000);
}

TEST(Classifier, NothingIsKnownFromOneWitness) {
  Bench b;
  EXPECT_EQ(b.conclusion(), Classifier::Conclusion{});
  for (std::uint16_t port = 7000; port < 7005; ++port) {
    b.report(1, host(1, port), {Ipv4{0xcb007107}, port});
    b.classifier.handle_reach(b.now, {{1}, host(1, port), Contact::None, port % 2 == 0});
  }
  EXPECT_EQ(b.conclusion(), Classifier::Conclusion{});
}

TEST(Classifier, TwoWhoDisagreeProveNothing) {
  Bench b;
  b.report(1, host(1), {Ipv4{0xcb007107}, 1});
  b.report(2, host(2), {Ipv4{0xcb007107}, 2});
  EXPECT_EQ(b.mapping(), MappingKind::Unknown);
  b.report(3, host(3), {Ipv4{0xcb007107}, 3});
  EXPECT_EQ(b.mapping(), kApd);
}

TEST(Classifier, ManyNamesAtOneAddressAreOneWitness) {
  Bench b;
  b.report(1, host(1), {Ipv4{0xcb007107}, 41000});
  b.report(2, host(2), {Ipv4{0xcb007107}, 41000});
  for (std::uint64_t name = 10; name < 20; ++name) {
    const auto port = static_cast<std::uint16_t>(7000 + name);
    b.report(name, host(3, port), {Ipv4{0xcb007107}, port});
    b.classifier.handle_reach(b.now, {{name}, host(3, port), Contact::None, false});
  }
  EXPECT_EQ(b.mapping(), kEi);
  EXPECT_EQ(b.conclusion().filtering, FilteringKind::Unknown);
}

TEST(Classifier, ManyAddressesOfOneNameAreOneWitness) {
  Bench b;
  b.report(1, host(1), {Ipv4{0xcb007107}, 41000});
  b.report(2, host(2), {Ipv4{0xcb007107}, 41000});
  for (std::uint64_t n = 10; n < 20; ++n) {
    b.report(3, host(n), {Ipv4{0xcb007107}, static_cast<std::uint16_t>(n)});
  }
  EXPECT_EQ(b.mapping(), kEi);
}

TEST(Classifier, AClashOfOnePortOnAnotherwiseGoodNatIsForgiven) {
  // What a Linux router does when two hosts behind it use one port towards one server.
  Bench b;
  for (std::uint64_t w = 1; w <= 4; ++w) b.report(w, host(w), {Ipv4{0xcb007107}, 41000});
  b.report(5, host(5), {Ipv4{0xcb007107}, 3720});
  b.report(6, host(6), {Ipv4{0xcb007107}, 3720});
  const auto c = b.conclusion();
  EXPECT_EQ(c.mapping, kEi);
  EXPECT_EQ(c.external, Endpoint(Ipv4{0xcb007107}, 41000));
  EXPECT_EQ(c.ports, PortPreservation::Preserved);
}

TEST(Classifier, TwoNatsInARowAreAsBadAsTheWorse) {
  NatForTest home = make(kKinds[5], 1);
  home.address = Ipv4{0x64400005};
  NatForTest carrier = make(kKinds[std::size(kKinds) - 1], 2);
  Bench b;
  for (std::uint64_t w = 1; w <= 3; ++w) {
    b.report(w, host(w), carrier.send(home.send(kLocal, host(w)), host(w)));
  }
  EXPECT_EQ(b.mapping(), kApd);
}

TEST(Classifier, ARebootOfTheNatIsNoDependence) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    NatForTest nat = make(kKinds[6], seed);
    Bench b;
    for (std::uint64_t w = 1; w <= 4; ++w) b.probe(nat, w);
    const Endpoint before = *b.conclusion().external;
    b.now += 5min;
    for (std::uint64_t w = 1; w <= 4; ++w) b.probe(nat, w);  // said again just before
    nat.reboot();
    for (std::uint64_t w = 1; w <= 4; ++w) {
      b.probe(nat, w);
      ASSERT_EQ(b.mapping(), kEi) << "after " << w << " reports";
    }
    EXPECT_NE(*b.conclusion().external, before);
    EXPECT_EQ(*b.conclusion().external, nat.send(kLocal, host(50)));
  }
}

TEST(Classifier, TwoWhoSeeTheNewEndpointAreEnoughToMoveThere) {
  Bench b;
  for (std::uint64_t w = 1; w <= 4; ++w) b.report(w, host(w), {Ipv4{0xcb007107}, 41000});
  b.now += 1min;
  b.report(5, host(5), {Ipv4{0xcb007108}, 41000});
  EXPECT_EQ(b.conclusion().external, Endpoint(Ipv4{0xcb007107}, 41000));
  b.report(6, host(6), {Ipv4{0xcb007108}, 41000});
  EXPECT_EQ(b.conclusion().external, Endpoint(Ipv4{0xcb007108}, 41000));
  EXPECT_EQ(b.mapping(), kEi) << "they were not seen at the same time";
}

TEST(Classifier, WhatWasSeenAtDifferentTimesIsNoContradiction) {
  // The NAT restarts between any two reports, which nobody repeats.
  Bench b;
  for (std::uint16_t w = 1; w <= 4; ++w) {
    b.report(w, host(w), {Ipv4{0xcb007107}, w});
    b.now += 1min;
  }
  EXPECT_EQ(b.mapping(), MappingKind::Unknown);
  // Repeated, they were seen at one time, and no single restart explains them.
  for (std::uint16_t w = 1; w <= 4; ++w) b.report(w, host(w), {Ipv4{0xcb007107}, w});
  EXPECT_EQ(b.mapping(), kApd);
}

TEST(Classifier, WhatIsNotRepeatedIsForgotten) {
  Bench b;
  for (std::uint64_t w = 1; w <= 2; ++w) {
    b.report(w, host(w), {Ipv4{0xcb007107}, 41000});
    b.classifier.handle_reach(b.now, {{w}, host(w + 100), Contact::None, true});
  }
  b.now += 9min;
  EXPECT_EQ(b.mapping(), kEi);
  EXPECT_EQ(b.conclusion().filtering, kEif);
  b.report(1, host(1), {Ipv4{0xcb007107}, 41000});
  b.now += 2min;
  EXPECT_EQ(b.conclusion(), Classifier::Conclusion{});
  b.report(2, host(2), {Ipv4{0xcb007107}, 41000});
  EXPECT_EQ(b.mapping(), kEi) << "the first was repeated in time";
  b.classifier.handle_network_changed();
  EXPECT_EQ(b.conclusion(), Classifier::Conclusion{});
}

TEST(Classifier, OneWhoTalksMuchDrivesOutItself) {
  Bench b;
  for (std::uint64_t w = 1; w <= 4; ++w) {
    b.report(w, host(w), {Ipv4{0xcb007107}, 41000});
    b.classifier.handle_reach(b.now, {{w}, host(w + 100), Contact::None, true});
  }
  for (std::uint16_t i = 0; i < 1000; ++i) {
    const auto port = static_cast<std::uint16_t>(10000 + i);
    b.report(9, host(9, port), {Ipv4{0xcb007107}, port});
    b.classifier.handle_reach(b.now, {{9}, host(9, port), Contact::None, false});
  }
  EXPECT_EQ(b.mapping(), kEi);
  EXPECT_EQ(b.conclusion().filtering, kEif);
  // Ten of them, each within its share, are more than the table has room for.
  for (std::uint16_t i = 0; i < 1000; ++i) {
    const auto w = 10 + i % 10U;
    b.report(w, host(w, static_cast<std::uint16_t>(10000 + i)), {Ipv4{0xcb007107}, 41000});
  }
  EXPECT_EQ(b.mapping(), kEi);
}

TEST(Classifier, IgnoresWhatCannotBe) {
  Bench b;
  const Endpoint v6 = Endpoint::parse("[2001:db8::1]:7").value();
  for (std::uint64_t w = 1; w <= 4; ++w) {
    b.report(w, host(w), v6);
    b.report(w, v6, {Ipv4{0xcb007107}, 41000});
    b.report(w, host(w), {Ipv4{}, 41000});
    b.report(w, host(w), {Ipv4{0xcb007107}, 0});
    b.report(w, host(w, 0), {Ipv4{0xcb007107}, 41000});
    b.classifier.handle_reach(b.now, {{w}, v6, Contact::None, true});
  }
  EXPECT_EQ(b.conclusion(), Classifier::Conclusion{});
}

TEST(Classifier, AnIpv6SiteIsOneWitnessAndNoNatIsNone) {
  Classifier classifier(Classifier::Family::V6);
  const Instant now{1h};
  const Endpoint local = Endpoint::parse("[2001:db8:1::2]:41000").value();
  const auto report = [&](std::uint64_t w, const char* observer) {
    classifier.handle_observation(now, {{w}, Endpoint::parse(observer).value(), local, local, now});
  };
  report(1, "[2001:db8:2::1]:7");
  report(2, "[2001:db8:2::2]:7");
  EXPECT_EQ(classifier.classify(now).mapping, MappingKind::Unknown);
  report(3, "[2001:db8:3::1]:7");
  EXPECT_EQ(classifier.classify(now).mapping, MappingKind::None);
  EXPECT_EQ(classifier.classify(now).external, local);
}

TEST(Classifier, AnOldReportDoesNotUndoANewerOne) {
  Bench b;
  b.report(1, host(1), {Ipv4{0xcb007107}, 41000});
  b.report(2, host(2), {Ipv4{0xcb007107}, 41000});
  b.classifier.handle_observation(b.now - 1min,
                                  {{2}, host(2), kLocal, {Ipv4{0xcb007107}, 5}, b.now - 1min});
  EXPECT_EQ(b.mapping(), kEi);
}

struct FilterCase {
  const char* name;
  int strangers, strangers_missed, neighbours, neighbours_missed;
  FilteringKind want;
};

TEST(Classifier, FilteringTable) {
  for (const FilterCase& c : {
           FilterCase{"nothing", 0, 0, 0, 0, FilteringKind::Unknown},
           FilterCase{"one stranger", 1, 0, 0, 0, FilteringKind::Unknown},
           FilterCase{"two strangers", 2, 0, 0, 0, kEif},
           FilterCase{"two strangers, one lost", 2, 1, 0, 0, kEif},
           FilterCase{"two strangers, most lost", 2, 3, 0, 0, kApdf},
           FilterCase{"one remnant", 1, 3, 0, 0, kApdf},
           FilterCase{"one claims a miss", 0, 1, 0, 0, FilteringKind::Unknown},
           FilterCase{"neighbours only", 0, 0, 3, 0, FilteringKind::Unknown},
           FilterCase{"restricted", 0, 2, 2, 0, kAdf},
           FilterCase{"restricted, one lost", 0, 3, 2, 1, kAdf},
           FilterCase{"one neighbour", 0, 2, 1, 0, kApdf},
           FilterCase{"port-restricted", 0, 2, 0, 2, kApdf},
           FilterCase{"neighbours missed", 0, 0, 0, 2, kApdf},
       }) {
    Bench b;
    std::uint64_t w = 0;
    const auto tell = [&](int count, Contact contact, bool arrived) {
      for (int i = 0; i < count; ++i) {
        ++w;
        b.classifier.handle_reach(b.now, {{w}, host(w), contact, arrived});
      }
    };
    tell(c.strangers, Contact::None, true);
    tell(c.strangers_missed, Contact::None, false);
    tell(c.neighbours, Contact::SameAddress, true);
    tell(c.neighbours_missed, Contact::SameAddress, false);
    EXPECT_EQ(b.conclusion().filtering, c.want) << c.name;
  }
}

}  // namespace
}  // namespace ipop::nat
