#include "engine/link.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "dataplane/event_queue.h"
#include "engine/age.h"
#include "engine/overload.h"

namespace ipop::engine {

namespace {

/// When a packet last came on it, as the workers note it; Instant::min(): never, or there is none.
Instant last_received_on(const dataplane::Keypair* pair) {
  if (pair == nullptr) return Instant::min();
  const auto ns = pair->words().last_received.load(std::memory_order_relaxed);
  return ns == INT64_MIN ? Instant::min() : Instant(Duration(ns));
}

/// Without it two PINGs that crossed would cross again and again.
Duration jitter(Rng& rng) {
  return Duration(
      static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(Link::kTurn.count()))));
}

}  // namespace

static_assert(nat::PathMtu::kBareProbe == wire::kMtuProbeSizeMin);
// The largest probe reaches control.
static_assert(wire::kMtuProbeSizeMax <= dataplane::EventQueue::kSlotBytes);
Link::Link(const session::Session::Options& options, const Context& ctx, std::uint16_t mtu_max)
    : session_(options),
      // Both ends compare the same two keys, so that one follows.
      paths_(*options.rng, options.remote < options.local->keys.public_key
                               ? nat::PathSet::Role::Follows
                               : nat::PathSet::Role::Leads),
      mtu_(*options.rng, mtu_max),
      ctx_(&ctx) {
  check(mtu_max <= wire::kMtuProbeSizeMax);
}

void Link::add_way(const Now& now, const Way& way) {
  paths_.add_hint(way);
  if (way.is_stream()) is_streams_turn_ = true;
  if (control_pair()) paths_.probe(now.at, way);
  pump(now);
}

void Link::probe(const Way& to) {
  wire::PathChallenge frame;
  ctx_->rng->fill(frame.token);
  challenge(to, frame);
}

void Link::challenge(const Way& to, const wire::PathChallenge& frame) {
  if (const auto pair = control_pair()) send_alone(pairs_.at(*pair), to, frame);
}

void Link::remove_way(const Now& now, const Way& way) {
  paths_.remove(now.at, way);
  pump(now);
}

std::optional<Endpoint> Link::endpoint() const {
  const auto active = paths_.active();
  return active && active->is_direct() ? std::optional(active->endpoint()) : std::nullopt;
}

void Link::connect(const Now& now) {
  session_.connect(now);
  pump(now);
}

void Link::stop_connecting(const Now& now) {
  session_.stop_connecting();
  pump(now);
}

void Link::handshake_now(const Now& now) {
  session_.handshake_now(now);
  pump(now);
}

void Link::reset(const Now& now) {
  session_.reset();
  paths_.reset();
  pump(now);
}

Result<void> Link::respond(const Now& now, session::ReceivedInitiation initiation,
                           const Way& from) {
  responding_to_ = from;
  auto result = session_.respond(now, std::move(initiation));
  pump(now);
  responding_to_.reset();
  return result;
}

Result<void> Link::handle_response(const Now& now, const wire::Response& message, const Way& from) {
  auto result = session_.handle_response(now, message);
  if (result) {
    heard_at_ = std::max(heard_at_, now.at);
    note_alive(now.at);
    paths_.handle_proven(now.at, from);
  }
  pump(now);
  return result;
}

Result<void> Link::handle_cookie_reply(const Now& now, const wire::CookieReply& message) {
  auto result = session_.handle_cookie_reply(now, message);
  pump(now);
  return result;
}

void Link::handle_received(const Now& now, SessionIndex local, const Way& from) {
  const auto it = pairs_.find(local);
  if (it == pairs_.end()) return;
  Pair& pair = it->second;
  heard_at_ = std::max(heard_at_, now.at);
  // A newer pair that is not proven yet is on its way, and not to be cut off.
  if (session_.sending_on() == local || !pair.proven) note_alive(now.at);
  pair.heard_from = from;
  if (!pair.usable) {
    pair.usable = true;
    outputs_.emplace_back(PairUsable{local, pair.epoch});
  }
  if (pair.answered_to == from) {
    // Our response went there and nowhere else, and whoever sent this has read it.
    pair.answered_to.reset();
    paths_.handle_proven(now.at, from);
  } else if (paths_.active() != from) {
    paths_.handle_received(now.at, from);
  }
  session_.handle_received(now, local);
  pump(now);
}

