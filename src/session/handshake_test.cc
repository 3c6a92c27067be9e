#include <gtest/gtest.h>

#include "session/testing.h"

// The handshake machine, message by message: what is refused, and that refusing changes nothing.

namespace ipop::session::testing {
namespace {

constexpr std::size_t kMac2Size = wire::kMacSize;

class HandshakeMachine : public ::testing::Test {
 protected:
  HandshakeMachine() { meet(); }
  void meet() {
    a_.meet(b_);
    b_.meet(a_);
  }
  static ByteVector only(std::vector<ByteVector> datagrams) {
    EXPECT_EQ(datagrams.size(), 1U);
    return datagrams.empty() ? ByteVector{} : datagrams.front();
  }
  ByteVector initiation(Duration now = 0ms) {
    a_.handshake_now(now);
    return only(a_.take_outbox());
  }
  ByteVector response(const ByteVector& initiation, Duration now = 0ms) {
    EXPECT_TRUE(b_.receive(now, initiation));
    return b_.take_outbox().front();
  }
  /// Delivers everything until nothing is under way.
  void exchange(Duration now) {
    for (int round = 0; round < 20; ++round) {
      a_.tick(now);
      b_.tick(now);
      for (const ByteVector& d : a_.take_outbox()) b_.receive(now, d);
      for (const ByteVector& d : b_.take_outbox()) a_.receive(now, d);
    }
  }
  bool connected() { return a_.sending() && a_.sending() == b_.sending(); }

