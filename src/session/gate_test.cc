#include "session/gate.h"

#include <gtest/gtest.h>

#include "crypto/blake2s.h"
#include "crypto/xchacha.h"
#include "session/testing.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;
using Verdict = HandshakeGate::Verdict;

Instant t(Duration since_start) { return Instant(since_start); }

Endpoint v4(std::uint32_t address, std::uint16_t port = 1000) { return {Ipv4{address}, port}; }

Endpoint v6(std::uint8_t subnet, std::uint8_t host) {
  Ipv6 address;
  address.bytes[0] = std::byte{0x20};
  address.bytes[7] = std::byte{subnet};
  address.bytes[15] = std::byte{host};
  return {address, 1000};
}

class Gate : public ::testing::Test {
 protected:
  Gate() : gate_(rng_) { rng_.fill(mac1_.bytes); }

  /// Until cookies are asked for; returns how many passed.
  int put_under_load(Duration now) {
    int passed = 0;
    while (!gate_.under_load(t(now)) && passed < 1000) {
      EXPECT_EQ(gate_.admit(t(now), v4(7), {}, input_), Verdict::Pass);
      ++passed;
    }
    return passed;
  }
  /// What a peer makes of a cookie reply.
  std::optional<wire::Mac> open(const wire::CookieReply& reply, const wire::Mac& mac1,
                                const TunnelKey& sealer) {
    wire::Mac cookie;
    const auto opened = crypto::xchacha_open(cookie_key(kNativeProfile.cookie_label, sealer),
                                             reply.nonce, mac1.view(), reply.sealed, cookie.bytes);
    return opened ? std::optional(cookie) : std::nullopt;
  }
  wire::Mac mac2_for(Duration now, const Endpoint& from) {
    const auto reply =
        gate_.make_cookie_reply(t(now), kNativeProfile, SessionIndex{5}, sealer_, mac1_, from);
    EXPECT_EQ(reply.receiver, SessionIndex{5});
    return mac2_of(open(reply, mac1_, sealer_).value_or(wire::Mac{}), input_);
  }

  SeededRng rng_{3};
  HandshakeGate gate_;
  TunnelKey sealer_ = crypto::X25519KeyPair::random(rng_).public_key;
  wire::Mac mac1_;
  ByteVector input_ = to_vector(as_bytes("a datagram up to mac2"));
};

TEST_F(Gate, AsksForCookiesAboveFortyHandshakesASecond) {
  EXPECT_EQ(put_under_load(0s), 41);
  EXPECT_EQ(gate_.admit(t(0s), v4(7), {}, input_), Verdict::ReplyCookie);
  EXPECT_EQ(gate_.admit(t(999ms), v4(7), {}, input_), Verdict::ReplyCookie);
  EXPECT_FALSE(gate_.under_load(t(1s)));
  EXPECT_EQ(gate_.admit(t(1s), v4(7), {}, input_), Verdict::Pass);
}

TEST_F(Gate, FortyASecondAreNoLoad) {
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(gate_.admit(t(25ms * i), v4(7), {}, input_), Verdict::Pass) << i;
  }
}

TEST_F(Gate, AFreshCookiePassesFromItsOwnAddressOnly) {
  put_under_load(0s);
  const wire::Mac mac2 = mac2_for(0s, v4(1, 1000));
  EXPECT_EQ(gate_.admit(t(0s), v4(1, 1000), mac2, input_), Verdict::Pass);
  EXPECT_EQ(gate_.admit(t(0s), v4(2, 1000), mac2, input_), Verdict::ReplyCookie);
  EXPECT_EQ(gate_.admit(t(0s), v4(1, 1001), mac2, input_), Verdict::ReplyCookie);
  EXPECT_EQ(gate_.admit(t(0s), v6(0, 1), mac2, input_), Verdict::ReplyCookie);
  EXPECT_EQ(gate_.admit(t(0s), v4(1, 1000), mac2, as_bytes("another datagram")),
            Verdict::ReplyCookie);
  for (std::size_t bit = 0; bit < 128; ++bit) {
    wire::Mac flipped = mac2;
    flipped.bytes[bit / 8] ^= std::byte(1U << (bit % 8));
    ASSERT_EQ(gate_.admit(t(0s), v4(1, 1000), flipped, input_), Verdict::ReplyCookie) << bit;
  }
}

TEST_F(Gate, CookiesDieWithTheirSecret) {
  put_under_load(0s);
  const wire::Mac mac2 = mac2_for(0s, v4(1));
  put_under_load(119s);
  EXPECT_EQ(gate_.admit(t(119s), v4(1), mac2, input_), Verdict::Pass);
  put_under_load(121s);
  EXPECT_EQ(gate_.admit(t(121s), v4(1), mac2, input_), Verdict::ReplyCookie);
  EXPECT_EQ(gate_.admit(t(121s), v4(1), mac2_for(121s, v4(1)), input_), Verdict::Pass);
}

