// The verbs that act on a network one is in.

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "engine/network.h"
#include "engine/text.h"
#include "member/invite.h"
#include "nat/public_address.h"

namespace ipop::engine {
namespace {

CommandError unknown_member(std::string_view name) {
  return {Failure::UnknownMember, "no member is called " + std::string(name),
          "`ipop status` lists the members"};
}

CommandError chain_too_long() {
  return {
      Failure::TooDeep,
      "an invite from here would be too long: too many invites lie between this computer and "
      "the founder",
      "`ipop invite` on the founder's computer, or on that of somebody whom the founder invited"};
}

/// Best first: public addresses before private ones, as a stranger would reach them.
void order_for_strangers(std::vector<Endpoint>& endpoints) {
  const auto is_public = [](const Endpoint& e) { return nat::is_public(e.address); };
  std::vector<Endpoint> ordered;
  std::ranges::copy_if(endpoints, std::back_inserter(ordered), is_public);
  std::ranges::copy_if(endpoints, std::back_inserter(ordered), std::not_fn(is_public));
  endpoints = std::move(ordered);
}

}  // namespace

/// Whatever is signed now rests on everything that is here.
void Network::catch_up(const Now& now) {
  settle_membership(now);
  pump(now);
}

/// The best of our addresses for somebody who can call one only.
std::optional<Endpoint> Network::endpoint_for_strangers() const {
  std::vector<Endpoint> own = local_.candidates;
  order_for_strangers(own);
  if (own.empty()) return std::nullopt;
  return own.front();
}

Outcome<InviteMade> Network::invite(const Now& now, const InviteOptions& options) {
  catch_up(now);
  if (!has_committed_secret()) {  // with the old one in it, nobody would hear who comes by it
    return std::unexpected(CommandError{
        Failure::TooMany, "a member was kicked and the network's new secret is not here yet",
        "it comes with the next contact to a member that has it; or `ipop invite` "
        "there"});
  }
  member::InviteOptions wanted;
  wanted.uses = options.uses;
  wanted.redeem_until = wall(now).plus(options.valid_for);
  wanted.name = options.name;
  wanted.address = options.address;
  wanted.epoch = secrets_.front().epoch;
  const member::Author author{&*identity_, grant_};
  auto made = member::make_invite(membership_, *set_, author, wanted, wall(now), *ctx_->rng);
  if (!made) return std::unexpected(error_of(made.error()));

  wire::Invite invite;
  invite.network = set_->network();
  copy_bytes(invite.seed, made->seed.reveal());
  invite.epoch = secrets_.front().epoch;
  copy_bytes(invite.secret, secrets_.front().secret.reveal());
  auto grant = wire::parse_statement(made->statement);
  check(grant.has_value());
  invite.grant = std::move(*grant);
  const wire::StatementId issuer = std::get<wire::Grant>(invite.grant.body).issuer;
  // Members know the founder's GRANT; a deeper issuer's chain may be news to the one who admits.
  if (self()->rank > 1) invite.chain = member::invite_chain(*set_, issuer);
  std::vector<Endpoint> own = local_.candidates;
  order_for_strangers(own);
  // One place is kept for another member, so that the inviter may be off.
  std::vector<wire::InviteHost> others;
  peers_.look_at_each([&](const Peer& peer) {
    const auto endpoint = peer.link->endpoint();
    if (endpoint && peer.link->online() && peer.proven) {
      others.push_back({peer.link->remote(), *endpoint});
    }
  });
  const std::size_t own_max = wire::kInviteHostsMax - (others.empty() ? 0 : 1);
  // Another for a joiner that UDP does not reach, beside one that it does.
  const std::vector<Endpoint> streams = own_streams();
  const std::size_t udp_max = own_max - (streams.empty() ? 0 : 1);
  for (const Endpoint& e : own) {
    if (invite.hosts.size() < udp_max) invite.hosts.push_back({local_.keys.public_key, e});
  }
  if (!streams.empty()) {
    invite.hosts.push_back({local_.keys.public_key, streams.front(), /*tls=*/true});
  }
  for (const wire::InviteHost& host : others) {
    if (invite.hosts.size() < wire::kInviteHostsMax) invite.hosts.push_back(host);
  }
  if (invite.hosts.empty()) {
    return std::unexpected(CommandError{
        Failure::NoAnswer, "this computer has no network address to put into the invite",
        "connect it to a network and try again"});
  }
  if (!wire::is_invite_readable(invite)) return std::unexpected(chain_too_long());
  publish_statements(now, {made->statement});
  pump(now);
  InviteMade out{member::invite_string(invite), name_, options.uses, wanted.redeem_until, {}};
  for (const wire::InviteHost& host : invite.hosts) out.hosts.push_back(host.endpoint);
  return out;
}

Outcome<Kicked> Network::kick(const Now& now, std::string_view member) {
  catch_up(now);
  if (const member::Device* device = find_device(member)) return remove_device(now, *device);
  const member::Member* target = find_member(member);
  if (target == nullptr) return std::unexpected(unknown_member(member));
  std::vector<InviteStatus> open_before = status(now).invites;
  const std::string name = target->name;
  auto bundle =
      member::kick(membership_, *set_, {&*identity_, grant_}, target->node, wall(now), *ctx_->rng);
  if (!bundle) return std::unexpected(error_of(bundle.error()));
  publish_statements(now, bundle->statements);
  refresh_membership(now);
  adopt_secret(now, bundle->next_epoch, std::move(bundle->next_secret), nullptr);
  pump(now);
  // Every open invite holds the old secret, which opens nothing any more (PROTOCOL 5).
  return Kicked{name, std::move(open_before)};
}

Outcome<std::string> Network::add_admin(const Now& now, std::string_view member) {
  catch_up(now);
  const member::Member* target = find_member(member);
  if (target == nullptr) return std::unexpected(unknown_member(member));
  auto grant =
      member::add_admin(membership_, *set_, {&*identity_, grant_}, target->node, wall(now));
  if (!grant) return std::unexpected(error_of(grant.error()));
  std::string name = target->name;
  publish_statements(now, {*grant});
  pump(now);
  return name;
}

Outcome<std::string> Network::remove_admin(const Now& now, std::string_view member) {
  catch_up(now);
  const member::Member* target = find_member(member);
  if (target == nullptr) return std::unexpected(unknown_member(member));
  auto revokes =
      member::remove_admin(membership_, *set_, {&*identity_, grant_}, target->node, wall(now));
  if (!revokes) return std::unexpected(error_of(revokes.error()));
  std::string name = target->name;
  publish_statements(now, *revokes);
  pump(now);
  return name;
}

LeaveImpact Network::leave_impact() const {
  LeaveImpact impact{.network = name_};
  const member::Member* me = self();
  if (me == nullptr) return impact;
  impact.members = membership_.members().size() - 1;
  impact.last_admin = me->admin() || impact.members == 0;
  for (const auto& [node, m] : membership_.members()) {
    if (m.identity != me->identity && m.admin()) impact.last_admin = false;
  }
  return impact;
}

std::size_t Network::leave(const Now& now) {
  catch_up(now);
  std::size_t told = 0;
  if (state_ == State::Member) {
    const auto revokes = member::leave(membership_, *set_, {&*identity_, grant_}, wall(now));
    if (revokes) {
      for (const ByteVector& s : *revokes) {
        peers_.change_if([](const Peer& peer) { return peer.proven; },
                         [&](Peer& peer) { peer.link->send(wire::StatementFrame{s}); });
      }
      peers_.look_at_each([&](const Peer& peer) { told += peer.proven && peer.link->online(); });
    }
  }
  retire(now);
  return told;
}

void Network::retire(const Now& now) {
  stop_links(now, wire::ByeReason::Leaving);
  devices_.stop(now);
  for (const Exam& exam : std::exchange(exams_, {})) {
    ctx_->outputs.emplace_back(CommandUpdate{
        exam.command, CommandError{Failure::NoNetwork, "this computer has just left " + name_, ""},
        true});
  }
  ctx_->outputs.emplace_back(InterfaceDown{slot_});
  ctx_->outputs.emplace_back(Forget{name_});
  finished_ = true;
  pump(now);
}

void Network::set_up(const Now& now, bool up) {
  if (state_ != State::Member) return;
  if (up && up_ && interface_.name.empty()) want_interface();  // what was in its way may be gone
  if (up == up_) return;
  up_ = up;
  store_identity();
  if (up) {
    pace_.demand_evaluation();
    want_interface();
    pump(now);
  } else {
    stop_links(now, wire::ByeReason::Shutdown);
    devices_.stop(now);
    interface_ = {};
    ctx_->outputs.emplace_back(InterfaceDown{slot_});
  }
  ctx_->snapshot_stale = true;
  pump(now);
}

/// Somebody to talk to.
Outcome<const member::Member*> Network::other_member(std::string_view text) const {
  const member::Member* target = find_member(text);
  if (target == nullptr) return std::unexpected(unknown_member(text));
  if (!up_) {
    return std::unexpected(
        CommandError{Failure::Down, name_ + " is down", "`ipop up " + name_ + "` first"});
  }
  if (target->identity == identity_->public_key()) {
    return std::unexpected(CommandError{Failure::UnknownMember,
                                        std::string(text) + " is this computer itself",
                                        "name another member; `ipop status` lists them"});
  }
  return target;
}

Outcome<member::Member> Network::ping(const Now& now, CommandId command, std::string_view member,
                                      const PingOptions& options) {
  const auto found = other_member(member);
  if (!found) return std::unexpected(found.error());
  const member::Member* target = *found;
  Ping ping{command, target->node};
  ping.remaining = std::max<std::uint16_t>(options.count, 1);
  ping.interval = options.interval;
  ping.timeout = options.timeout;
  ping.next_at = now.at;
  pings_.push_back(ping);
  member::Member pinged = *target;
  ping_timeouts(now);
  pump(now);
  return pinged;
}

void Network::cancel(const Now& now, CommandId command) {
  std::erase_if(pings_, [&](const Ping& p) { return p.command == command; });
  std::erase_if(exams_, [&](const Exam& e) { return e.command == command; });
  if (join_ && join_->has_command && join_->command == command) {
    fail_join(now, {Failure::NoAnswer, "given up", "try again with the same invite"});
    pump(now);
  }
}

const member::Member* Network::find_member(std::string_view text) const {
  if (const member::Member* m = membership_.by_name(text)) return m;
  if (const auto address = IpAddress::parse(text)) {
    if (!address->is_v6()) return membership_.by_v4(address->v4());
    for (const auto& [node, m] : membership_.members()) {
      if (m.v6 == address->v6()) return &m;
    }
    return nullptr;
  }
  const auto hex = from_hex(text);
  const auto node = hex ? wire::NodeId::from(*hex) : std::nullopt;
  return node ? membership_.find(*node) : nullptr;
}

std::optional<wire::NetworkId> Network::network_of_invite(std::string_view invite_text) {
  const auto read = member::read_invite(invite_text);
  if (!read) return std::nullopt;
  return read->invite.network;
}

void Network::drop_keys(const Now& now) {
  peers_.change_each([&](Peer& peer) { peer.link->reset(now); });
  devices_.reset(now);
  pump(now);
}

bool Network::is_joining_with(std::string_view invite_text) const {
  if (state_ != State::Joining || !join_) return false;
  const auto read = member::read_invite(invite_text);
  return read && wire::write_invite(read->invite) == join_->invite_layout;
}

}  // namespace ipop::engine
