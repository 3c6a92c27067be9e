#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "crypto/aead.h"
#include "session/gate.h"
#include "session/replay.h"
#include "session/session.h"
#include "wire/data.h"

/// What the session tests and fuzz targets share: one end of a session with just enough of its
/// owner to run it (a keypair table, PROOF as one flag in one packet, no paths).
namespace ipop::session::testing {

using namespace std::chrono_literals;

/// Wall clocks start in 2023, far from zero, so that a clock can also be set back.
inline Now at(Duration since_start, std::int64_t skew_seconds = 0) {
  const auto ns = static_cast<std::uint64_t>(since_start.count());
  const auto wall = static_cast<std::uint64_t>(1'700'000'000 + skew_seconds) + ns / 1'000'000'000;
  return {.at = Instant(since_start),
          .wall = UnixTime{wall},
          .wall_nanoseconds = static_cast<std::uint32_t>(ns % 1'000'000'000)};
}

inline EpochKeys epoch_keys(std::uint32_t epoch) {
  SeededRng rng(0xe90c'0000'0000ULL + epoch);
  return EpochKeys::derive(Epoch{epoch}, crypto::Secret<32>::random(rng));
}

/// A pair as both ends can name it.
struct PairName {
  SessionIndex initiator;
  SessionIndex responder;
  friend auto operator<=>(const PairName&, const PairName&) = default;
};

class TestEnd {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::vector<std::uint32_t> epochs{1};  // newest first
    std::uint8_t suites = 1;
    std::int64_t clock_skew_seconds = 0;
    const Profile* profile = &kNativeProfile;
    std::uint8_t psk = 0;  ///< stock: the byte that the peer's psk is made of
  };
  static constexpr Duration kProofInterval = 250ms;

  explicit TestEnd(const Options& options) : options_(options), rng_(options.seed), indices_(rng_) {
    local_.keys = crypto::X25519KeyPair::random(rng_);
    local_.prologue = is_stock() ? to_vector(as_bytes(kStockPrologue)) : native_prologue({});
    local_.suites = options.suites;
    for (const std::uint32_t epoch : options.epochs) local_.epochs.push_back(epoch_keys(epoch));
    std::fill_n(psk_.reveal_mutable().begin(), 32, std::byte{options.psk});
  }

  /// Requires: once, before anything else.
  void meet(const TestEnd& peer) { meet(peer.local_.keys.public_key); }
  void meet(const TunnelKey& remote) {
    session_ = std::make_unique<Session>(Session::Options{.profile = options_.profile,
                                                          .local = &local_,
                                                          .remote = remote,
                                                          .owner = PeerHandle{7},
                                                          .indices = &indices_,
                                                          .rng = &rng_,
                                                          .psk = is_stock() ? &psk_ : nullptr});
  }
  /// Forgets everything but the keys and the disk's timestamp floor.
  void restart(Duration now) {
    const TunnelKey remote = session_->remote();
    local_.timestamps.reserve(time(now));
    local_.timestamps = TimestampSource(local_.timestamps.reserved());
    session_.reset();
    keys_.clear();
    sending_.reset();
    activity_ = {};
    meet(remote);
  }

  void connect(Duration now) {
    session_->connect(time(now));
    drain(now);
  }
  void handshake_now(Duration now) {
    session_->handshake_now(time(now));
    drain(now);
  }
  void reset(Duration now) {
    session_->reset();
    drain(now);
  }
  void tick(Duration now) {
    if (is_stock()) session_->handle_activity(time(now), activity_);
    session_->handle_timeout(time(now));
    drain(now);
    for (auto& [index, key] : keys_) {
      if (!key.proven && Instant(now) >= key.proof_at) send_proof(now, key);
    }
  }
  Instant deadline() {
    Instant out = deadline_;
    for (const auto& [index, key] : keys_) {
      if (!key.proven) out = std::min(out, key.proof_at);
    }
    return out;
  }

  /// Everything that arrives; true when it was authentic.
  bool receive(Duration now, Bytes datagram) {
    const bool ok = dispatch(now, datagram);
    drain(now);
    return ok;
  }

  /// Sends one IP packet with this number; false when no pair may carry it.
  bool send_ip(Duration now, std::uint32_t number) {
    if (!sending_) return false;
    ByteVector plaintext{std::byte{0x45}};
    for (unsigned i = 0; i < 4; ++i) plaintext.push_back(std::byte(number >> (8 * i)));
    seal(keys_.at(*sending_), plaintext);
    if (!is_stock()) {
      session_->handle_ip_sent(time(now), *sending_);
    } else {
      const bool began = activity_.last_ip_sent <= Instant(now) - 1s;
      activity_.last_ip_sent = Instant(now);
      activity_.unanswered_since = std::min(activity_.unanswered_since, Instant(now));
      activity_.unacknowledged_since = Instant::max();
      if (began) session_->handle_activity(time(now), activity_);
    }
    drain(now);
    return true;
  }

  Session& session() { return *session_; }
  LocalSide& local() { return local_; }
  IndexTable& indices() { return indices_; }
  std::vector<ByteVector> take_outbox() { return std::exchange(outbox_, {}); }
  const std::set<std::uint32_t>& received() const { return received_; }
  std::optional<PairName> sending() const {
    if (!sending_) return std::nullopt;
    return keys_.at(*sending_).name;
  }
  /// Every choice since the start, "none" left out.
  const std::vector<PairName>& choices() const { return choices_; }
  std::size_t pair_count() const { return keys_.size(); }
  std::size_t pairs_made() const { return pairs_made_; }
  const std::vector<Duration>& keepalive_times() const { return keepalive_times_; }
  const std::vector<Duration>& give_up_times() const { return give_up_times_; }
  bool is_stock() const { return options_.profile == &kStockProfile; }
  std::size_t initiations_sent() const { return initiations_sent_; }
  const std::vector<Duration>& initiation_times() const { return initiation_times_; }
  bool is_lower() const { return local_.keys.public_key < session_->remote(); }
  Now time(Duration now) const { return at(now, options_.clock_skew_seconds); }

  /// True when no pair that both ends hold has different keys or suites at its ends.
  static bool keys_agree(const TestEnd& a, const TestEnd& b) {
    for (const auto& [index, x] : a.keys_) {
      for (const auto& [other, y] : b.keys_) {
        if (x.name != y.name || x.initiator == y.initiator) continue;
        if (x.suite != y.suite || !same(x.keys.send, y.keys.receive) ||
            !same(x.keys.receive, y.keys.send)) {
          return false;
        }
      }
    }
    return true;
  }

 private:
  struct Key {
    SessionIndex local;
    SessionIndex remote;
    PairName name;
    bool initiator = false;
    crypto::Suite suite{};
    TransportKeys keys;
    std::uint64_t counter = 0;
    ReplayWindow window;
    bool accepted_theirs = false;
    bool accepted_ours = false;
    bool proven = false;
    Instant proof_at;
  };

  static constexpr unsigned kAcceptedYours = 1;
  static constexpr unsigned kProven = 2;

  static bool same(const crypto::Secret<32>& a, const crypto::Secret<32>& b) {
    return crypto::equal_constant_time(a.reveal(), b.reveal());
  }

  bool dispatch(Duration now, Bytes datagram) {
    const wire::HandshakeShape& shape = options_.profile->shape;
    if (wire::is_data(datagram)) return receive_data(now, datagram);
    if (wire::parse_initiation(shape, datagram)) return receive_initiation(now, datagram);
    if (const auto message = wire::parse_response(shape, datagram)) {
      return session_->handle_response(time(now), *message).has_value();
    }
    const auto message = wire::parse_cookie_reply(shape, datagram);
    return message && session_->handle_cookie_reply(time(now), *message).has_value();
  }

  bool receive_initiation(Duration now, Bytes datagram) {
    const Profile& profile = *options_.profile;
    const auto message = wire::parse_initiation(profile.shape, datagram);
    const auto epoch = find_mac1_epoch(profile, local_, message->mac1_input, message->mac1);
    if (!epoch) return false;
    auto initiation = consume_initiation(profile, local_, *message, *epoch);
    if (!initiation || initiation->noise.remote() != session_->remote()) return false;
    return session_->respond(time(now), std::move(*initiation)).has_value();
  }

  bool receive_data(Duration now, Bytes datagram) {
    const auto header = wire::parse_data(datagram);
    if (!header || header->framing != options_.profile->framing) return false;
    const auto it = keys_.find(header->receiver);
    if (it == keys_.end()) return false;
    Key& key = it->second;
    if (!key.window.would_accept(header->counter)) return false;
    ByteVector sealed = to_vector(datagram.subspan(wire::kDataHeaderSize));
    const auto plaintext = crypto::open_aead(key.suite, key.keys.receive)
                               ->open(crypto::nonce_of(key.suite, header->counter.value),
                                      wire::data_aad(header->framing, datagram), sealed);
    if (!plaintext || !key.window.commit(header->counter)) return false;
    const SessionIndex local = key.local;
    session_->handle_received(time(now), local);
    drain(now);
    if (is_stock()) note_received(now, !plaintext->empty());
    drain(now);
    if (keys_.contains(local)) handle_plaintext(now, keys_.at(local), *plaintext);
    return true;
  }

  /// As the packet path does: the words always, the event after a pause only.
  void note_received(Duration now, bool ip) {
    const bool began = activity_.last_received <= Instant(now) - 1s;
    activity_.last_received = Instant(now);
    activity_.unanswered_since = Instant::max();
    if (ip) {
      activity_.last_ip_received = Instant(now);
      activity_.unacknowledged_since = std::min(activity_.unacknowledged_since, Instant(now));
    }
    if (began) session_->handle_activity(time(now), activity_);
  }

  void handle_plaintext(Duration now, Key& key, Bytes plaintext) {
    if (plaintext.empty()) return;
    if (plaintext[0] == std::byte{0x45}) {
      std::uint32_t number = 0;
      for (unsigned i = 0; i < 4; ++i) {
        number |= std::to_integer<std::uint32_t>(plaintext[1 + i]) << (8 * i);
      }
      received_.insert(number);
      return;
    }
    const auto flags = std::to_integer<unsigned>(plaintext[1]);
    key.accepted_theirs = true;
    key.accepted_ours = key.accepted_ours || (flags & kAcceptedYours) != 0;
    if (key.accepted_ours && !key.proven) {
      key.proven = true;
      session_->handle_proven(time(now), key.local);
    }
    // Whoever is not done yet has to hear what we have, also when our last PROOF was lost.
    if ((flags & kProven) == 0) send_proof(now, key);
  }

  void send_proof(Duration now, Key& key) {
    const unsigned flags =
        (key.accepted_theirs ? kAcceptedYours : 0U) | (key.proven ? kProven : 0U);
    seal(key, ByteVector{std::byte{0x03}, std::byte(flags)});
    key.proof_at = Instant(now) + kProofInterval;
  }

  void seal(Key& key, const ByteVector& plaintext) {
    ByteVector out(wire::kDataHeaderSize);
    const wire::Framing framing = options_.profile->framing;
    wire::write_data_header(
        {.framing = framing, .receiver = key.remote, .counter = Counter{key.counter}}, out);
    ByteVector body = plaintext;
    body.resize(plaintext.size() + crypto::kTagSize);
    crypto::open_aead(key.suite, key.keys.send)
        ->seal(crypto::nonce_of(key.suite, key.counter++), wire::data_aad(framing, out), body);
    append(out, body);
    outbox_.push_back(std::move(out));
  }

  void drain(Duration now) {
    while (true) {
      Session::Output output = session_->poll_output();
      if (const auto* wait = std::get_if<Session::WaitUntil>(&output)) {
        deadline_ = wait->at;
        return;
      }
      apply(now, output);
    }
  }

  void apply(Duration now, Session::Output& output) {
    if (auto* initiation = std::get_if<Session::SendInitiation>(&output)) {
      outbox_.push_back(std::move(initiation->datagram));
      ++initiations_sent_;
      initiation_times_.push_back(now);
    } else if (auto* response = std::get_if<Session::SendResponse>(&output)) {
      outbox_.push_back(std::move(response->datagram));
    } else if (auto* made = std::get_if<Session::PairMade>(&output)) {
      ++pairs_made_;
      const PairName name = made->initiator ? PairName{made->local, made->remote}
                                            : PairName{made->remote, made->local};
      keys_.emplace(made->local, Key{.local = made->local,
                                     .remote = made->remote,
                                     .name = name,
                                     .initiator = made->initiator,
                                     .suite = made->suite,
                                     .keys = std::move(made->keys),
                                     .proven = is_stock(),
                                     .proof_at = Instant(now)});
      // The responder's PROOF follows its response; tick() sends it.
      if (!is_stock()) deadline_ = Instant(now);
    } else if (const auto* send = std::get_if<Session::SendOn>(&output)) {
      sending_ = send->local;
      if (sending_) choices_.push_back(keys_.at(*sending_).name);
    } else if (const auto* due = std::get_if<Session::SendKeepalive>(&output)) {
      keepalive_times_.push_back(now);
      seal(keys_.at(due->local), {});
      activity_.unacknowledged_since = Instant::max();
    } else if (std::holds_alternative<Session::GaveUp>(output)) {
      give_up_times_.push_back(now);
    } else if (const auto* dropped = std::get_if<Session::PairDropped>(&output)) {
      keys_.erase(dropped->local);
    }
  }

  Options options_;
  SeededRng rng_;
  IndexTable indices_;
  LocalSide local_;
  crypto::Secret<32> psk_;
  Activity activity_;
  std::unique_ptr<Session> session_;
  std::map<SessionIndex, Key> keys_;
  std::optional<SessionIndex> sending_;
  std::vector<PairName> choices_;
  std::vector<ByteVector> outbox_;
  std::set<std::uint32_t> received_;
  std::vector<Duration> initiation_times_;
  std::vector<Duration> keepalive_times_;
  std::vector<Duration> give_up_times_;
  std::size_t initiations_sent_ = 0;
  std::size_t pairs_made_ = 0;
  Instant deadline_ = Instant::max();
};

}  // namespace ipop::session::testing