void Link::handle_ip_sent(const Now& now, SessionIndex local) {
  session_.handle_ip_sent(now, local);
  paths_.handle_traffic(now.at, now.at, last_received());
  mtu_.handle_sent(now.at, now.at);
  pump(now);
}

void Link::handle_limit(const Now& now, SessionIndex local) {
  session_.handle_rekey_limit(now, local);
  pump(now);
}

void Link::handle_path_challenge(const Now& now, SessionIndex local, const Way& from,
                                 const wire::PathChallenge& frame) {
  const auto it = pairs_.find(local);
  if (it == pairs_.end()) return;
  send_alone(it->second, from, wire::PathResponse{frame.token});
  pump(now);
}

void Link::handle_path_response(const Now& now, const wire::PathResponse& frame) {
  paths_.handle_response(now.at, frame.token);
  pump(now);
}

void Link::handle_mtu_probe(const Now& now, SessionIndex local, const Way& from,
                            const wire::MtuProbe& frame) {
  const auto it = pairs_.find(local);
  if (it == pairs_.end()) return;
  send_alone(it->second, from, wire::MtuResponse{frame.token});
  pump(now);
}

void Link::handle_mtu_response(const Now& now, const wire::MtuResponse& frame) {
  mtu_.handle_answer(now.at, frame.token);
  pump(now);
}

bool Link::set_mtu_bound(std::uint16_t inner) {
  const bool matters = mtu_.set_bound(inner);
  pump_mtu();
  return matters;
}

void Link::handle_ping_sent(const Now& now) {
  if (!online()) return;  // it went down since it was due, and nothing went out
  // An earlier one's answer is still waited for: whoever asks besides must not put that off.
  if (pings_unanswered_ > 0 && now.at < ping_at_) return;
  ping_at_ = now.at + std::chrono::seconds(1 << pings_unanswered_);
  ping_sent_at_ = now.at;
  ++pings_unanswered_;
}

void Link::handle_ping(const Now& now, SessionIndex local) {
  if (!online() || session_.sending_on() != local || pings_unanswered_ > 0) return;
  ping_at_ = now.at + kKeepalive - kTurn - jitter(*ctx_->rng);
}

void Link::handle_pong(const Now& now, Instant sent) {
  if (sent <= now.at && now.at - sent < std::chrono::seconds(60)) paths_.set_rtt(now.at - sent);
  note_alive(now.at);
  pump(now);
}

void Link::prove(const Now& now, SessionIndex local) {
  const auto it = pairs_.find(local);
  if (it == pairs_.end() || it->second.proven) return;
  it->second.proven = true;
  proven_at_ = now.at;
  session_.handle_proven(now, local);
  outputs_.emplace_back(Changed{});
  pump(now);
}

void Link::handle_timeout(const Now& now) {
  session_.handle_timeout(now);
  paths_.handle_traffic(now.at, last_ip_sent(), last_received());
  paths_.handle_timeout(now.at);
  mtu_.handle_sent(now.at, last_ip_sent());
  mtu_.handle_timeout(now.at);
  if (online() && ping_at_ <= now.at) {
    const Instant heard = last_received_on(sending());
    if (pings_unanswered_ > 0 && heard > ping_sent_at_) note_alive(heard);
    if (ping_at_ <= now.at) keep_alive(now);
  }
  pump(now);
}

void Link::keep_alive(const Now& now) {
  if (pings_unanswered_ >= kKeepaliveTries) {
    reset(now);
    return;
  }
  outputs_.emplace_back(PingDue{});
  if (pings_unanswered_ > 0) paths_.suspect_active(now.at);
}

Link::Output Link::poll_output() {
  if (!outputs_.empty()) {
    Output first = std::move(outputs_.front());
    outputs_.erase(outputs_.begin());
    return first;
  }
  const Instant ping_at = online() ? ping_at_ : Instant::max();  // as handle_timeout() looks at it
  return WaitUntil{std::min({session_deadline_, paths_deadline_, mtu_deadline_, ping_at})};
}

/// Whole, whatever its size, and there alone.
void Link::send_alone(const Pair& pair, const Way& to, const wire::Frame& frame) {
  ByteVector plain;
  wire::write_frame(frame, plain);
  if (auto sealed = pair.keypair->seal_control(plain)) {
    outputs_.emplace_back(Send{to, std::move(*sealed)});
  }
}

