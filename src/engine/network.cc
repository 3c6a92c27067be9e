#include "engine/network.h"

#include <algorithm>
#include <utility>

#include "crypto/aead.h"
#include "engine/text.h"
#include "member/invite.h"

namespace ipop::engine {
namespace {

constexpr Duration kJoinTime = std::chrono::seconds(30);
constexpr Duration kStoreRetry = std::chrono::seconds(10);

/// Before the reservation of two hours comes within half an hour of its end.
constexpr Duration kClockRenewal = std::chrono::minutes(80);

std::uint8_t offered_suites() { return crypto::has_hardware_aes() ? 3 : 1; }

}  // namespace

Outcome<std::string> Network::found(const Now& now, const CreateOptions& options) {
  const auto pool = options.pool ? options.pool : member::draw_pool(options.taken, *ctx_->rng);
  if (!pool) {
    return std::unexpected(CommandError{Failure::SubnetClash, "no free 10.X.0.0/16 is left here",
                                        "choose one with --subnet CIDR"});
  }
  identity_ = crypto::SigningKey::random(*ctx_->rng);
  local_.keys = crypto::X25519KeyPair::random(*ctx_->rng);
  auto founded = member::found_network({options.network, options.member, *pool}, *identity_,
                                       local_.keys.public_key, now.wall, *ctx_->rng);
  if (!founded) return std::unexpected(error_of(founded.error()));

  name_ = options.network;
  state_ = State::Member;
  interface_wanted_ = options.interface;
  set_.emplace(founded->network);
  for (const ByteVector& s : founded->statements) {
    const auto added = set_->add(s);
    check(added.has_value());
  }
  grant_ = founded->grant;
  secrets_.push_back({Epoch{0}, std::move(founded->secret)});
  std::string recovery = secret_text(founded->recovery.seed().reveal());
  root_ = std::move(founded->root);
  store_secrets();
  store_statements(now);
  store_identity();  // last: what has an identity is whole
  start(now);
  return recovery;
}

Outcome<void> Network::begin_join(const Now& now, std::string_view invite_text,
                                  const JoinOptions& options, CommandId command) {
  auto read = member::read_invite(invite_text);
  if (!read) return std::unexpected(invite_error(read.error()));
  const auto& grant = std::get<wire::Grant>(read->invite.grant.body);
  if (grant.redeem_until.plus(std::chrono::minutes(10)) < now.wall) {
    return std::unexpected(CommandError{Failure::ExpiredInvite, "this invite has expired",
                                        "ask for a new one: `ipop invite` on a member's computer"});
  }
  Join join;
  join.command = command;
  join.has_command = true;
  join.deadline = now.at + kJoinTime;
  if (join_ && join_->has_command) {  // of another client, which would wait for ever
    ctx_->outputs.emplace_back(
        CommandUpdate{join_->command,
                      CommandError{Failure::TooMany, "another `ipop join` with this invite goes on",
                                   "wait for that one"},
                      true});
  }
  if (!identity_) {  // else: the same invite again, with the keys that were made for it
    identity_ = crypto::SigningKey::random(*ctx_->rng);
    local_.keys = crypto::X25519KeyPair::random(*ctx_->rng);
    auto redeemed = member::redeem(read->invite.grant, read->key, identity_->public_key(),
                                   local_.keys.public_key, options.member, now.wall);
    if (!redeemed) return std::unexpected(error_of(redeemed.error()));
    join.redemption = std::move(redeemed->statement);
    grant_ = redeemed->grant;
    secrets_.clear();
    secrets_.push_back(
        {read->invite.epoch, std::move(*crypto::Secret<32>::from(read->invite.secret))});
    interface_wanted_ = options.interface;
    join.invite_layout = wire::write_invite(read->invite);
  } else {
    join.redemption = join_->redemption;
    join.invite_layout = join_->invite_layout;
  }
  join.proof = read->invite.chain;
  ByteVector invite_grant;
  wire::write_statement(read->invite.grant, invite_grant);
  join.proof.push_back(std::move(invite_grant));
  join.proof.push_back(join.redemption);
  join_ = std::move(join);
  set_.emplace(read->invite.network);
  state_ = State::Joining;
  // The network's own name comes with its GENESIS; until then the files need one.
  if (name_.empty()) name_ = kJoiningPrefix + to_hex(grant_.view()).substr(0, 8);
  store_secrets();
  store_identity();
  start(now);
  for (const wire::InviteHost& host : read->invite.hosts) {
    invite_hosts_[host.tunnel_key].push_back(host.endpoint);
    Peer& peer = peer_for(now, host.tunnel_key);
    if (host.tls) {
      peer.streams.push_back(host.endpoint);
    } else {
      peer.link->add_hint(host.endpoint);
    }
    seek_stream(now, peer);
    ctx_->outputs.emplace_back(CommandUpdate{command, JoinCalling{host.endpoint}, false});
  }
  for (const auto& [key, endpoints] : invite_hosts_) peer_for(now, key).link->connect(now);
  if (invite_hosts_.empty()) {
    join_->deadline = now.at;  // nobody to call: say so at once
  }
  pump(now);
  return {};
}

std::expected<void, std::string> Network::restore(const Now& now, const std::string& name,
                                                  const StoredFiles& files) {
  auto identity = parse_stored_identity(files.identity);
  if (!identity) return std::unexpected("identity: " + std::string(identity.error().what));
  // A copy of it would be the same member twice, each knocking out the other.
  if (identity->name != name) {
    return std::unexpected("identity: it is that of networks/" + identity->name +
                           ": a folder that was copied or renamed");
  }
  auto secrets = parse_stored_secrets(files.secrets);
  if (!secrets) return std::unexpected("secrets: " + std::string(secrets.error().what));
  name_ = name;
  identity_ = crypto::SigningKey::from_seed(std::move(identity->identity_seed));
  if (identity->root_seed) root_ = crypto::SigningKey::from_seed(std::move(*identity->root_seed));
  local_.keys = crypto::X25519KeyPair::from_secret(std::move(identity->tunnel_secret));
  local_.skey_epoch = identity->skey_epoch;
  grant_ = identity->grant;
  up_ = identity->up;
  interface_wanted_ = identity->interface;
  secrets_ = std::move(*secrets);
  set_.emplace(identity->network);
  if (identity->joining) {
    state_ = State::Joining;
    Join join;
    join.invite_layout = std::move(identity->joining->invite_layout);
    join.redemption = std::move(identity->joining->redemption);
    join_ = std::move(join);
  } else {
    state_ = State::Member;
    const auto statements = parse_stored_statements(files.statements);
    if (!statements) return std::unexpected("statements: " + std::string(statements.error().what));
    for (const Bytes s : *statements) {
      if (!set_->add(s)) return std::unexpected("statements: one of them is not genuine");
    }
    if (set_->genesis() == nullptr) return std::unexpected("statements: GENESIS is missing");
  }
  if (!files.clock.empty()) {
    if (const auto clock = parse_stored_clock(files.clock)) {
      local_.timestamps = session::TimestampSource(clock->reserved);
      lived_until_ = clock->lived_until;
    }
  }
  if (!files.devices.empty()) {
    auto stored = parse_stored_devices(files.devices);
    if (!stored) return std::unexpected("devices: " + std::string(stored.error().what));
    devices_.restore(std::move(*stored), local_.timestamps.floor());
  }
  if (state_ != State::Member) return {};
  if (auto peers = parse_stored_peers(files.peers)) remembered_ = std::move(*peers);
  start(now);
  return {};
}

void Network::start(const Now& now) {
  local_.prologue = session::native_prologue(set_->network());
  local_.suites = offered_suites();
  local_.grant = grant_;
  refresh_local_side();
  set_epochs();
  reserve_clock(now);
  pace_.demand_evaluation();
  refresh_membership(now);
  if (up_ && state_ == State::Member) want_interface();
  ctx_->snapshot_stale = true;
  pump(now);
}

void Network::handle_local_addresses(const Now& now) {
  handle_outer_addresses(now);
  if (!up_) return;
  if (ring_) ring_->handle_network_change(now.at);
  // Whoever is connected hears from the new address at once, which moves its path to us.
  peers_.change_if([](const Peer& peer) { return peer.link->online(); },
                   [&](Peer& peer) { send_ping(now, peer); });
  pump(now);
}

void Network::handle_timeout(const Now& now) {
  if (clock_at_ <= now.at || local_.timestamps.wants_reservation(now)) reserve_clock(now);
  if (membership_at_ <= now.at) pace_.demand_evaluation();
  if (mend_turns_.deadline() <= now.at) {
    settle_membership(now);
    if (state_ == State::Member) {
      mend_conflicts(now);
    } else {
      mend_turns_ = {};
    }
  }
  devices_.handle_timeout(now);
  if (ring_) ring_->handle_timeout(now.at);
  relay_timeouts(now);
  for (const PeerHandle handle : peers_.take_due(now.at)) {
    if (Peer* peer = peers_.find(handle)) peer_timeout(now, *peer);
  }
  ping_timeouts(now);
  exam_timeouts(now);
  if (join_ && join_->deadline <= now.at) {
    fail_join(
        now, join_->refusal
                 ? refusal_error(*join_->refusal)
                 : CommandError{Failure::NoAnswer,
                                "no member of the invite's network answered at the addresses in it",
                                "check that one of those computers is on, reachable (its UDP port "
                                "open) and still in that network, then try again with the same "
                                "invite, or ask for a new one: `ipop invite` on a member's "
                                "computer"});
  }
  if (store_retry_at_ <= now.at) store_again(now);
  if (devices_store_at_ <= now.at && state_ == State::Member) store_devices();
  if (peers_store_at_ <= now.at) {
    peers_store_at_ = Instant::max();
    store_peers();
  }
  if (tell_at_ <= now.at) tell_own_candidates(now);
  pump(now);
}

/// What failed.
void Network::store_again(const Now& now) {
  store_retry_at_ = Instant::max();
  if (store_retry_[1]) store_identity();
  if (store_retry_[2]) store_secrets();
  if (store_retry_[3]) store_statements(now);
  if (store_retry_[6]) store_devices();
}

/// Some time of this peer's has come.
void Network::peer_timeout(const Now& now, Peer& peer) {
  if (peer.link_at <= now.at) peer.link->handle_timeout(now);
  if (stranger_until(peer) <= now.at) peer.doomed = true;
  recheck_digest(now, peer);
  send_owed_statements(now, peer);
  punch_timeouts(now, peer);
  spread_timeouts(now, peer);
  trial_timeouts(now, peer);
  while (!peer.queue.empty() && peer.queue.front().at + Peer::kQueuedFor <= now.at) {
    peer.queue.pop_front();
  }
  proof_timeouts(now, peer);
  let_go(now, peer);
  seek_relay_again(now, peer);
  stream_timeout(now, peer);
}

/// When the next time of a peer's comes: all that peer_timeout() looks at.
Instant Network::deadline_of(const Peer& peer) const {
  Instant at = std::min({peer.link_at, peer.recheck_at, peer.relay_at, peer.stream_at,
                         peer.outbox.deadline(), peer.ports_at, peer.search_at, peer.spread_at,
                         peer.spare_at, peer.trial_at, stranger_until(peer), peer.wanted_until,
                         idle_deadline(peer)});
  for (const auto& [session, proof] : peer.proofs) at = std::min(at, proof.resend_at);
  if (!peer.queue.empty()) at = std::min(at, peer.queue.front().at + Peer::kQueuedFor);
  return at;
}

Instant Network::deadline() const {
  Instant at = std::min({ring_deadline_, mend_turns_.deadline(), relays_deadline_, store_retry_at_,
                         peers_store_at_, membership_at_, clock_at_, devices_store_at_,
                         pace_.deadline(), tell_at_, devices_.deadline(), peers_.deadline()});
  for (const Ping& ping : pings_) at = std::min(at, ping.next_at);
  for (const Exam& exam : exams_) at = std::min(at, exam.next_at);
  if (join_) at = std::min(at, join_->deadline);
  return at;
}

void Network::handle_stored(const Now& now, Ticket ticket, bool ok, const std::string& problem) {
  const auto it = storing_.find(ticket);
  if (it == storing_.end()) return;
  const auto kind = static_cast<std::size_t>(it->second);
  storing_.erase(it);
  settle_admissions(now, ticket, ok);
  store_retry_[kind] = !ok;
  const bool any = std::any_of(std::begin(store_retry_), std::end(store_retry_),
                               [](bool retry) { return retry; });
  if (!any) {
    store_problem_.clear();
    store_retry_at_ = Instant::max();
    if (storing_.empty() && !joining_folder_.empty()) {
      ctx_->outputs.emplace_back(Forget{std::exchange(joining_folder_, {})});
    }
  } else if (!ok) {
    store_retry_at_ = now.at + kStoreRetry;
    store_problem_ = "cannot save the network's state: " + problem;
  }
}

void Network::store_identity() {
  StoredIdentity stored;
  stored.network = set_->network();
  stored.identity_seed = identity_->seed().clone();
  stored.tunnel_secret = local_.keys.secret.clone();
  stored.skey_epoch = local_.skey_epoch;
  stored.grant = grant_;
  if (root_) stored.root_seed = root_->seed().clone();
  stored.up = up_;
  stored.name = name_;
  stored.interface = interface_wanted_;
  if (join_) stored.joining = {join_->invite_layout, join_->redemption};
  store(FileKind::Identity, write_stored_identity(stored));
}

void Network::store_secrets() { store(FileKind::Secrets, write_stored_secrets(secrets_)); }

Ticket Network::store_statements(const Now& now) {
  pace_.handle_stored(now.at);
  std::vector<Bytes> all;
  for (const auto& [id, stored] : set_->all()) all.push_back(stored.bytes);
  for (const Admission& a : admissions_) all.emplace_back(a.admit);
  return store(FileKind::Statements, write_stored_statements(all));
}

void Network::store_peers() {
  store(FileKind::Peers, write_stored_peers({addresses_.all(), stream_addresses_.all()}));
}

void Network::store_devices() {
  devices_store_at_ = Instant::max();
  static_cast<void>(devices_.take_moved());
  if (auto bytes = devices_.stored()) store(FileKind::Devices, std::move(*bytes));
}

Ticket Network::store(FileKind kind, ByteVector bytes) {
  const Ticket ticket = ctx_->next_ticket++;
  storing_[ticket] = kind;
  ctx_->outputs.emplace_back(Store{ticket, name_, kind, std::move(bytes)});
  return ticket;
}

void Network::reserve_clock(const Now& now) {
  local_.timestamps.reserve(now);
  clock_at_ = now.at + kClockRenewal;
  store(FileKind::Clock, write_stored_clock({local_.timestamps.reserved(), wall(now)}));
}

/// The wall clock, as far as it can be believed: never before what this membership has lived
/// through. A machine whose clock was set back (no battery, 1970) must not take everybody for not
/// yet valid.
UnixTime Network::wall(const Now& now) {
  lived_until_ = std::max(lived_until_, now.wall);
  return lived_until_;
}

void Network::want_interface() {
  const member::Member* me = self();
  if (me == nullptr) return;
  ctx_->outputs.emplace_back(
      InterfaceUp{slot_, name_, interface_wanted_, me->v4, pool(), me->v6, kInterfaceMtu});
}

void Network::log(LogLevel level, const std::string& line) const {
  ctx_->log->write(level, "network", name_ + ": " + line);
}

void Network::finish_join(const Now& now, const std::string& name) {
  joining_folder_ = std::exchange(name_, name);
  state_ = State::Member;
  const Join join = std::move(*join_);
  join_.reset();
  store_statements(now);
  store_secrets();
  reserve_clock(now);
  store_identity();  // last: with it the directory is a member's
  want_interface();
  peers_store_at_ = now.at;
  pace_.demand_evaluation();
  log(LogLevel::Info, "joined as " + self()->name);
  if (join.has_command) {
    ctx_->outputs.emplace_back(
        CommandUpdate{join.command, Joined{slot_, join.found, join.path}, true});
  }
  pump(now);
}

void Network::fail_join(const Now& now, CommandError error) {
  const bool refused = error.failure != Failure::NoAnswer;
  if (join_->has_command) {
    ctx_->outputs.emplace_back(CommandUpdate{join_->command, std::move(error), true});
  }
  join_->has_command = false;
  join_->deadline = Instant::max();
  stop_links(now, wire::ByeReason::Shutdown);
  // Without an answer the invite may have been redeemed all the same: the keys stay, also on disk,
  // so that the next try with the same invite is the same joiner.
  if (!refused) return;
  ctx_->outputs.emplace_back(Forget{name_});
  finished_ = true;
}

void Network::give_up_join(const Now& now, CommandError why) {
  fail_join(now, std::move(why));
  pump(now);
}

bool Network::is_same_member(const Network& other) const {
  return id() == other.id() && identity_ && other.identity_ &&
         identity_->public_key() == other.identity_->public_key();
}

const std::string& Network::own_name() const {
  return std::get<wire::Genesis>(set_->genesis()->statement.body).name;
}

std::optional<Prefix4> Network::pool() const {
  if (!set_ || set_->genesis() == nullptr) return std::nullopt;
  return std::get<wire::Genesis>(set_->genesis()->statement.body).pool;
}

const member::Member* Network::self() const {
  return identity_ ? membership_.by_identity(identity_->public_key()) : nullptr;
}

void Network::refresh_local_side() { local_.candidates = own_candidates(); }

void Network::set_epochs() {
  local_.epochs.clear();
  for (const StoredSecret& s : secrets_) {
    local_.epochs.push_back(session::EpochKeys::derive(s.epoch, s.secret));
    if (local_.epochs.size() == session::kLiveEpochsMax) break;
  }
}

void Network::shutdown(const Now& now) {
  if (pace_.is_store_owed()) store_statements(now);
  if (state_ == State::Member) {
    store_peers();
    if (devices_.take_moved() || devices_store_at_ != Instant::max()) store_devices();
  }
  devices_.stop(now);
  stop_links(now, wire::ByeReason::Shutdown);
  pump(now);
}

/// Says goodbye and lets go of everybody; pump() removes them.
void Network::stop_links(const Now& now, wire::ByeReason reason) {
  stop_ring(now);
  peers_.change_each([&](Peer& peer) {
    peer.link->send(wire::Bye{reason});
    peer.doomed = true;
  });
  relays_.set_members(now.at, {}, {});
}

}  // namespace ipop::engine
