#include "member/membership.h"

#include <algorithm>

#include "member/evaluation.h"
#include "member/issuer.h"

namespace ipop::member {
namespace {

using wire::GrantKind;

constexpr std::chrono::seconds kSecond{1};

}  // namespace

/// Turns the answer of an Evaluation into a Membership.
class MembershipBuilder {
 public:
  MembershipBuilder(const StatementSet& set, const Graph& graph, UnixTime at)
      : set_(&set), graph_(&graph), at_(at), evaluation_(graph, at) {}

  Membership build();

 private:
  using Index = Graph::Index;

  /// What an identity got from the statements that counted, in their order.
  struct Claims {
    std::optional<Index> first;
    std::optional<Ipv4> v4;
    std::string name;
  };

  void add_claims();
  void add_devices();
  bool claim(Claims& claims, const Evaluation::Counted& counted);
  void add_members();
  void add_member(const IdentityKey& identity, const Claims& claims, const Ipv6& prefix);
  void add_skeys();
  void add_lookups();
  void add_invites();
  void add_refusals();
  std::optional<wire::ByeReason> refusal_of(Index redemption) const;
  bool is_cut_off(Index node) const;
  void add_revoked();
  void add_secret();
  void add_config();
  void add_effects();
  void add_next_change();
  void may_change_at(UnixTime time);
  const Graph::Node& node(Index i) const { return graph_->nodes[i]; }