void Link::send_on(SessionIndex local, const wire::Frame& frame) {
  ByteVector plain;
  wire::write_frame(frame, plain);
  send_plain_on(local, std::move(plain));
}

void Link::send_plain_on(SessionIndex local, ByteVector plain) {
  const auto it = pairs_.find(local);
  if (it == pairs_.end() || !it->second.usable) return;
  const auto to =
      it->second.heard_from && !paths_.active() ? it->second.heard_from : paths_.active();
  if (!to) return;
  for (const ByteVector& part : wire::split_message(std::move(plain), next_message_++)) {
    if (auto sealed = it->second.keypair->seal_control(part)) {
      outputs_.emplace_back(Send{*to, std::move(*sealed)});
    }
  }
}

void Link::send_plain(ByteVector plain) {
  if (const auto local = session_.sending_on()) send_plain_on(*local, std::move(plain));
}

void Link::send(const wire::Frame& frame) {
  if (const auto local = session_.sending_on()) send_on(*local, frame);
}

void Link::send_unproven(const wire::Frame& frame) {
  if (const auto local = control_pair()) send_on(*local, frame);
}

dataplane::Keypair* Link::sending() const {
  const auto local = session_.sending_on();
  if (!local) return nullptr;
  const auto it = pairs_.find(*local);
  return it == pairs_.end() ? nullptr : it->second.keypair.get();
}

std::vector<std::unique_ptr<dataplane::Keypair>> Link::take_garbage() {
  return std::exchange(garbage_, {});
}

void Link::pump(const Now& now) {
  pump_session(now);
  pump_paths(now);
  pump_session(now);  // a lost path resets the session
  pump_mtu();
  if (online() != was_online_) {
    was_online_ = online();
    ask_whether_alive(now);
    outputs_.emplace_back(Changed{});
  }
}

void Link::pump_session(const Now& now) {
  for (bool more = true; more;) {
    auto output = session_.poll_output();
    std::visit(Overload{
                   [&](session::Session::SendInitiation& o) {
                     const std::vector<Way> ways = paths_.destinations();
                     // Of two copies the one that arrives first is answered, on its way alone.
                     // Where UDP gets there and nothing comes back, TLS needs one of its own.
                     const bool by_streams = !paths_.active() &&
                                             std::ranges::any_of(ways, &Way::is_stream) &&
                                             std::exchange(is_streams_turn_, !is_streams_turn_);
                     for (const Way& to : ways) {
                       if (by_streams && !to.is_stream()) continue;
                       outputs_.emplace_back(Send{to, o.datagram});
                     }
                   },
                   [&](session::Session::SendResponse& o) {
                     if (responding_to_) outputs_.emplace_back(Send{*responding_to_, o.datagram});
                   },
                   [&](session::Session::PairMade& o) { make_pair(now, std::move(o)); },
                   [&](session::Session::SendOn&) {
                     // What the peer does not know to be proven, it takes nothing else on; and a
                     // pair that it has no longer is not found out by what it sends on others.
                     if (was_online_) ask_whether_alive(now);
                     outputs_.emplace_back(Changed{});
                   },
                   [&](session::Session::PairDropped& o) {
                     if (const auto it = pairs_.find(o.local); it != pairs_.end()) {
                       garbage_.push_back(std::move(it->second.keypair));
                       pairs_.erase(it);
                       outputs_.emplace_back(PairGone{o.local});
                       outputs_.emplace_back(Changed{});
                     }
                   },
                   [](session::Session::GaveUp&) {},
                   [](session::Session::SendKeepalive&) {},
                   [&](session::Session::WaitUntil& o) {
                     session_deadline_ = o.at;
                     more = false;
                   },
               },
               output);
  }
}

