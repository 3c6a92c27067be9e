// The stock profile, byte by byte: against the vectors of docs/protocol.md, which a program that
// shares no code with this one made from WireGuard's paper, and what differs from the native one.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "crypto/xchacha.h"
#include "session/testing.h"

namespace ipop::session::testing {
namespace {

/// Gives out what it was filled with, then a seeded stream.
class ScriptedRng final : public Rng {
 public:
  void then(Bytes bytes) { append(script_, bytes); }
  void fill(MutableBytes out) override {
    for (std::byte& b : out) {
      if (next_ == script_.size()) {
        rest_.fill(out);
        return;
      }
      b = script_[next_++];
    }
  }

 private:
  ByteVector script_;
  std::size_t next_ = 0;
  SeededRng rest_{5};
};

crypto::Secret<32> secret_of(unsigned byte) {
  crypto::Secret<32> out;
  const MutableBytes bytes = out.reveal_mutable();
  std::fill(bytes.begin(), bytes.end(), static_cast<std::byte>(byte));
  return out;
}

ByteVector index_bytes(std::uint32_t index) {
  ByteVector out(8);
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(index >> (8 * i));
  return out;
}

std::map<std::string, ByteVector> read_vectors() {
  std::ifstream page(std::string(IPOP_DOCS) + "/protocol.md");
  std::map<std::string, ByteVector> out;
  std::string line;
  while (std::getline(page, line)) {
    const std::size_t space = line.find(' ');
    if (!line.starts_with("stock_") || space == std::string::npos) continue;
    out[line.substr(0, space)] = from_hex(line.substr(space + 1)).value_or(ByteVector{});
  }
  return out;
}

/// One end with the keys, ephemeral key and index of the vectors.
struct VectorEnd {
  explicit VectorEnd(unsigned own_key) : indices(rng) {
    local.keys = crypto::X25519KeyPair::from_secret(secret_of(own_key));
    local.prologue = to_vector(as_bytes(kStockPrologue));
    local.epochs.emplace_back();
  }
  void meet(const VectorEnd& other) {
    session.emplace(Session::Options{.profile = &kStockProfile,
                                     .local = &local,
                                     .remote = other.local.keys.public_key,
                                     .owner = PeerHandle{1},
                                     .indices = &indices,
                                     .rng = &rng,
                                     .psk = &psk});
  }
  template <class Wanted>
  Wanted output() {
    while (true) {
      auto out = session->poll_output();
      if (auto* found = std::get_if<Wanted>(&out)) return std::move(*found);
      if (std::holds_alternative<Session::WaitUntil>(out)) break;
    }
    ADD_FAILURE() << "no such output";
    return {};
  }