  TestEnd a_{{.seed = 1}};
  TestEnd b_{{.seed = 2}};
};

TEST_F(HandshakeMachine, LayoutsAndOrderOfOutputs) {
  const ByteVector m1 = initiation();
  EXPECT_EQ(m1[0], std::byte{0xC0});
  EXPECT_LE(m1.size(), wire::kInitiationSizeMax);
  const ByteVector m2 = response(m1);
  EXPECT_EQ(m2[0], std::byte{0xC1});
  EXPECT_LE(m2.size(), m1.size()) << "an answer never amplifies";
  EXPECT_TRUE(a_.receive(0ms, m2));
  exchange(0ms);
  EXPECT_TRUE(connected());
  EXPECT_TRUE(TestEnd::keys_agree(a_, b_));
}

TEST_F(HandshakeMachine, EveryFlippedBitOfMessage1IsRefusedAndChangesNothing) {
  const ByteVector m1 = initiation();
  const Instant deadline = b_.deadline();
  // mac2 is looked at under load only, by the gate.
  for (std::size_t bit = 0; bit < (m1.size() - kMac2Size) * 8; ++bit) {
    ByteVector flipped = m1;
    flipped[bit / 8] ^= std::byte(1U << (bit % 8));
    ASSERT_FALSE(b_.receive(0ms, flipped)) << bit;
  }
  for (std::size_t n = 0; n < m1.size(); ++n) {
    ASSERT_FALSE(b_.receive(0ms, Bytes(m1).first(n))) << n;
  }
  EXPECT_TRUE(b_.take_outbox().empty());
  EXPECT_EQ(b_.indices().size(), 0U);
  EXPECT_EQ(b_.deadline(), deadline);
  EXPECT_TRUE(b_.receive(0ms, m1)) << "not even the timestamp is used up";
}

TEST_F(HandshakeMachine, EveryFlippedBitOfMessage2IsRefusedAndChangesNothing) {
  const ByteVector m2 = response(initiation());
  const Instant deadline = a_.deadline();
  for (std::size_t bit = 0; bit < (m2.size() - kMac2Size) * 8; ++bit) {
    ByteVector flipped = m2;
    flipped[bit / 8] ^= std::byte(1U << (bit % 8));
    ASSERT_FALSE(a_.receive(0ms, flipped)) << bit;
  }
  for (std::size_t n = 0; n < m2.size(); ++n) {
    ASSERT_FALSE(a_.receive(0ms, Bytes(m2).first(n))) << n;
  }
  EXPECT_EQ(a_.pairs_made(), 0U);
  EXPECT_EQ(a_.deadline(), deadline);
  EXPECT_TRUE(a_.receive(0ms, m2));
}

TEST_F(HandshakeMachine, RepeatedMessagesAreRefused) {
  const ByteVector m1 = initiation();
  const ByteVector m2 = response(m1);
  EXPECT_FALSE(b_.receive(1s, m1)) << "replay: the timestamp is not newer";
  EXPECT_TRUE(a_.receive(0ms, m2));
  EXPECT_FALSE(a_.receive(0ms, m2));
  b_.reset(2s);
  EXPECT_FALSE(b_.receive(2s, m1)) << "reset() keeps the greatest timestamp";
}

TEST_F(HandshakeMachine, OlderInitiationAfterANewerOneIsRefused) {
  const ByteVector first = initiation(0s);
  const ByteVector second = initiation(1s);
  EXPECT_TRUE(b_.receive(1s, second));
  EXPECT_FALSE(b_.receive(2s, first));
}

TEST_F(HandshakeMachine, AtMostOneInitiationInTwentyMilliseconds) {
  const ByteVector first = initiation(0s);
  const ByteVector second = initiation(1s);
  EXPECT_TRUE(b_.receive(1s, first));
  EXPECT_FALSE(b_.receive(1s + 19ms, second));
  EXPECT_TRUE(b_.receive(1s + 20ms, second)) << "a refusal for haste uses nothing up";
}

TEST_F(HandshakeMachine, LastThreeInitiationsMayBeAnswered) {
  std::vector<ByteVector> sent;
  for (int i = 0; i < 4; ++i) sent.push_back(initiation(1s * i));
  EXPECT_EQ(a_.indices().size(), kNativeProfile.pending_max);
  std::vector<ByteVector> answers;
  for (int i = 0; i < 4; ++i)
    answers.push_back(response(sent[static_cast<std::size_t>(i)], 4s + 1s * i));
  EXPECT_FALSE(a_.receive(8s, answers[0])) << "pushed out";
  EXPECT_TRUE(a_.receive(8s, answers[2]));
  EXPECT_FALSE(a_.receive(8s, answers[1])) << "older than a completed one";
  EXPECT_TRUE(a_.receive(8s, answers[3])) << "late, but newer";
  EXPECT_EQ(a_.pairs_made(), 2U);
  EXPECT_EQ(a_.indices().size(), 2U);
}

TEST_F(HandshakeMachine, AResponseAfterFifteenSecondsIsTooLate) {
  const ByteVector m2 = response(initiation(0s), 1s);
  a_.session().stop_connecting();
  EXPECT_FALSE(a_.receive(15s, m2));
  a_.tick(15s);
  EXPECT_EQ(a_.indices().size(), 0U);
}

TEST_F(HandshakeMachine, AResponseToAnotherPeerOrIndexIsRefused) {
  TestEnd stranger({.seed = 9});
  stranger.meet(b_);
  const ByteVector m2 = response(initiation());
  EXPECT_FALSE(stranger.receive(0ms, m2));
  // An initiation of somebody else's is not for this session.
  stranger.handshake_now(0ms);
  EXPECT_FALSE(b_.receive(1s, only(stranger.take_outbox())));
}

TEST_F(HandshakeMachine, WhoLacksTheSecretGetsSilence) {
  TestEnd outsider({.seed = 3, .epochs = {77}});
  outsider.meet(b_);
  outsider.handshake_now(0ms);
  EXPECT_FALSE(b_.receive(0ms, only(outsider.take_outbox())));
  EXPECT_TRUE(b_.take_outbox().empty());
}

TEST_F(HandshakeMachine, ARightMac1WithAWrongPskFailsAtMessage2) {
  b_.local().epochs[0].psk = crypto::Secret<32>{};
  const ByteVector m2 = response(initiation());
  EXPECT_FALSE(a_.receive(0ms, m2));
  EXPECT_EQ(a_.pairs_made(), 0U);
}

TEST_F(HandshakeMachine, AnotherNetworkIsRefused) {
  wire::NetworkId other;
  other.bytes[0] = std::byte{1};
  b_.local().prologue = native_prologue(other);
  EXPECT_FALSE(b_.receive(0ms, initiation()));
}

TEST(HandshakeEpochs, EveryThirdInitiationIsForAPeerThatLagsBehind) {
  TestEnd ahead({.seed = 1, .epochs = {5, 4, 3}});
  TestEnd four({.seed = 2, .epochs = {4}});
  TestEnd three({.seed = 2, .epochs = {3}});
  TestEnd five({.seed = 2, .epochs = {5}});
  TestEnd two({.seed = 2, .epochs = {2}});
  ahead.meet(four);
  for (TestEnd* peer : {&five, &four, &three, &two}) peer->meet(ahead);
  std::string accepted_by;
  ahead.connect(0s);
  for (int i = 0; i < 9; ++i) {
    const Duration now = ahead.deadline().time_since_epoch();
    if (i > 0) ahead.tick(now);
    auto out = ahead.take_outbox();
    while (out.empty()) {
      ahead.tick(ahead.deadline().time_since_epoch());
      out = ahead.take_outbox();
    }
    ASSERT_EQ(out.size(), 1U);
    EXPECT_FALSE(two.receive(1s * i, out[0]));
    if (five.receive(1s * i, out[0])) accepted_by += '5';
    if (four.receive(1s * i, out[0])) accepted_by += '4';
    if (three.receive(1s * i, out[0])) accepted_by += '3';
  }
  EXPECT_EQ(accepted_by, "554553554");
}

TEST_F(HandshakeMachine, AnEpochThatDiesMeanwhileClosesItsHandshakes) {
  const ByteVector m2 = response(initiation());
  a_.local().epochs.clear();
  a_.local().epochs.push_back(epoch_keys(2));
  EXPECT_FALSE(a_.receive(0ms, m2));
}

struct SuiteCase {
  std::uint8_t ours;
  std::uint8_t theirs;
  std::optional<crypto::Suite> chosen;
};

TEST(HandshakeSuites, TheBetterCommonOneIsChosen) {
  const std::vector<SuiteCase> cases{
      {1, 1, crypto::Suite::ChaCha20Poly1305},
      {3, 3, crypto::Suite::Aes256Gcm},
      {3, 1, crypto::Suite::ChaCha20Poly1305},
      {1, 3, crypto::Suite::ChaCha20Poly1305},
      {2, 3, crypto::Suite::Aes256Gcm},
      {2, 1, std::nullopt},
      {1, 2, std::nullopt},
  };
  for (const SuiteCase& c : cases) {
    TestEnd a({.seed = 1, .suites = c.ours});
    TestEnd b({.seed = 2, .suites = c.theirs});
    a.meet(b);
    b.meet(a);
    a.connect(0ms);
    const auto m1 = a.take_outbox();
    ASSERT_EQ(b.receive(0ms, m1.at(0)), c.chosen.has_value());
    if (!c.chosen) continue;
    EXPECT_TRUE(a.receive(0ms, b.take_outbox().at(0)));
    EXPECT_TRUE(TestEnd::keys_agree(a, b));
  }
}

/// A peer that answers correctly but for what it says in its payload.
class Liar {
 public:
  explicit Liar(TestEnd& end) : end_(&end) {}
  ByteVector answer(const ByteVector& m1, std::uint8_t suite, std::size_t payload_size = 21) {
    const auto message = wire::parse_initiation(wire::kNativeShape, m1);
    auto received = consume_initiation(kNativeProfile, end_->local(), *message, Epoch{1});
    ByteVector plaintext;
    wire::write_response_payload({.suite = suite}, plaintext);
    plaintext.resize(payload_size);
    SeededRng rng(4);
    const auto m2 = received->noise.write_message2(end_->local().epochs[0].psk,
                                                   crypto::X25519KeyPair::random(rng), plaintext);
    ByteVector out;
    wire::write_response_head(kNativeProfile.shape, SessionIndex{1}, message->sender, m2->ephemeral,
                              m2->sealed_payload, out);
    append(out, mac1_of(mac1_key("ipop mac1", end_->local().epochs[0].mac.reveal(),
                                 received->noise.remote()),
                        out)
                    .view());
    append(out, wire::Mac{}.view());
    return out;
  }

