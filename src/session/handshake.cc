#include <algorithm>

#include "crypto/xchacha.h"
#include "session/gate.h"
#include "session/payload.h"
#include "session/session.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;

/// WireGuard's: the secret behind a cookie lives 120 s; 5 s are for its way and the clocks' drift.
constexpr Duration kCookieLifetime = 115s;
/// At most one accepted initiation from a peer in this time (INITIATIONS_PER_SECOND = 50).
constexpr Duration kAcceptInterval = 20ms;
/// Every third initiation is for a peer that may not have the newest network secret yet.
constexpr std::size_t kOldEpochEvery = 3;

std::uint8_t suite_bit(crypto::Suite suite) {
  return static_cast<std::uint8_t>(1U << (static_cast<unsigned>(suite) - 1U));
}

/// The better one of the suites that both list; never pinned, so that a peer may lose or gain
/// hardware AES between two handshakes.
std::optional<crypto::Suite> choose_suite(std::uint8_t ours, std::uint8_t theirs) {
  const unsigned common = static_cast<unsigned>(ours) & theirs;
  for (const auto suite : {crypto::Suite::Aes256Gcm, crypto::Suite::ChaCha20Poly1305}) {
    if ((common & suite_bit(suite)) != 0) return suite;
  }
  return std::nullopt;
}

NoiseOptions noise_options(const Profile& profile) {
  return {.construction = profile.construction};
}

}  // namespace

Result<ReceivedInitiation> consume_initiation(const Profile& profile, const LocalSide& local,
                                              const wire::Initiation& message, Epoch epoch) {
  auto noise = NoiseResponder::read_message1(noise_options(profile), local.prologue, local.keys,
                                             message.ephemeral, message.sealed_static,
                                             message.sealed_payload);
  if (!noise) return std::unexpected(noise.error());
  auto payload = read_initiation_payload(profile, noise->payload());
  if (!payload) return std::unexpected(payload.error());
  return ReceivedInitiation{.noise = std::move(*noise),
                            .remote_index = message.sender,
                            .payload = std::move(*payload),
                            .epoch = epoch};
}

/// A stock peer has a psk of its own.
const crypto::Secret<32>& Session::psk_of(const EpochKeys& epoch) const {
  return options_.psk != nullptr ? *options_.psk : epoch.psk;
}

/// The newest epoch; every third time an older live one, in turn.
const EpochKeys& Session::epoch_of_attempt() const {
  const EpochKeyRing& ring = options_.local->epochs;
  const std::size_t sent = attempt_.sent;
  if (ring.size() < 2 || sent % kOldEpochEvery != kOldEpochEvery - 1) return ring.front();
  return ring[1 + sent / kOldEpochEvery % (ring.size() - 1)];
}

void Session::send_initiation(const Now& now) {
  LocalSide& local = *options_.local;
  const EpochKeys& epoch = epoch_of_attempt();
  const ByteVector plaintext =
      initiation_payload(*options_.profile, local, local.timestamps.next(now));
  NoiseInitiator noise(noise_options(*options_.profile), local.prologue, options_.remote);
  const auto message =
      noise.write_message1(local.keys, crypto::X25519KeyPair::random(*options_.rng), plaintext);
  last_initiation_at_ = now.at;
  last_handshake_sent_at_ = now.at;
  // A remote key that is a low-order point: nobody holds it, so there is nobody to talk to.
  if (!message) return;
  if (pending_.size() == options_.profile->pending_max) abandon_pending(1);
  pending_.push_back({.local = options_.indices->allocate(options_.owner),
                      .noise = std::move(noise),
                      .epoch = epoch.epoch,
                      .suites = local.suites,
                      .sent_at = now.at,
                      .began = ++events_,
                      .mac1 = wire::Mac{},
                      .had_cookie = fresh_cookie(now.at).has_value()});
  SendInitiation out;
  wire::write_initiation_head(options_.profile->shape, pending_.back().local, message->ephemeral,
                              message->sealed_static, message->sealed_payload, out.datagram);
  append_macs(now.at, epoch, out.datagram, *pending_.back().mac1);
  outputs_.emplace_back(std::move(out));
}

void Session::append_macs(Instant now, const EpochKeys& epoch, ByteVector& datagram,
                          wire::Mac& mac1) {
  mac1 = mac1_of(mac1_key(*options_.profile, epoch, options_.remote), datagram);
  append(datagram, mac1.view());
  const auto cookie = fresh_cookie(now);
  append(datagram, (cookie ? mac2_of(*cookie, datagram) : wire::Mac{}).view());
}

std::optional<wire::Mac> Session::fresh_cookie(Instant now) const {
  if (!cookie_ || now >= cookie_->at + kCookieLifetime) return std::nullopt;
  return cookie_->value;
}