  ScriptedRng rng;
  IndexTable indices;
  LocalSide local;
  crypto::Secret<32> psk = secret_of(0x35);
  std::optional<Session> session;
};

constexpr Now kVectorNow{
    .at = Instant(1s), .wall = UnixTime{1'700'000'000}, .wall_nanoseconds = 0x1d000000};

class StockVectors : public ::testing::Test {
 protected:
  StockVectors() {
    initiator_.meet(responder_);
    responder_.meet(initiator_);
    initiator_.rng.then(secret_of(0x33).reveal());
    initiator_.rng.then(index_bytes(0x11223344));
    responder_.rng.then(secret_of(0x34).reveal());
    responder_.rng.then(index_bytes(0x55667788));
  }
  std::string hex(const std::string& name) { return to_hex(vectors_.at(name)); }
  ByteVector initiation() {
    initiator_.session->connect(kVectorNow);
    return initiator_.output<Session::SendInitiation>().datagram;
  }

  std::map<std::string, ByteVector> vectors_ = read_vectors();
  VectorEnd initiator_{0x31};
  VectorEnd responder_{0x32};
};

TEST_F(StockVectors, HandshakeAndKeys) {
  ASSERT_EQ(vectors_.size(), 8U);
  EXPECT_EQ(to_hex(initiation()), hex("stock_initiation"));

  const auto m1 = wire::parse_initiation(wire::kStockShape, vectors_.at("stock_initiation"));
  ASSERT_TRUE(m1);
  const auto epoch = find_mac1_epoch(kStockProfile, responder_.local, m1->mac1_input, m1->mac1);
  ASSERT_TRUE(epoch);
  auto received = consume_initiation(kStockProfile, responder_.local, *m1, *epoch);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->noise.remote(), initiator_.local.keys.public_key);
  ASSERT_TRUE(responder_.session->respond(kVectorNow, std::move(*received)));
  const auto answered = responder_.output<Session::PairMade>();
  EXPECT_EQ(to_hex(responder_.output<Session::SendResponse>().datagram), hex("stock_response"));
  EXPECT_EQ(to_hex(answered.keys.receive.reveal()), hex("stock_key_to_responder"));
  EXPECT_EQ(to_hex(answered.keys.send.reveal()), hex("stock_key_to_initiator"));
  EXPECT_FALSE(responder_.session->sending_on()) << "not before its first packet";

  const auto m2 = wire::parse_response(wire::kStockShape, vectors_.at("stock_response"));
  ASSERT_TRUE(m2);
  ASSERT_TRUE(initiator_.session->handle_response(kVectorNow, *m2));
  const auto made = initiator_.output<Session::PairMade>();
  EXPECT_EQ(to_hex(made.keys.send.reveal()), hex("stock_key_to_responder"));
  EXPECT_EQ(to_hex(made.keys.receive.reveal()), hex("stock_key_to_initiator"));
  EXPECT_EQ(made.suite, crypto::Suite::ChaCha20Poly1305);
  EXPECT_EQ(initiator_.output<Session::SendKeepalive>().local, SessionIndex{0x11223344});
}

TEST_F(StockVectors, CookieReply) {
  static_cast<void>(initiation());
  const auto cookie =
      wire::parse_cookie_reply(wire::kStockShape, vectors_.at("stock_cookie_reply"));
  ASSERT_TRUE(cookie);
  ASSERT_TRUE(initiator_.session->handle_cookie_reply(kVectorNow, *cookie));
  const ByteVector& expected = vectors_.at("stock_initiation_with_cookie");
  const Bytes before_mac2 = Bytes(expected).first(expected.size() - wire::kMacSize);
  wire::Mac opened;
  ASSERT_TRUE(crypto::xchacha_open(
      cookie_key(kStockProfile.cookie_label, responder_.local.keys.public_key), cookie->nonce,
      before_mac2.last(wire::kMacSize), cookie->sealed, opened.bytes));
  EXPECT_EQ(to_hex(mac2_of(opened, before_mac2).view()),
            to_hex(Bytes(expected).last(wire::kMacSize)));
}

TEST_F(StockVectors, AnotherPskGivesNoSession) {
  responder_.psk = secret_of(0);
  initiator_.session->connect(kVectorNow);
  const auto m1 = wire::parse_initiation(wire::kStockShape, vectors_.at("stock_initiation"));
  auto received = consume_initiation(kStockProfile, responder_.local, *m1, Epoch{});
  ASSERT_TRUE(received) << "message 1 does not have it";
  ASSERT_TRUE(responder_.session->respond(kVectorNow, std::move(*received)));
  const ByteVector datagram = responder_.output<Session::SendResponse>().datagram;
  const auto m2 = wire::parse_response(wire::kStockShape, datagram);
  const auto handled = initiator_.session->handle_response(kVectorNow, *m2);
  ASSERT_FALSE(handled);
  EXPECT_EQ(handled.error().code, Errc::Denied);
}

class StockHandshake : public ::testing::Test {
 protected:
  StockHandshake() {
    a_.meet(b_);
    b_.meet(a_);
  }
  void exchange(Duration now) {
    for (int round = 0; round < 20; ++round) {
      for (const ByteVector& d : a_.take_outbox()) b_.receive(now, d);
      for (const ByteVector& d : b_.take_outbox()) a_.receive(now, d);
    }
  }
  bool connected() { return a_.sending() && a_.sending() == b_.sending(); }

  TestEnd a_{{.seed = 1, .profile = &kStockProfile, .psk = 9}};
  TestEnd b_{{.seed = 2, .profile = &kStockProfile, .psk = 9}};
};

TEST_F(StockHandshake, LengthsAndOrderAreWireGuards) {
  a_.connect(0ms);
  const auto m1 = a_.take_outbox();
  ASSERT_EQ(m1.size(), 1U);
  EXPECT_EQ(m1[0].size(), 148U);
  ASSERT_TRUE(b_.receive(0ms, m1[0]));
  const auto m2 = b_.take_outbox();
  ASSERT_EQ(m2.size(), 1U);
  EXPECT_EQ(m2[0].size(), 92U);
  EXPECT_FALSE(b_.send_ip(0ms, 1)) << "not confirmed yet";
  ASSERT_TRUE(a_.receive(0ms, m2[0]));
  const auto keepalive = a_.take_outbox();
  ASSERT_EQ(keepalive.size(), 1U);
  EXPECT_EQ(keepalive[0].size(), 32U);
  EXPECT_TRUE(a_.sending());
  ASSERT_TRUE(b_.receive(0ms, keepalive[0]));
  EXPECT_TRUE(connected());
  EXPECT_TRUE(b_.send_ip(0ms, 2));
  exchange(0ms);
  EXPECT_TRUE(a_.received().contains(2));
  EXPECT_TRUE(TestEnd::keys_agree(a_, b_));
}

TEST_F(StockHandshake, EveryFlippedBitIsRefused) {
  a_.connect(0ms);
  const ByteVector m1 = a_.take_outbox().front();
  for (std::size_t bit = 0; bit < (m1.size() - wire::kMacSize) * 8; ++bit) {
    ByteVector flipped = m1;
    flipped[bit / 8] ^= std::byte(1U << (bit % 8));
    ASSERT_FALSE(b_.receive(0ms, flipped)) << bit;
  }
  ASSERT_TRUE(b_.receive(0ms, m1));
  const ByteVector m2 = b_.take_outbox().front();
  for (std::size_t bit = 0; bit < (m2.size() - wire::kMacSize) * 8; ++bit) {
    ByteVector flipped = m2;
    flipped[bit / 8] ^= std::byte(1U << (bit % 8));
    ASSERT_FALSE(a_.receive(0ms, flipped)) << bit;
  }
  ASSERT_TRUE(a_.receive(0ms, m2));
  EXPECT_FALSE(b_.receive(1s, m1)) << "replay";
}

TEST_F(StockHandshake, NativeMessagesMeanNothingAndNorDoTheirs) {
  TestEnd native({.seed = 3});
  native.meet(b_.local().keys.public_key);
  b_.meet(native);
  native.connect(0ms);
  for (const ByteVector& d : native.take_outbox()) EXPECT_FALSE(b_.receive(0ms, d));
  native.meet(a_);
  a_.meet(native);
  a_.connect(0ms);
  for (const ByteVector& d : a_.take_outbox()) EXPECT_FALSE(native.receive(0ms, d));
}

// Where two of WireGuard's would both wait five seconds for a retry.
TEST_F(StockHandshake, CrossingInitiationsConnectAtOnce) {
  a_.connect(0ms);
  b_.connect(0ms);
  const ByteVector from_a = a_.take_outbox().front();
  const ByteVector from_b = b_.take_outbox().front();
  ASSERT_TRUE(b_.receive(50ms, from_a));
  ASSERT_TRUE(a_.receive(50ms, from_b));
  exchange(100ms);
  EXPECT_TRUE(a_.sending());
  EXPECT_TRUE(b_.sending());
  EXPECT_TRUE(TestEnd::keys_agree(a_, b_));
  ASSERT_TRUE(a_.send_ip(200ms, 1));
  ASSERT_TRUE(b_.send_ip(200ms, 2));
  exchange(200ms);
  EXPECT_TRUE(b_.received().contains(1));
  EXPECT_TRUE(a_.received().contains(2));
}

TEST_F(StockHandshake, OnlyTheLatestInitiationMayBeAnswered) {
  a_.connect(0ms);
  const ByteVector first = a_.take_outbox().front();
  a_.tick(6s);
  const ByteVector second = a_.take_outbox().front();
  ASSERT_TRUE(b_.receive(6s, first));
  const ByteVector answer = b_.take_outbox().front();
  EXPECT_FALSE(a_.receive(6s, answer));
  ASSERT_TRUE(b_.receive(6s + 20ms, second));
  exchange(6s + 20ms);
  EXPECT_TRUE(connected());
}

TEST_F(StockHandshake, CookieWaitsForTheNextRetry) {
  SeededRng rng(4);
  HandshakeGate gate(rng);
  const Endpoint from = *Endpoint::parse("192.0.2.7:5000");
  a_.connect(0ms);
  const ByteVector m1 = a_.take_outbox().front();
  const auto refused = wire::parse_initiation(wire::kStockShape, m1);
  ByteVector reply;
  wire::write_cookie_reply(wire::kStockShape,
                           gate.make_cookie_reply(Instant(0s), kStockProfile, refused->sender,
                                                  b_.local().keys.public_key, refused->mac1, from),
                           reply);
  EXPECT_EQ(reply.size(), 64U);
  ASSERT_TRUE(a_.receive(10ms, reply));
  EXPECT_FALSE(a_.receive(10ms, reply)) << "one cookie a mac1";
  EXPECT_TRUE(a_.take_outbox().empty()) << "not at once";
  a_.tick(6s);
  const ByteVector retry = a_.take_outbox().front();
  const auto message = wire::parse_initiation(wire::kStockShape, retry);
  EXPECT_FALSE(equal_bytes(message->mac2.view(), wire::Mac{}.view()));
  for (int i = 0; i < 41; ++i) {
    static_cast<void>(gate.admit(Instant(6s), from, wire::Mac{}, message->mac2_input));
  }
  ASSERT_TRUE(gate.under_load(Instant(6s)));
  EXPECT_EQ(gate.admit(Instant(6s), from, message->mac2, message->mac2_input),
            HandshakeGate::Verdict::Pass);
  const Endpoint other = *Endpoint::parse("192.0.2.8:5000");
  EXPECT_EQ(gate.admit(Instant(6s), other, message->mac2, message->mac2_input),
            HandshakeGate::Verdict::ReplyCookie);
}

}  // namespace
}  // namespace ipop::session::testing