  const StatementSet* set_;
  const Graph* graph_;
  UnixTime at_;
  Evaluation evaluation_;
  std::map<IdentityKey, Claims> claims_;
  std::map<Ipv4, IdentityKey> held_v4_;
  std::map<std::string, IdentityKey, std::less<>> held_names_;
  Membership out_;
};

Membership Membership::evaluate(const StatementSet& set, UnixTime at) {
  const Graph graph(set);
  if (graph.genesis == nullptr) return {};
  return MembershipBuilder(set, graph, at).build();
}

Membership MembershipBuilder::build() {
  out_.network_ = set_->network();
  out_.root_ = node(graph_->current_root).subject;
  out_.root_issuer_ = node(graph_->current_root).id;
  out_.pool_ = graph_->genesis->pool;
  out_.policy_ = graph_->genesis->policy;
  add_claims();
  add_members();
  add_devices();
  add_skeys();
  add_lookups();
  add_secret();
  add_invites();
  add_refusals();
  add_revoked();
  add_config();
  add_effects();
  add_next_change();
  return std::move(out_);
}

/// Names and addresses, handed out in the order of the statements that counted.
void MembershipBuilder::add_claims() {
  for (const Evaluation::Counted& counted : evaluation_.counted()) {
    const Index grant = counted.event->node;
    if (node(grant).is(GrantKind::Device)) continue;
    bool effective = counted.first;
    if (evaluation_.is_valid(grant)) {
      Claims& claims = claims_[node(grant).subject];
      if (!claims.first) claims.first = grant;
      effective = claim(claims, counted) || effective;
    }
    if (counted.event->admit != nullptr && effective) {
      out_.effects_.push_back({.id = counted.event->id, .since = counted.event->time});
    }
  }
}

/// Returns whether the statement gave its subject a name or an address. What an invite fixes gives
/// way only to somebody who holds it already: then the member gets another one.
bool MembershipBuilder::claim(Claims& claims, const Evaluation::Counted& counted) {
  const Graph::Node& grant = node(counted.event->node);
  const wire::Admit* admit = counted.event->admit;
  const Ipv4 v4 = admit != nullptr ? admit->v4 : grant.grant->v4;
  const std::string& name = admit != nullptr ? admit->name : grant.grant->name;
  Ipv4 fixed_v4;
  std::string_view fixed_name;
  if (admit != nullptr) {
    fixed_v4 = node(grant.issuer).grant->v4;
    fixed_name = node(grant.issuer).grant->name;
  }
  bool gave = false;
  const bool v4_fits = fixed_v4.value == 0 || v4 == fixed_v4 || held_v4_.contains(fixed_v4) ||
                       !out_.is_assignable(fixed_v4);
  if (!claims.v4 && v4_fits && out_.is_assignable(v4) &&
      held_v4_.emplace(v4, grant.subject).second) {
    claims.v4 = v4;
    gave = true;
  }
  const bool name_fits =
      fixed_name.empty() || name == fixed_name || held_names_.contains(fixed_name);
  if (claims.name.empty() && name_fits && !name.empty() &&
      held_names_.emplace(name, grant.subject).second) {
    claims.name = name;
    gave = true;
  }
  return gave;
}

void MembershipBuilder::add_members() {
  const Ipv6 prefix = ipv6_prefix_of(set_->network());
  for (const auto& [identity, claims] : claims_) add_member(identity, claims, prefix);
}

void MembershipBuilder::add_member(const IdentityKey& identity, const Claims& claims,
                                   const Ipv6& prefix) {
  const bool all_may_invite = (out_.policy_ & wire::kPolicyMembersMayInvite) != 0;
  Member member;
  member.identity = identity;
  member.node = node_id_of(set_->network(), identity);
  member.tunnel_key = node(*claims.first).grant->tunnel_key;
  member.since = evaluation_.state(*claims.first).since;
  member.rights = all_may_invite ? wire::kRightInvite : wire::Rights{0};
  member.rank = UINT8_MAX;
  // GRANTs of one subject stand in the order of their ids, so the first of a rank is the lowest.
  for (const Index i : graph_->by_subject.at(identity)) {
    if (!node(i).is_member() || !evaluation_.is_valid(i)) continue;
    member.rights = static_cast<wire::Rights>(member.rights | node(i).rights);
    member.not_after = std::max(member.not_after, node(i).grant->not_after);
    if (node(i).rank >= member.rank) continue;
    member.rank = node(i).rank;
    member.grant = node(i).id;
  }
  member.v4 = claims.v4;
  member.name = claims.name;
  member.v6 = prefix;
  const auto host = ipv6_host_of(identity);
  copy_bytes(MutableBytes(member.v6.bytes).last(host.size()), host);
  out_.by_identity_.emplace(identity, member.node);
  out_.members_.emplace(member.node, std::move(member));
}

/// After all members, so that no device, whatever time its GRANT bears, takes anything from one.
void MembershipBuilder::add_devices() {
  for (const Evaluation::Counted& counted : evaluation_.counted()) {
    const Index index = counted.event->node;
    const Graph::Node& device = node(index);
    if (!device.is(GrantKind::Device) || !evaluation_.is_valid(index)) continue;
    const auto host = out_.by_identity_.find(node(device.issuer).subject);
    const wire::Grant& grant = *device.grant;
    if (host == out_.by_identity_.end() || !out_.is_assignable(grant.v4)) continue;
    if (held_v4_.contains(grant.v4) || held_names_.contains(grant.name)) continue;
    held_v4_.emplace(grant.v4, device.subject);
    held_names_.emplace(grant.name, device.subject);
    out_.devices_.emplace(device.id, Device{.grant = device.id,
                                            .host = host->second,
                                            .key = grant.tunnel_key,
                                            .v4 = grant.v4,
                                            .v6 = device_ipv6_of(set_->network(), device.id),
                                            .name = grant.name,
                                            .not_after = grant.not_after});
  }
}

/// Ascending by epoch, the lowest id where an epoch was used twice; one that follows sooner than an
/// hour after the last that counted is passed over.
void MembershipBuilder::add_skeys() {
  std::vector<Graph::SkeyEntry> skeys = graph_->skeys;
  std::ranges::sort(skeys, {},
                    [](const Graph::SkeyEntry& s) { return std::pair(s.skey->epoch, s.id); });
  for (const Graph::SkeyEntry& entry : skeys) {
    if (entry.skey->time > at_.plus(kTimeTolerance)) continue;
    const auto it = out_.by_identity_.find(entry.skey->identity);
    if (it == out_.by_identity_.end()) continue;
    Member& member = out_.members_.at(it->second);
    if (entry.skey->epoch == member.skey_epoch) continue;
    if (member.skey_epoch != 0 && entry.skey->time < member.skey_time.plus(kSkeySpacing)) continue;
    member.skey_epoch = entry.skey->epoch;
    member.skey_time = entry.skey->time;
    member.skey = entry.id;
    member.tunnel_key = entry.skey->tunnel_key;
  }
}

/// Nothing but its holder's good faith ties a tunnel key to an identity here, so of two members
/// with one key the older has it; the handshake and PROOF find out who really does.
void MembershipBuilder::add_lookups() {
  const auto older = [](const Member& a, const Member& b) {
    return std::tie(a.since, a.grant) < std::tie(b.since, b.grant);
  };
  for (const auto& [id, member] : out_.members_) {
    if (!member.name.empty()) out_.by_name_.emplace(member.name, id);
    if (member.v4) out_.by_v4_.emplace(*member.v4, id);
    const auto [it, fresh] = out_.by_tunnel_key_.emplace(member.tunnel_key, id);
    if (!fresh && older(member, out_.members_.at(it->second))) it->second = id;
  }
}

void MembershipBuilder::add_invites() {
  for (std::size_t i = graph_->roots; i < graph_->nodes.size(); ++i) {
    const auto index = static_cast<Index>(i);
    const Graph::Node& invite = node(index);
    if (!invite.is(GrantKind::Invite) || !evaluation_.state(invite.issuer).stands) continue;
    const std::uint32_t used = evaluation_.state(index).used;
    out_.invites_.emplace(
        invite.id,
        InviteState{.grant = invite.id,
                    .key = invite.subject,
                    .issuer = node(invite.issuer).subject,
                    .uses = invite.grant->uses,
                    .used = static_cast<std::uint16_t>(used),
                    .redeem_until = invite.grant->redeem_until,
                    .v4 = invite.grant->v4,
                    .name = invite.grant->name,
                    .open = evaluation_.invite_stands(index) && !evaluation_.is_revoked(index) &&
                            at_ <= invite.grant->not_after.plus(kTimeTolerance) &&
                            used < invite.grant->uses,
                    .outdated = invite.grant->epoch < out_.secret_.epoch});
  }
}

void MembershipBuilder::add_refusals() {
  for (std::size_t i = graph_->roots; i < graph_->nodes.size(); ++i) {
    const auto index = static_cast<Index>(i);
    if (!node(index).is(GrantKind::Redemption)) continue;
    if (const auto reason = refusal_of(index)) out_.refusals_.emplace(node(index).id, *reason);
  }
}

std::optional<wire::ByeReason> MembershipBuilder::refusal_of(Index redemption) const {
  using wire::ByeReason;
  if (evaluation_.is_valid(redemption)) return std::nullopt;
  if (evaluation_.is_revoked(redemption)) return ByeReason::Revoked;
  const Evaluation::State& state = evaluation_.state(redemption);
  if (state.stands) return ByeReason::NotMember;  // expired
  if (is_cut_off(redemption)) return ByeReason::InviteRevoked;
  if (state.refusal) return state.refusal;
  const Index invite = node(redemption).issuer;
  if (evaluation_.state(invite).used >= node(invite).grant->uses) return ByeReason::InviteUsed;
  const UnixTime until =
      std::min(node(invite).grant->redeem_until, node(redemption).grant->not_after);
  if (at_ > until.plus(kTimeTolerance)) return ByeReason::InviteExpired;
  return std::nullopt;
}

/// Whether somebody on the way to the root was revoked and this branch was not kept.
bool MembershipBuilder::is_cut_off(Index index) const {
  for (Index i = index; node(i).issuer != Graph::kNone; i = node(i).issuer) {
    if (!evaluation_.lets_pass(node(i).issuer, node(i).id)) return true;
  }
  return false;
}

/// Keys that somebody with the power to do so revoked. A key that a superior granted membership all
/// the same is a member's.
void MembershipBuilder::add_revoked() {
  for (std::size_t i = graph_->roots; i < graph_->nodes.size(); ++i) {
    const auto index = static_cast<Index>(i);
    if (!evaluation_.is_revoked_by_key(index) || node(index).is(GrantKind::Device)) continue;
    if (!out_.by_identity_.contains(node(index).subject)) {
      out_.revoked_.insert(node(index).subject);
    }
  }
  for (std::size_t i = graph_->roots; i < graph_->nodes.size(); ++i) {
    const Graph::Node& grant = graph_->nodes[i];
    if (grant.is_member() && out_.revoked_.contains(grant.subject)) {
      out_.revoked_tunnel_keys_.insert(grant.grant->tunnel_key);
    }
  }
  for (const Graph::SkeyEntry& entry : graph_->skeys) {
    if (out_.revoked_.contains(entry.skey->identity)) {
      out_.revoked_tunnel_keys_.insert(entry.skey->tunnel_key);
    }
  }
  for (const auto& [key, member] : out_.by_tunnel_key_) out_.revoked_tunnel_keys_.erase(key);
}

/// Only what expels somebody, or comes from somebody with the right to, moves the secret. Every
/// epoch costs its author a REVOKE, so an epoch above their number is no one's next: nobody can
/// jump to the last one and leave the network without a successor.
void MembershipBuilder::add_secret() {
  out_.secret_.commit = graph_->genesis->secret_commit;
  const auto plausible = static_cast<std::uint32_t>(std::ranges::count_if(
      graph_->revocations,
      [](const Graph::Revocation& r) { return r.revoke->next_epoch.value != 0; }));
  const wire::StatementId* best = nullptr;
  for (std::size_t i = 0; i < graph_->revocations.size(); ++i) {
    const Graph::Revocation& r = graph_->revocations[i];
    const Epoch epoch = r.revoke->next_epoch;
    if (!evaluation_.is_accepted(i) || r.of_oneself || r.hits.empty()) continue;
    const bool expels =
        (node(r.issuer).rights & wire::kRightKick) != 0 ||
        std::ranges::any_of(r.hits, [&](Index hit) { return node(hit).is_member(); });
    if (!expels) continue;
    if (epoch.value == 0 || epoch.value > plausible || epoch < out_.secret_.epoch) continue;
    if (best != nullptr && epoch == out_.secret_.epoch && *best < r.id) continue;
    best = &r.id;
    out_.secret_ = {epoch, r.revoke->next_commit};
  }
}

void MembershipBuilder::add_config() {
  const Graph::ConfigEntry* best = nullptr;
  for (const Graph::ConfigEntry& entry : graph_->configs) {
    if (!evaluation_.acts(entry.issuer, entry.id)) continue;
    // Ascending by id, so the lowest id of a version comes first.
    if (best == nullptr || best->config->version < entry.config->version) best = &entry;
  }
  if (best == nullptr) return;
  out_.config_ = best->id;
  out_.effects_.push_back({.id = best->id});
}

void MembershipBuilder::add_effects() {
  for (std::size_t i = graph_->roots; i < graph_->nodes.size(); ++i) {
    const auto index = static_cast<Index>(i);
    const Graph::Node& grant = node(index);
    if (grant.is(GrantKind::Invite)) {
      if (!evaluation_.invite_stands(index)) continue;
      out_.effects_.push_back({.id = grant.id, .since = grant.grant->not_before});
    } else if (evaluation_.state(index).stands) {
      out_.effects_.push_back({.id = grant.id,
                               .since = evaluation_.state(index).since,
                               .acting = evaluation_.is_valid(index)});
    }
  }
  for (std::size_t i = 0; i < graph_->revocations.size(); ++i) {
    const Graph::Revocation& r = graph_->revocations[i];
    if (!evaluation_.is_accepted(i) || r.hits.empty()) continue;
    out_.effects_.push_back({.id = r.id, .since = r.revoke->time});
  }
  std::ranges::sort(out_.effects_, {}, &Effect::id);
}

/// Every edge in time that any rule looks at; some change nothing, which costs one evaluation.
void MembershipBuilder::add_next_change() {
  const auto begins = [&](UnixTime time) { may_change_at(time.minus(kTimeTolerance)); };
  const auto ends = [&](UnixTime time) {
    if (time != UnixTime::never()) may_change_at(time.plus(kTimeTolerance).plus(kSecond));
  };
  for (const Graph::Event& event : graph_->events) begins(event.time);
  for (const Graph::SkeyEntry& entry : graph_->skeys) begins(entry.skey->time);
  for (std::size_t i = graph_->roots; i < graph_->nodes.size(); ++i) {
    ends(graph_->nodes[i].grant->not_after);
    if (graph_->nodes[i].is(GrantKind::Invite)) ends(graph_->nodes[i].grant->redeem_until);
  }
}

void MembershipBuilder::may_change_at(UnixTime time) {
  if (time > at_) out_.next_change_ = std::min(out_.next_change_, time);
}

}  // namespace ipop::member