 private:
  TestEnd* end_;
};

TEST_F(HandshakeMachine, ASuiteThatWasNotOfferedAborts) {
  Liar liar(b_);
  const ByteVector m1 = initiation();
  const ByteVector lie = liar.answer(m1, 2);
  const auto message = wire::parse_response(wire::kNativeShape, lie);
  ASSERT_TRUE(message);
  const auto result = a_.session().handle_response(a_.time(0ms), *message);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::BadValue);
  EXPECT_EQ(a_.indices().size(), 0U);
  EXPECT_FALSE(a_.receive(0ms, response(m1))) << "that initiation is abandoned";
  const ByteVector again = initiation(1s);
  EXPECT_TRUE(a_.receive(1s, liar.answer(again, 1)));
}

/// What a man in the middle without keys does: nothing of it is in the clear, so he has the sealed
/// list and the chosen byte to spoil only, which the matrices above refuse. Here both ends are
/// honest and their lists differ in memory: the key schedule itself must not agree.
TEST_F(HandshakeMachine, TheSuiteIsBoundIntoTheDataKeys) {
  const Transcript transcript({.construction = kNativeProfile.construction}, {});
  ByteVector chacha = to_vector(transcript.hash().view());
  ByteVector aes = chacha;
  chacha.push_back(std::byte{1});
  aes.push_back(std::byte{2});
  EXPECT_FALSE(equal_bytes(transcript.split(chacha, true).send.reveal(),
                           transcript.split(aes, true).send.reveal()));
}

class Cookies : public HandshakeMachine {
 protected:
  ByteVector cookie_for(const ByteVector& m1, std::uint16_t port = 1) {
    const auto message = wire::parse_initiation(wire::kNativeShape, m1);
    const auto reply =
        gate_.make_cookie_reply(Instant{}, kNativeProfile, message->sender,
                                b_.local().keys.public_key, message->mac1, {Ipv4{1}, port});
    ByteVector out;
    wire::write_cookie_reply(kNativeProfile.shape, reply, out);
    return out;
  }
  bool has_mac2(const ByteVector& m1) {
    return !wire::parse_initiation(wire::kNativeShape, m1)->mac2.is_zero();
  }
  SeededRng rng_{5};
  HandshakeGate gate_{rng_};
};

TEST_F(Cookies, EveryFlippedBitIsRefusedAndChangesNothing) {
  const ByteVector cookie = cookie_for(initiation());
  const Instant deadline = a_.deadline();
  for (std::size_t bit = 0; bit < cookie.size() * 8; ++bit) {
    ByteVector flipped = cookie;
    flipped[bit / 8] ^= std::byte(1U << (bit % 8));
    ASSERT_FALSE(a_.receive(0ms, flipped)) << bit;
  }
  EXPECT_TRUE(a_.take_outbox().empty());
  EXPECT_EQ(a_.deadline(), deadline);
  EXPECT_TRUE(a_.receive(0ms, cookie));
}

TEST_F(Cookies, InitiatesOnceAtOnceWithTheCookie) {
  const ByteVector first = initiation();
  EXPECT_FALSE(has_mac2(first));
  const ByteVector cookie = cookie_for(first);
  ASSERT_TRUE(a_.receive(10ms, cookie));
  const ByteVector second = only(a_.take_outbox());
  EXPECT_TRUE(has_mac2(second));
  EXPECT_FALSE(a_.receive(10ms, cookie)) << "one cookie a mac1";
  EXPECT_TRUE(a_.take_outbox().empty());
  // Refused although it had a cookie: the next retry comes at its time, not at once.
  ASSERT_TRUE(a_.receive(20ms, cookie_for(second, 2)));
  EXPECT_TRUE(a_.take_outbox().empty());
  EXPECT_EQ(b_.receive(20ms, second), true);
}

TEST_F(Cookies, PassTheGateOfWhoMadeThem) {
  for (int i = 0; i < 41; ++i) gate_.admit(Instant{}, {Ipv4{9}, 9}, {}, {});
  const Endpoint from{Ipv4{1}, 1};
  const auto admit = [&](const ByteVector& m1) {
    const auto message = wire::parse_initiation(wire::kNativeShape, m1);
    return gate_.admit(Instant{}, from, message->mac2, message->mac2_input);
  };
  const ByteVector first = initiation();
  EXPECT_EQ(admit(first), HandshakeGate::Verdict::ReplyCookie);
  ASSERT_TRUE(a_.receive(0ms, cookie_for(first)));
  EXPECT_EQ(admit(only(a_.take_outbox())), HandshakeGate::Verdict::Pass);
}

TEST_F(Cookies, AreForgottenAfter115Seconds) {
  ASSERT_TRUE(a_.receive(0ms, cookie_for(initiation())));
  a_.take_outbox();
  EXPECT_TRUE(has_mac2(initiation(114s)));
  a_.reset(120s);
  EXPECT_FALSE(has_mac2(initiation(121s)));
}

TEST_F(Cookies, AlsoForAResponse) {
  const ByteVector m2 = response(initiation(0s));
  const auto message = wire::parse_response(wire::kNativeShape, m2);
  const auto reply =
      gate_.make_cookie_reply(Instant{}, kNativeProfile, message->sender,
                              a_.local().keys.public_key, message->mac1, {Ipv4{2}, 2});
  EXPECT_TRUE(b_.session().handle_cookie_reply(b_.time(0ms), reply));
  EXPECT_FALSE(b_.session().handle_cookie_reply(b_.time(0ms), reply));
  const ByteVector next = response(initiation(1s), 1s);
  EXPECT_FALSE(wire::parse_response(wire::kNativeShape, next)->mac2.is_zero());
}

TEST(IndexTable, HandsOutAndTakesBack) {
  SeededRng rng(1);
  IndexTable table(rng);
  std::set<SessionIndex> drawn;
  for (int i = 0; i < 1000; ++i)
    drawn.insert(table.allocate(PeerHandle{static_cast<std::uint32_t>(i)}));
  EXPECT_EQ(drawn.size(), 1000U);
  EXPECT_EQ(table.size(), 1000U);
  const SessionIndex one = *drawn.begin();
  EXPECT_TRUE(table.find(one));
  table.release(one);
  EXPECT_FALSE(table.find(one));
  table.release(one);
  EXPECT_EQ(table.size(), 999U);
}

TEST(IndexTable, IsEmptyAfterASessionEnds) {
  SeededRng rng(1);
  IndexTable table(rng);
  TestEnd a({.seed = 1});
  TestEnd b({.seed = 2});
  a.meet(b);
  {
    Session session({.profile = &kNativeProfile,
                     .local = &a.local(),
                     .remote = b.local().keys.public_key,
                     .owner = PeerHandle{1},
                     .indices = &table,
                     .rng = &rng});
    session.connect(at(0s));
    EXPECT_EQ(table.size(), 1U);
  }
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace ipop::session::testing
