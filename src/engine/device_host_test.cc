// The host's side of stock WireGuard devices, against a session of the same profile that plays the
// phone: who gets a session, where it goes, and what is kept.
#include "engine/device_host.h"

#include <gtest/gtest.h>

#include "dataplane/activity.h"

namespace ipop::engine {
namespace {

using namespace std::chrono_literals;

Now at(Duration since_start) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_start).count();
  return {.at = Instant(since_start),
          .wall = UnixTime{1'700'000'000 + static_cast<std::uint64_t>(seconds)}};
}

Endpoint endpoint(const char* text) { return *Endpoint::parse(text); }

/// A device: a stock session and the last keypair that it made.
class Phone {
 public:
  Phone(std::uint64_t seed, const TunnelKey& host, crypto::Secret<32> psk)
      : rng_(seed), indices_(rng_), psk_(std::move(psk)) {
    side_.keys = crypto::X25519KeyPair::random(rng_);
    side_.prologue = to_vector(as_bytes(session::kStockPrologue));
    side_.epochs.emplace_back();
    session_.emplace(session::Session::Options{.profile = &session::kStockProfile,
                                               .local = &side_,
                                               .remote = host,
                                               .owner = PeerHandle{1},
                                               .indices = &indices_,
                                               .rng = &rng_,
                                               .psk = &psk_});
  }
  const TunnelKey& key() const { return side_.keys.public_key; }
  session::LocalSide& side() { return side_; }

  void call(const Now& now) {
    session_->connect(now);
    drain();
  }
  /// Takes a datagram; plaintexts land in `received`.
  void receive(const Now& now, Bytes datagram) {
    if (wire::is_data(datagram)) {
      const auto packet = std::make_unique<Packet>();
      copy_bytes(packet->read_area(), datagram);
      packet->resize(datagram.size());
      MutableBytes view = packet->data();
      if (keypair_ != nullptr && keypair_->open(view)) {
        received.push_back(to_vector(view));
        session_->handle_received(now, keypair_->local());
      }
    } else if (const auto m1 = wire::parse_initiation(wire::kStockShape, datagram)) {
      auto initiation = session::consume_initiation(session::kStockProfile, side_, *m1, Epoch{});
      if (initiation) static_cast<void>(session_->respond(now, std::move(*initiation)));
    } else if (const auto m2 = wire::parse_response(wire::kStockShape, datagram)) {
      static_cast<void>(session_->handle_response(now, *m2));
    }
    drain();
  }
  ByteVector seal(Bytes ip) { return *keypair_->seal_control(ip); }
  bool connected() const { return session_->sending_on().has_value(); }

  std::vector<ByteVector> sent;
  std::vector<ByteVector> received;

 private:
  void drain() {
    for (bool more = true; more;) {
      auto output = session_->poll_output();
      if (auto* m1 = std::get_if<session::Session::SendInitiation>(&output)) {
        sent.push_back(std::move(m1->datagram));
      } else if (auto* m2 = std::get_if<session::Session::SendResponse>(&output)) {
        sent.push_back(std::move(m2->datagram));
      } else if (auto* made = std::get_if<session::Session::PairMade>(&output)) {
        keypair_ = std::make_unique<dataplane::Keypair>(
            dataplane::Keypair::Options{.local = made->local,
                                        .remote = made->remote,
                                        .suite = made->suite,
                                        .framing = wire::Framing::Stock},
            std::move(made->keys));
      } else if (std::holds_alternative<session::Session::SendKeepalive>(output)) {
        sent.push_back(*keypair_->seal_control({}));
      }
      more = !std::holds_alternative<session::Session::WaitUntil>(output);
    }
  }

  SeededRng rng_;
  session::IndexTable indices_;
  session::LocalSide side_;
  crypto::Secret<32> psk_;
  std::optional<session::Session> session_;
  std::unique_ptr<dataplane::Keypair> keypair_;
};

class DeviceHostTest : public ::testing::Test {
 protected:
  DeviceHostTest() {
    grant_.bytes[0] = std::byte{7};
    self_.bytes[0] = std::byte{1};
    psk_.reveal_mutable()[0] = std::byte{5};
    begin();
    phone_.emplace(99, host_->public_key(), psk_.clone());
    add_device();
  }
  void begin() { host_.emplace(ctx_); }
  void add_device() {
    host_->add(grant_, psk_.clone());
    devices_[grant_] = {.grant = grant_,
                        .host = self_,
                        .key = phone_->key(),
                        .v4 = *Ipv4::parse("10.83.0.9"),
                        .v6 = *Ipv6::parse("fd00::9"),
                        .name = "phone"};
    host_->refresh(at(now_), devices_, self_);
  }
  dataplane::Snapshot snapshot() {
    dataplane::Snapshot out;
    dataplane::NetworkEntry entry;
    host_->add_to_snapshot(NetworkSlot{0}, 1420, entry, out);
    out.networks.push_back(std::move(entry));
    return out;
  }
  /// Carries datagrams both ways until there are none; the phone is at `at_`. Gives where the
  /// host's went.
  std::vector<Endpoint> exchange() {
    std::vector<Endpoint> to;
    for (bool more = true; more;) {
      more = !phone_->sent.empty() || !ctx_.outputs.empty();
      for (const ByteVector& d : std::exchange(phone_->sent, {})) host_receives(d);
      for (Output& output : std::exchange(ctx_.outputs, {})) {
        auto* datagram = std::get_if<Transmit>(&output);
        if (datagram == nullptr) continue;
        to.push_back(datagram->to.endpoint());
        if (datagram->to == at_) phone_->receive(at(now_), datagram->datagram);
      }
    }
    return to;
  }
  void host_receives(Bytes datagram) {
    if (const auto m1 = wire::parse_initiation(wire::kStockShape, datagram)) {
      host_->handle_initiation(at(now_), *m1, at_);
      return;
    }
    if (const auto m2 = wire::parse_response(wire::kStockShape, datagram)) {
      if (const auto peer = ctx_.indices.find(m2->receiver)) {
        host_->handle_response(at(now_), *peer, *m2, at_);
      }
      return;
    }
    const auto header = wire::parse_data(datagram);
    if (!header) return;
    const auto view = snapshot();
    const auto found = view.sessions.find(header->receiver);
    if (found == view.sessions.end()) return;
    ByteVector buffer = to_vector(datagram);
    MutableBytes bytes(buffer);
    ASSERT_TRUE(found->second.keypair->open(bytes));
    found->second.keypair->words().last_received.store(now_.count());
    dataplane::note_stock_received(found->second.keypair->words(), Instant(now_), !bytes.empty());
    host_->handle_received(at(now_), found->second.peer, header->receiver, at_);
  }
  void connect() {
    phone_->call(at(now_));
    exchange();
    ASSERT_TRUE(phone_->connected());
    ASSERT_TRUE(host_->view(grant_, Instant(now_))->online);
  }
  PeerHandle handle() { return snapshot().peers.at(0).peer; }

  SeededRng rng_{3};
  NullLogger log_;
  Context ctx_{rng_, log_, {.port = 41820}, {}};
  std::optional<DeviceHost> host_;
  std::optional<Phone> phone_;
  wire::StatementId grant_;
  wire::NodeId self_;
  crypto::Secret<32> psk_;
  std::map<wire::StatementId, member::Device> devices_;
  Endpoint at_ = endpoint("192.0.2.9:5000");
  Duration now_ = 1s;
};

TEST_F(DeviceHostTest, PhoneCalls) {
  EXPECT_FALSE(host_->view(grant_, Instant(now_))->online);
  connect();
  const auto view = host_->view(grant_, Instant(now_));
  EXPECT_EQ(view->endpoint, at_);
  EXPECT_EQ(view->handshake_age, 0s);
  EXPECT_TRUE(view->has_psk);
  const auto shown = snapshot();
  ASSERT_EQ(shown.peers.size(), 1U);
  EXPECT_TRUE(shown.peers[0].is_device);
  EXPECT_EQ(shown.peers[0].way, at_);
  EXPECT_EQ(shown.networks[0].routes.at(*Ipv4::parse("10.83.0.9")), 0U);
  ASSERT_EQ(shown.sessions.size(), 1U);
  EXPECT_TRUE(shown.sessions.begin()->second.proven);
}

TEST_F(DeviceHostTest, OthersGetSilence) {
  Phone stranger(5, host_->public_key(), psk_.clone());
  stranger.call(at(now_));
  const auto m1 = wire::parse_initiation(wire::kStockShape, stranger.sent.front());
  EXPECT_TRUE(host_->handle_initiation(at(now_), *m1, at_)) << "the mac1 is right";
  EXPECT_TRUE(ctx_.outputs.empty());
  SeededRng rng(8);
  Phone lost(6, crypto::X25519KeyPair::random(rng).public_key, psk_.clone());
  lost.call(at(now_));
  const auto other = wire::parse_initiation(wire::kStockShape, lost.sent.front());
  EXPECT_FALSE(host_->handle_initiation(at(now_), *other, at_)) << "for somebody else";
  EXPECT_TRUE(ctx_.outputs.empty());
}

TEST_F(DeviceHostTest, AnotherPskMakesNoSession) {
  SeededRng rng(1);
  Phone impostor(99, host_->public_key(), crypto::Secret<32>::random(rng));
  ASSERT_EQ(impostor.key(), phone_->key());
  impostor.call(at(now_));
  host_receives(impostor.sent.front());
  const auto* answer = std::get_if<Transmit>(&ctx_.outputs.front());
  ASSERT_NE(answer, nullptr);
  impostor.receive(at(now_), answer->datagram);
  EXPECT_FALSE(impostor.connected());
}

TEST_F(DeviceHostTest, PacketsWaitForTheHandshakeThatTheyBegin) {
  connect();
  now_ += 200s;  // the keys are gone
  host_->handle_timeout(at(now_));
  ASSERT_FALSE(host_->view(grant_, Instant(now_))->online);
  const ByteVector packet(40, std::byte{0x45});
  host_->handle_unrouted(at(now_), handle(), packet);
  exchange();
  ASSERT_FALSE(phone_->received.empty());
  EXPECT_EQ(to_hex(Bytes(phone_->received.front()).first(40)), to_hex(packet));
  EXPECT_EQ(phone_->received.front().size(), 48U) << "padded, and in the keepalive's place";
}

TEST_F(DeviceHostTest, FollowsThePhone) {
  connect();
  at_ = endpoint("[2001:db8::9]:7");
  host_receives(phone_->seal(ByteVector(20, std::byte{0x45})));
  EXPECT_EQ(host_->view(grant_, Instant(now_))->endpoint, at_);
  EXPECT_TRUE(host_->take_moved());
  EXPECT_FALSE(host_->take_moved());
  ctx_.outputs.clear();
  host_->handle_unrouted(at(now_), handle(), ByteVector(20, std::byte{0x45}));
  EXPECT_EQ(exchange(), std::vector{at_});
}

TEST_F(DeviceHostTest, AcknowledgesWhatOnlyArrives) {
  connect();
  host_receives(phone_->seal(ByteVector(20, std::byte{0x45})));
  ctx_.outputs.clear();
  EXPECT_EQ(host_->deadline(), Instant(now_ + 10s));
  now_ += 10s;
  host_->handle_timeout(at(now_));
  phone_->received.clear();
  exchange();
  ASSERT_EQ(phone_->received.size(), 1U);
  EXPECT_TRUE(phone_->received[0].empty());
}

TEST_F(DeviceHostTest, WhatAnOlderPairLeftOpenCallsNobody) {
  connect();
  host_receives(phone_->seal(ByteVector(20, std::byte{0x45})));
  host_->handle_unrouted(at(now_), handle(), ByteVector(20, std::byte{0x45}));
  exchange();  // the phone answers by a new pair, from the same place
  now_ += 6s;
  phone_.emplace(99, host_->public_key(), psk_.clone());
  connect();
  now_ += 60s;
  host_->handle_unrouted(at(now_), handle(), ByteVector(20, std::byte{0x45}));
  const auto datagrams = [&] {
    std::vector<std::size_t> sizes;
    for (const Output& output : std::exchange(ctx_.outputs, {})) {
      const auto* datagram = std::get_if<Transmit>(&output);
      if (datagram != nullptr) sizes.push_back(datagram->datagram.size());
    }
    return sizes;
  };
  EXPECT_EQ(datagrams(), std::vector<std::size_t>{64}) << "the packet, and no initiation";
  now_ += 14s;
  host_->handle_timeout(at(now_));
  EXPECT_TRUE(datagrams().empty());
  now_ += 2s;
  host_->handle_timeout(at(now_));
  EXPECT_EQ(datagrams(), std::vector<std::size_t>{148}) << "15 s after that packet";
}

TEST_F(DeviceHostTest, AfterARestartItKnowsKeyPskAndPlace) {
  connect();
  const auto stored = host_->stored();
  ASSERT_TRUE(stored);
  const TunnelKey key = host_->public_key();
  host_->stop(at(now_));
  ctx_.outputs.clear();
  begin();
  auto parsed = parse_stored_devices(*stored);
  ASSERT_TRUE(parsed);
  host_->restore(std::move(*parsed), at(now_).wall);
  EXPECT_EQ(host_->public_key(), key);
  host_->refresh(at(now_), devices_, self_);
  EXPECT_EQ(host_->view(grant_, Instant(now_))->endpoint, at_);
  now_ += 1s;
  host_->handle_unrouted(at(now_), handle(), ByteVector(20, std::byte{0x45}));
  exchange();
  EXPECT_TRUE(host_->view(grant_, Instant(now_))->online) << "the host called";
}

TEST_F(DeviceHostTest, EndsWithItsGrant) {
  connect();
  devices_.clear();
  host_->refresh(at(now_), devices_, self_);
  EXPECT_FALSE(host_->view(grant_, Instant(now_)));
  ASSERT_EQ(host_->idle(), std::vector{grant_});
  host_->forget(grant_);
  EXPECT_FALSE(host_->psk_of(grant_));
  EXPECT_TRUE(snapshot().sessions.empty());
  EXPECT_FALSE(ctx_.garbage.keypairs.empty()) << "a snapshot may still name them";
  EXPECT_TRUE(host_->take_moved()) << "its secret goes from disk, too";
  EXPECT_EQ(ctx_.indices.size(), 0U);
  Phone again(99, host_->public_key(), psk_.clone());
  again.call(at(now_ + 6s));
  const auto m1 = wire::parse_initiation(wire::kStockShape, again.sent.front());
  EXPECT_FALSE(host_->handle_initiation(at(now_ + 6s), *m1, at_));
}

TEST_F(DeviceHostTest, ComesBackWhenItsAddressIsFreeAgain) {
  connect();
  const auto all = std::exchange(devices_, {});
  host_->refresh(at(now_), devices_, self_);
  EXPECT_FALSE(host_->view(grant_, Instant(now_)));
  devices_ = all;
  host_->refresh(at(now_), devices_, self_);
  EXPECT_TRUE(host_->idle().empty());
  now_ += 6s;
  phone_.emplace(99, host_->public_key(), psk_.clone());
  connect();
}

TEST_F(DeviceHostTest, NoPlaceInsideTheNetworkIsItsOwn) {
  connect();
  host_->set_inside(Prefix4::parse("10.83.0.0/16"), *Ipv6::parse("fd00::"));
  const Endpoint outside = at_;
  at_ = endpoint("10.83.0.9:5000");
  host_receives(phone_->seal(ByteVector(20, std::byte{0x45})));
  EXPECT_EQ(host_->view(grant_, Instant(now_))->endpoint, outside);
  now_ += 6s;
  phone_.emplace(99, host_->public_key(), psk_.clone());
  phone_->call(at(now_));
  ctx_.outputs.clear();
  exchange();
  EXPECT_FALSE(phone_->connected());
  EXPECT_EQ(host_->view(grant_, Instant(now_))->endpoint, outside);
}

TEST_F(DeviceHostTest, AnotherHostsDeviceIsNotOurs) {
  wire::StatementId other;
  other.bytes[0] = std::byte{9};
  devices_[other] = devices_.at(grant_);
  devices_[other].grant = other;
  devices_[other].host = {};
  host_->refresh(at(now_), devices_, self_);
  EXPECT_EQ(snapshot().peers.size(), 1U);
  EXPECT_FALSE(host_->view(other, Instant(now_)));
}

}  // namespace
}  // namespace ipop::engine