TEST_F(Gate, ACookieReplyOpensForItsMac1AndSealerOnly) {
  const auto reply =
      gate_.make_cookie_reply(t(0s), kNativeProfile, SessionIndex{5}, sealer_, mac1_, v4(1));
  ASSERT_TRUE(open(reply, mac1_, sealer_));
  wire::Mac other_mac1 = mac1_;
  other_mac1.bytes[3] ^= std::byte{1};
  EXPECT_FALSE(open(reply, other_mac1, sealer_));
  EXPECT_FALSE(open(reply, mac1_, crypto::X25519KeyPair::random(rng_).public_key));
  const auto again =
      gate_.make_cookie_reply(t(0s), kNativeProfile, SessionIndex{5}, sealer_, mac1_, v4(1));
  EXPECT_NE(reply.nonce, again.nonce);
  EXPECT_EQ(open(reply, mac1_, sealer_), open(again, mac1_, sealer_));
}

TEST_F(Gate, UnderLoadEachSourceHasATokenBucket) {
  put_under_load(0s);
  const auto passes = [&](Duration now, const Endpoint& from, int tries) {
    int passed = 0;
    for (int i = 0; i < tries; ++i) {
      const wire::Mac mac2 = mac2_for(now, from);
      passed += gate_.admit(t(now), from, mac2, input_) == Verdict::Pass ? 1 : 0;
    }
    return passed;
  };
  EXPECT_EQ(passes(0s, v4(1), 100), 5);
  EXPECT_EQ(passes(0s, v4(1, 2000), 100), 0) << "ports share the address's bucket";
  EXPECT_EQ(passes(0s, v4(2), 100), 5);
  EXPECT_EQ(passes(50ms, v4(1), 100), 1);
  EXPECT_EQ(passes(150ms, v4(1), 100), 2);
  EXPECT_EQ(passes(900ms, v4(1), 100), 5);
  EXPECT_EQ(passes(900ms, v6(1, 1), 100), 5);
  EXPECT_EQ(passes(900ms, v6(1, 2), 100), 0) << "a /64 shares its bucket";
  EXPECT_EQ(passes(900ms, v6(2, 1), 100), 5);
}

TEST_F(Gate, BucketsAreBoundedAndSwept) {
  put_under_load(0s);
  const auto pass = [&](Duration now, const Endpoint& from) {
    return gate_.admit(t(now), from, mac2_for(now, from), input_);
  };
  int passed = 0;
  for (std::uint32_t i = 0; i < 65536 + 100; ++i) {
    passed += pass(900ms, v4(0x0a000000 + i)) == Verdict::Pass ? 1 : 0;
  }
  EXPECT_EQ(passed, 65536);
  EXPECT_EQ(pass(900ms, v4(0x0b000000)), Verdict::Drop);
  // A quarter of a second fills every bucket again, and the next sweep frees them.
  ASSERT_TRUE(gate_.under_load(t(1800ms)));
  EXPECT_EQ(pass(1800ms, v4(0x0b000000)), Verdict::Pass);
}

TEST(Mac1, FindsTheEpochThatVerifies) {
  testing::TestEnd end({.epochs = {3, 2}});
  const auto mac_under = [&](std::uint32_t epoch, const TunnelKey& responder) {
    return mac1_of(mac1_key("ipop mac1", testing::epoch_keys(epoch).mac.reveal(), responder),
                   as_bytes("input"));
  };
  const TunnelKey& own = end.local().keys.public_key;
  const auto find = [&](const wire::Mac& mac) {
    return find_mac1_epoch(kNativeProfile, end.local(), as_bytes("input"), mac);
  };
  EXPECT_EQ(find(mac_under(3, own)), Epoch{3});
  EXPECT_EQ(find(mac_under(2, own)), Epoch{2});
  EXPECT_EQ(find(mac_under(1, own)), std::nullopt);
  EXPECT_EQ(find(mac_under(3, TunnelKey{})), std::nullopt);
  EXPECT_EQ(find({}), std::nullopt);
  EXPECT_EQ(find(mac1_of(mac1_key("mac1----", testing::epoch_keys(3).mac.reveal(), own),
                         as_bytes("input"))),
            std::nullopt);
}

// The formula of the protocol page, written out.
TEST(Mac1, KeyIsLabelThenSecretThenResponder) {
  const EpochKeys keys = testing::epoch_keys(1);
  TunnelKey responder;
  responder.bytes[0] = std::byte{9};
  ByteVector input = to_vector(as_bytes("ipop mac1"));
  append(input, keys.mac.reveal());
  append(input, responder.view());
  EXPECT_EQ(to_hex(mac1_key("ipop mac1", keys.mac.reveal(), responder).reveal()),
            to_hex(crypto::blake2s({input}).view()));
}

}  // namespace
}  // namespace ipop::session