void Link::pump_paths(const Now& now) {
  for (bool more = true; more;) {
    auto output = paths_.poll_output();
    std::visit(Overload{
                   [&](const nat::PathSet::SendChallenge& o) {
                     if (!control_pair()) return;
                     challenge(o.to, {o.token});
                     // Silence where data goes may also mean that only what is small arrives.
                     if (paths_.active() == o.to) mtu_.suspect(now.at, last_ip_sent());
                   },
                   [&](const nat::PathSet::ActiveChanged& o) {
                     // With no path left the keys are given up as well: a fresh handshake to every
                     // known address finds the peer, or does not.
                     if (!o.way) session_.reset();
                     mtu_.reset(now.at, last_ip_sent());
                     outputs_.emplace_back(Changed{});
                   },
                   [&](const nat::PathSet::Lost& o) { outputs_.emplace_back(WayLost{o.way}); },
                   [&](const nat::PathSet::WaitUntil& o) {
                     paths_deadline_ = o.at;
                     more = false;
                   },
               },
               output);
  }
}

void Link::pump_mtu() {
  for (bool more = true; more;) {
    auto output = mtu_.poll_output();
    std::visit(Overload{
                   [&](const nat::PathMtu::SendProbe& o) {
                     const auto local = session_.sending_on();
                     const auto to = paths_.active();
                     if (!local || !to) return;
                     send_alone(pairs_.at(*local), *to, wire::MtuProbe{o.token, o.size});
                   },
                   [&](const nat::PathMtu::Changed&) { outputs_.emplace_back(MtuChanged{}); },
                   [&](const nat::PathMtu::BoundDue&) { outputs_.emplace_back(MtuBoundDue{}); },
                   [&](const nat::PathMtu::WaitUntil& o) {
                     mtu_deadline_ = o.at;
                     more = false;
                   },
               },
               output);
  }
}

void Link::make_pair(const Now& now, session::Session::PairMade made) {
  Pair pair;
  pair.keypair = std::make_unique<dataplane::Keypair>(
      dataplane::Keypair::Options{.local = made.local,
                                  .remote = made.remote,
                                  .suite = made.suite,
                                  .workers = ctx_->workers,
                                  .backend = ctx_->backends.of(made.suite)},
      std::move(made.keys));
  pair.epoch = made.epoch;
  pair.made = now.at;
  pair.usable = made.initiator;
  if (!made.initiator) pair.answered_to = responding_to_;
  pairs_.insert_or_assign(made.local, std::move(pair));
  if (made.initiation && !made.initiation->candidates.empty()) {
    outputs_.emplace_back(Candidates{made.initiation->candidates});
  }
  outputs_.emplace_back(Changed{});
  if (made.initiator) outputs_.emplace_back(PairUsable{made.local, made.epoch});
}

/// The peer has the pair that we send on.
void Link::note_alive(Instant at) {
  if (pings_unanswered_ == 0) return;
  pings_unanswered_ = 0;
  ping_at_ = at + kKeepalive - jitter(*ctx_->rng);
}

/// The peer is asked at once, and anew.
void Link::ask_whether_alive(const Now& now) {
  pings_unanswered_ = 0;
  ping_at_ = online() ? now.at : Instant::max();
}

Instant Link::last_received() const {
  Instant last = heard_at_;
  for (const auto& [local, pair] : pairs_) {
    last = std::max(last, last_received_on(pair.keypair.get()));
  }
  return last;
}

Instant Link::last_ip_sent() const {
  Instant last = Instant::min();
  for (const auto& [local, pair] : pairs_) {
    const auto ns = pair.keypair->words().last_ip_sent.load(std::memory_order_relaxed);
    if (ns != INT64_MIN) last = std::max(last, Instant(Duration(ns)));
  }
  return last;
}

void Link::suspect(const Now& now) {
  paths_.suspect_active(now.at);
  pump(now);
}

Instant Link::last_ip() const {
  Instant last = last_ip_sent();
  for (const auto& [local, pair] : pairs_) {
    const auto ns = pair.keypair->words().last_ip_received.load(std::memory_order_relaxed);
    if (ns != INT64_MIN) last = std::max(last, Instant(Duration(ns)));
  }
  return last;
}

std::optional<Duration> Link::silence(Instant now) const { return age_of(last_received(), now); }

std::optional<Duration> Link::handshake_age(Instant now) const { return age_of(proven_at_, now); }

std::optional<SessionIndex> Link::control_pair() const {
  if (const auto sending = session_.sending_on()) return sending;
  for (auto it = pairs_.rbegin(); it != pairs_.rend(); ++it) {
    if (it->second.usable) return it->first;
  }
  return std::nullopt;
}

}  // namespace ipop::engine
