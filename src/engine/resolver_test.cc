#include "engine/resolver.h"

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "wire/dns.h"
#include "wire/writer.h"

namespace ipop::engine {
namespace {

class Names : public testing::Test {
 protected:
  void SetUp() override {
    const Now now{Instant(std::chrono::hours(1)), UnixTime{1'800'000'000}};
    ASSERT_TRUE(engine_.create(now, {"family", "alice", *Prefix4::parse("10.83.0.0/16"), {}, ""}));
    const Network& network = *engine_.networks().begin()->second;
    v6_ = network.self()->v6;
    names_.add(network);
  }

  /// A query for `name` in wire form.
  static ByteVector query(std::string_view name, std::uint16_t type, std::uint16_t flags = 0x0100) {
    ByteVector out;
    wire::Writer w(out);
    w.be<std::uint16_t>(0x1234);
    w.be(flags);
    w.be<std::uint16_t>(1);  // one question
    w.zeros(6);
    for (std::size_t at = 0; at < name.size();) {
      const std::size_t dot = std::min(name.find('.', at), name.size());
      w.le(static_cast<std::uint8_t>(dot - at));
      w.bytes(as_bytes(name.substr(at, dot - at)));
      at = dot + 1;
    }
    w.le<std::uint8_t>(0);
    w.be(type);
    w.be(wire::kDnsClassIn);
    return out;
  }
  struct Reply {
    unsigned rcode;
    unsigned answers;
    bool authoritative;
    ByteVector bytes;
  };
  Reply ask(std::string_view name, std::uint16_t type) const {
    auto bytes = names_.answer(query(name, type), false);
    EXPECT_TRUE(bytes.has_value());
    if (!bytes) return {};
    return {std::to_integer<unsigned>(bytes->at(3)) & 15U, std::to_integer<unsigned>(bytes->at(7)),
            (bytes->at(2) & std::byte{4}) != std::byte{0}, *bytes};
  }

  SeededRng rng_{1};
  NullLogger log_;
  Engine engine_{rng_, log_, {.port = 4000}};
  NameTable names_;
  Ipv6 v6_;
};

TEST_F(Names, AnswersWhatItKnowsAndRefusesTheRest) {
  constexpr unsigned kNoError = 0;
  constexpr unsigned kNxDomain = 3;
  constexpr unsigned kRefused = 5;
  const struct {
    const char* name;
    std::uint16_t type;
    unsigned rcode;
    unsigned answers;
  } cases[] = {
      {"alice.family.internal", wire::kDnsTypeA, kNoError, 1},
      {"ALICE.Family.INTERNAL", wire::kDnsTypeA, kNoError, 1},
      {"alice.family.internal", wire::kDnsTypeAaaa, kNoError, 1},
      {"alice.family.internal", 15, kNoError, 0},  // MX: the name is there, the type is not
      {"family.internal", wire::kDnsTypeA, kNoError, 0},
      {"bob.family.internal", wire::kDnsTypeA, kNxDomain, 0},
      {"x.alice.family.internal", wire::kDnsTypeA, kNxDomain, 0},
      {"1.0.83.10.in-addr.arpa", wire::kDnsTypePtr, kNoError, 1},
      {"2.0.83.10.in-addr.arpa", wire::kDnsTypePtr, kNxDomain, 0},
      {"1.0.84.10.in-addr.arpa", wire::kDnsTypePtr, kRefused, 0},
      {"alice.notfamily.internal", wire::kDnsTypeA, kRefused, 0},
      {"internal", wire::kDnsTypeA, kRefused, 0},
      {"example.com", wire::kDnsTypeA, kRefused, 0},
      {"", wire::kDnsTypeA, kRefused, 0},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Reply reply = ask(c.name, c.type);
    EXPECT_EQ(reply.rcode, c.rcode);
    EXPECT_EQ(reply.answers, c.answers);
    EXPECT_EQ(reply.authoritative, c.rcode != kRefused);
  }
}

TEST_F(Names, GivesTheAddressItself) {
  const Reply v4 = ask("alice.family.internal", wire::kDnsTypeA);
  EXPECT_TRUE(std::ranges::equal(Bytes(v4.bytes).last(4), Ipv4::parse("10.83.0.1")->to_bytes()));
  const Reply v6 = ask("alice.family.internal", wire::kDnsTypeAaaa);
  EXPECT_TRUE(std::ranges::equal(Bytes(v6.bytes).last(16), v6_.bytes));
}

TEST_F(Names, AnswersNoResponsesAndNoScraps) {
  EXPECT_FALSE(names_.answer(query("alice.family.internal", 1, 0x8100), false).has_value());
  const ByteVector whole = query("alice.family.internal", 1);
  for (std::size_t n = 0; n < 12; ++n) {
    EXPECT_FALSE(names_.answer(Bytes(whole).first(n), false).has_value());
  }
}

}  // namespace
}  // namespace ipop::engine