Result<void> Session::respond(const Now& now, ReceivedInitiation initiation) {
  LocalSide& local = *options_.local;
  if (initiation.payload.timestamp <= greatest_timestamp_) {
    return fail(Errc::Denied, "initiation: timestamp is not newer");
  }
  if (last_accepted_at_ && now.at < *last_accepted_at_ + kAcceptInterval) {
    return fail(Errc::Busy, "initiation: too soon after the last one");
  }
  const EpochKeys* epoch = find_epoch(local.epochs, initiation.epoch);
  if (epoch == nullptr) return fail(Errc::Denied, "initiation: epoch is no longer live");
  const auto suite = choose_suite(local.suites, initiation.payload.suites);
  if (!suite) return fail(Errc::Unsupported, "initiation: no common suite");

  const Profile& profile = *options_.profile;
  const auto message =
      initiation.noise.write_message2(psk_of(*epoch), crypto::X25519KeyPair::random(*options_.rng),
                                      response_payload(profile, local, *suite));
  if (!message) return std::unexpected(message.error());

  greatest_timestamp_ = initiation.payload.timestamp;
  last_accepted_at_ = now.at;
  last_handshake_received_at_ = now.at;
  bound_unconfirmed();
  Pair& pair = add_pair(now, options_.indices->allocate(options_.owner), epoch->epoch);
  pair.began = ++events_;
  pair.response_mac1.emplace();
  SendResponse out;
  wire::write_response_head(profile.shape, pair.local, initiation.remote_index, message->ephemeral,
                            message->sealed_payload, out.datagram);
  append_macs(now.at, *epoch, out.datagram, *pair.response_mac1);
  outputs_.emplace_back(
      PairMade{.local = pair.local,
               .remote = initiation.remote_index,
               .suite = *suite,
               .keys = split_for(profile, initiation.noise.transcript(), *suite, false),
               .initiator = false,
               .epoch = epoch->epoch,
               .initiation = std::move(initiation.payload)});
  outputs_.emplace_back(std::move(out));
  last_handshake_sent_at_ = now.at;
  advance(now);
  return {};
}

std::optional<std::size_t> Session::find_pending(SessionIndex local) const {
  const auto it = std::find_if(pending_.begin(), pending_.end(),
                               [&](const Pending& p) { return p.local == local; });
  if (it == pending_.end()) return std::nullopt;
  return static_cast<std::size_t>(it - pending_.begin());
}

Result<void> Session::handle_response(const Now& now, const wire::Response& message) {
  const LocalSide& local = *options_.local;
  const auto at = find_pending(message.receiver);
  if (!at) return fail(Errc::NotFound, "response: no such initiation");
  Pending& pending = pending_[*at];
  const Profile& profile = *options_.profile;
  if (now.at >= pending.sent_at + profile.timers.pending_lifetime) {
    return fail(Errc::NotFound, "response: too late");
  }
  const EpochKeys* epoch = find_epoch(local.epochs, pending.epoch);
  if (epoch == nullptr) return fail(Errc::Denied, "response: epoch is no longer live");
  const auto key = mac1_key(profile, *epoch, local.keys.public_key);
  if (!crypto::equal_constant_time(mac1_of(key, message.mac1_input).view(), message.mac1.view())) {
    return fail(Errc::Denied, "response: mac1");
  }
  const auto plaintext = pending.noise.read_message2(local.keys, psk_of(*epoch), message.ephemeral,
                                                     message.sealed_payload);
  if (!plaintext) return std::unexpected(plaintext.error());
  const auto payload = read_response_payload(profile, *plaintext);
  const bool offered = payload && (suite_bit(crypto::Suite{payload->suite}) & pending.suites) != 0;
  if (!offered) {
    options_.indices->release(pending.local);
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(*at));
    return fail(Errc::BadValue, "response: payload, or a suite that was not offered");
  }
  complete(now, *at, message, *payload);
  return {};
}

/// Makes the pair of an answered initiation. Older ones are abandoned, so that pairs of one
/// initiator are complete in the order in which they were begun; newer ones are not: the peer may
/// have restarted in between.
void Session::complete(const Now& now, std::size_t at, const wire::Response& message,
                       const wire::ResponsePayload& payload) {
  const auto suite = crypto::Suite{payload.suite};
  const Pending& pending = pending_[at];
  Pair& pair = add_pair(now, pending.local, pending.epoch);
  pair.initiator = true;
  pair.began = pending.began;
  const SessionIndex local = pair.local;
  outputs_.emplace_back(
      PairMade{.local = local,
               .remote = message.sender,
               .suite = suite,
               .keys = split_for(*options_.profile, pending.noise.transcript(), suite, true),
               .initiator = true,
               .epoch = pending.epoch,
               .response = payload});
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(at));
  abandon_pending(at);
  establish(pair);
  last_completion_ = OwnCompletion{.at = now.at, .number = events_};
  last_handshake_received_at_ = now.at;
  advance(now);
  // The first packet confirms the pair, without which a stock responder may not send.
  if (!options_.profile->needs_proof) {
    keepalive_sent_at_ = now.at;
    outputs_.emplace_back(SendKeepalive{local});
  }
}

Result<void> Session::handle_cookie_reply(const Now& now, const wire::CookieReply& message) {
  if (const auto at = find_pending(message.receiver)) {
    Pending& pending = pending_[*at];
    if (!pending.mac1) return fail(Errc::NotFound, "cookie: one came already");
    const auto accepted = accept_cookie(now.at, message, *pending.mac1);
    if (!accepted) return accepted;
    pending.mac1.reset();
    // Where a cookie was refused another one at once would make the two ends play ping-pong.
    if (options_.profile->initiates_on_cookie && !pending.had_cookie && attempt_.active) {
      attempt_.next_at = now.at;
    }
    advance(now);
    return {};
  }
  Pair* pair = find_pair(message.receiver);
  if (pair == nullptr || !pair->response_mac1) return fail(Errc::NotFound, "cookie: not asked for");
  const auto accepted = accept_cookie(now.at, message, *pair->response_mac1);
  if (accepted) pair->response_mac1.reset();
  return accepted;
}

Result<void> Session::accept_cookie(Instant now, const wire::CookieReply& message,
                                    const wire::Mac& mac1) {
  Cookie cookie{.at = now};
  const auto opened =
      crypto::xchacha_open(cookie_key(options_.profile->cookie_label, options_.remote),
                           message.nonce, mac1.view(), message.sealed, cookie.value.bytes);
  if (opened) cookie_ = cookie;
  return opened;
}

void Session::abandon_pending(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) options_.indices->release(pending_[i].local);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace ipop::session
