#include <algorithm>

#include "member/acting.h"
#include "member/graph.h"
#include "member/issuer.h"

namespace ipop::member {
namespace {

using wire::GrantKind;
using Ids = std::vector<wire::StatementId>;

bool holds(const Ids& ids, const wire::StatementId& id) {
  return std::ranges::find(ids, id) != ids.end();
}

bool stands(const Membership& membership, const wire::StatementId& id) {
  return membership.effect_of(id) != nullptr;
}

/// The GRANTs to a key, invites included.
Ids grants_to(const StatementSet& set, const IdentityKey& key) {
  Ids out;
  for (const auto& [id, stored] : set.all()) {
    const auto* grant = std::get_if<wire::Grant>(&stored.statement.body);
    if (grant != nullptr && grant->subject == key) out.push_back(id);
  }
  return out;
}

/// The same question that the evaluation asks about a REVOKE by this GRANT.
bool may_revoke(const StatementSet& set, const Acting& by, const wire::StatementId& target) {
  const wire::Grant& grant = *grant_of(set, target);
  if (grant.subject == by.grant->subject || descends_from(set, target, by.id)) return true;
  const unsigned rank = grant.rank + (grant.kind == GrantKind::Invite ? 1U : 0U);
  return (by.grant->rights & wire::kRightKick) != 0 && by.grant->rank < rank;
}

/// The author's GRANT whose REVOKE takes down every one of these.
Authored<Acting> able_to_revoke(const Membership& membership, const StatementSet& set,
                                const Author& author, const Ids& targets) {
  const std::vector<Acting> all = acting_grants(membership, set, author);
  if (all.empty()) return refuse(Refusal::NotAMember);
  for (const Acting& by : all) {
    const bool able = std::ranges::all_of(
        targets, [&](const wire::StatementId& id) { return may_revoke(set, by, id); });
    if (able) return by;
  }
  return refuse(Refusal::MayNotKick);
}

/// Those of these GRANTs that their subject may act by now.
Ids acting_of(const Membership& membership, const Ids& grants) {
  Ids out;
  std::ranges::copy_if(grants, std::back_inserter(out), [&](const wire::StatementId& id) {
    const Effect* effect = membership.effect_of(id);
    return effect != nullptr && effect->acting;
  });
  return out;
}

bool is_open(const Membership& membership, const wire::StatementId& invite) {
  const auto it = membership.invites().find(invite);
  return it != membership.invites().end() && it->second.open;
}

/// Redemptions of these invite GRANTs that count now.
Ids redemptions_of(const Membership& membership, const StatementSet& set, const Ids& invites) {
  Ids out;
  for (const auto& [id, stored] : set.all()) {
    const auto* grant = std::get_if<wire::Grant>(&stored.statement.body);
    if (grant == nullptr || grant->kind != GrantKind::Redemption) continue;
    if (holds(invites, grant->issuer) && stands(membership, id)) out.push_back(id);
  }
  return out;
}

/// What somebody issued by some GRANTs and has an effect now. Where there is more than a REVOKE can
/// name, the oldest of what matters most to others survives: first the removals, or the removed
/// would be back; then admissions of people whom somebody else invited; then the own branch.
class KeepList {
 public:
  /// Devices survive only where their host stays a member: without it they are none.
  enum class Devices : std::uint8_t { Fall, Stay };
  KeepList(const Membership& membership, const StatementSet& set, Ids issuers, Devices devices)
      : membership_(&membership), set_(&set), issuers_(std::move(issuers)), devices_(devices) {
    for (const auto& [id, stored] : set.all()) {
      const Effect* effect = membership.effect_of(id);
      if (effect == nullptr) continue;
      if (const auto importance = importance_of(id, stored.statement)) {
        entries_.push_back({*importance, effect->since, id});
      }
    }
  }

  void add(const wire::StatementId& id) { entries_.push_back({0, {}, id}); }

  Ids ids() && {
    std::ranges::sort(entries_);
    if (entries_.size() > wire::kKeepMax) entries_.resize(wire::kKeepMax);
    Ids out;
    for (const Entry& entry : entries_) out.push_back(entry.id);
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

 private:
  struct Entry {
    int importance = 0;
    UnixTime since;
    wire::StatementId id;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };

  std::optional<int> importance_of(const wire::StatementId& id,
                                   const wire::Statement& statement) const {
    if (const auto* revoke = std::get_if<wire::Revoke>(&statement.body)) {
      return holds(issuers_, revoke->issuer) ? std::optional(1) : std::nullopt;
    }
    if (const auto* config = std::get_if<wire::Config>(&statement.body)) {
      return holds(issuers_, config->issuer) ? std::optional(1) : std::nullopt;
    }
    if (const auto* admit = std::get_if<wire::Admit>(&statement.body)) {
      if (!holds(issuers_, admit->admitter)) return std::nullopt;
      const bool own = std::ranges::any_of(issuers_, [&](const wire::StatementId& issuer) {
        return descends_from(*set_, admit->redemption, issuer);
      });
      return own ? 4 : 2;
    }
    const auto* grant = std::get_if<wire::Grant>(&statement.body);
    if (grant == nullptr || !holds(issuers_, grant->issuer)) return std::nullopt;
    if (grant->kind == GrantKind::Device) {
      return devices_ == Devices::Stay ? std::optional(3) : std::nullopt;
    }
    if (grant->kind == GrantKind::Member) return 3;
    // An invite that nobody used is closed by not surviving.
    const auto invite = membership_->invites().find(id);
    const bool used = invite != membership_->invites().end() && invite->second.used > 0;
    return used ? std::optional(3) : std::nullopt;
  }

  const Membership* membership_;
  const StatementSet* set_;
  Ids issuers_;
  Devices devices_;
  std::vector<Entry> entries_;
};

wire::Revoke revoke_of_key(const IdentityKey& key, const wire::StatementId& issuer, Ids keep,
                           UnixTime time) {
  std::ranges::sort(keep);
  if (keep.size() > wire::kKeepMax) keep.resize(wire::kKeepMax);
  return {.kind = wire::Revoke::Target::Key,
          .target = key,
          .issuer = issuer,
          .time = time,
          .keep = std::move(keep)};
}

/// The keys of the invites that the target came by, issued, or that somebody below it issued: those
/// whose seeds it may hold. Its own that nobody used fall with it.
std::set<IdentityKey> invite_keys_around(const Membership& membership, const StatementSet& set,
                                         const Ids& principals) {
  std::set<IdentityKey> out;
  for (const wire::StatementId& id : principals) {
    const wire::Grant& grant = *grant_of(set, id);
    if (grant.kind == GrantKind::Redemption) out.insert(grant_of(set, grant.issuer)->subject);
  }
  for (const auto& [id, invite] : membership.invites()) {
    const bool below = std::ranges::any_of(principals, [&](const wire::StatementId& principal) {
      return descends_from(set, id, principal);
    });
    const bool falls = invite.used == 0 && holds(principals, grant_of(set, id)->issuer);
    if (below && !falls && stands(membership, id)) out.insert(invite.key);
  }
  return out;
}

}  // namespace

Authored<KickBundle> kick(const Membership& membership, const StatementSet& set,
                          const Author& author, const wire::NodeId& target, UnixTime now,
                          Rng& rng) {
  const Member* member = membership.find(target);
  if (member == nullptr) return refuse(Refusal::UnknownMember);
  if (member->identity == author.key->public_key()) { return refuse(Refusal::KickOneself); }
  const Ids principals = set.grants_of(member->identity);
  const auto by = able_to_revoke(membership, set, author, acting_of(membership, principals));
  if (!by) {
    return by.error().code == Errc::Denied && member->admin() ? refuse(Refusal::EqualRank)
                                                              : std::unexpected(by.error());
  }
  const Epoch current = membership.secret().epoch;
  if (current.value == UINT32_MAX) return refuse(Refusal::NoEpochLeft);
  KickBundle out{.next_secret = crypto::Secret<32>::random(rng), .next_epoch = {current.value + 1}};
  const auto sign = [&](const IdentityKey& key, Ids keep) {
    wire::Revoke revoke = revoke_of_key(key, by->id, std::move(keep), by->time(now));
    revoke.next_epoch = out.next_epoch;
    revoke.next_commit = secret_commit_of(out.next_secret);
    out.statements.push_back(
        sign_statement(statement_of(set, std::move(revoke)), *author.key).bytes);
  };
  sign(member->identity, KeepList(membership, set, principals, KeepList::Devices::Fall).ids());
  for (const IdentityKey& invite : invite_keys_around(membership, set, principals)) {
    const Ids grants = grants_to(set, invite);
    const bool may = std::ranges::any_of(
        grants, [&](const wire::StatementId& id) { return may_revoke(set, *by, id); });
    if (may) sign(invite, redemptions_of(membership, set, grants));
    for (const wire::StatementId& id : grants) {
      if (may && is_open(membership, id)) out.closed_invites.push_back(id);
    }
  }
  // Those that nobody used, which do not survive their issuer.
  for (const auto& [id, invite] : membership.invites()) {
    const bool fell = invite.open && holds(principals, grant_of(set, id)->issuer);
    if (fell && !holds(out.closed_invites, id)) out.closed_invites.push_back(id);
  }
  std::ranges::sort(out.closed_invites);
  return out;
}

Authored<ByteVector> remove_device(const Membership& membership, const StatementSet& set,
                                   const Author& author, const wire::StatementId& device,
                                   UnixTime now) {
  if (!membership.devices().contains(device)) return refuse(Refusal::UnknownDevice);
  const auto by = able_to_revoke(membership, set, author, {device});
  if (!by) return std::unexpected(by.error());
  wire::Revoke revoke{.kind = wire::Revoke::Target::Grant, .issuer = by->id, .time = by->time(now)};
  copy_bytes(revoke.target.bytes, device.view());
  return sign_statement(statement_of(set, std::move(revoke)), *author.key).bytes;
}

Authored<std::vector<ByteVector>> leave(const Membership& membership, const StatementSet& set,
                                        const Author& author, UnixTime now) {
  const auto by = acting(membership, set, author);
  if (!by) return std::unexpected(by.error());
  const IdentityKey& key = author.key->public_key();
  const Ids principals = set.grants_of(key);
  const UnixTime time = by->time(now);
  std::vector<ByteVector> out;
  KeepList keep(membership, set, principals, KeepList::Devices::Fall);
  for (const auto& [id, invite] : membership.invites()) {
    if (!invite.open || invite.used == 0 || invite.issuer != key) continue;
    const StoredStatement closing = sign_statement(
        statement_of(set, revoke_of_key(invite.key, grant_of(set, id)->issuer,
                                        redemptions_of(membership, set, {id}), time)),
        *author.key);
    keep.add(closing.id);
    out.push_back(closing.bytes);
  }
  // By the GRANT nearest to the root: its departure is judged before anything else it signed.
  const wire::StatementId& issuer = membership.by_identity(key)->grant;
  out.push_back(
      sign_statement(statement_of(set, revoke_of_key(key, issuer, std::move(keep).ids(), time)),
                     *author.key)
          .bytes);
  return out;
}

Authored<ByteVector> add_admin(const Membership& membership, const StatementSet& set,
                               const Author& author, const wire::NodeId& target, UnixTime now) {
  const auto by = acting(membership, set, author, wire::kRightGrant);
  if (!by) return std::unexpected(by.error());
  const Member* member = membership.find(target);
  if (member == nullptr) return refuse(Refusal::UnknownMember);
  if ((by->grant->rights & wire::kRightGrant) == 0) { return refuse(Refusal::MayNotMakeAdmins); }
  if (member->admin()) return refuse(Refusal::AlreadyAdmin);
  if (by->grant->rank >= wire::kRankMax) { return refuse(Refusal::TooDeep); }
  if (!has_room_for_grant(membership, set, by->id, now)) { return refuse(Refusal::TooManyLive); }
  wire::Grant grant{.issuer = by->id,
                    .subject = member->identity,
                    .tunnel_key = member->tunnel_key,
                    .rank = static_cast<std::uint8_t>(by->grant->rank + 1),
                    .rights = by->grant->rights,
                    .not_before = by->time(now),
                    .not_after = by->grant->not_after};
  StoredStatement made = sign_statement(statement_of(set, grant), *author.key);
  // The same GRANT of this very second may have been withdrawn: another one needs another id.
  while (set.find(made.id) != nullptr) {
    grant.not_before = grant.not_before.plus(std::chrono::seconds(1));
    made = sign_statement(statement_of(set, grant), *author.key);
  }
  return made.bytes;
}

namespace {

/// A GRANT without rights, with the name and address that its subject has.
Authored<StoredStatement> plain_grant(const Membership& membership, const StatementSet& set,
                                      const Author& author, const Member& member, UnixTime now) {
  const auto by = acting(membership, set, author, wire::kRightGrant);
  if (!by) return std::unexpected(by.error());
  if ((by->grant->rights & wire::kRightGrant) == 0 || by->grant->rank >= wire::kRankMax) {
    return refuse(Refusal::MayNotKeepMember);
  }
  return sign_statement(
      statement_of(set, wire::Grant{.issuer = by->id,
                                    .subject = member.identity,
                                    .tunnel_key = member.tunnel_key,
                                    .rank = static_cast<std::uint8_t>(by->grant->rank + 1),
                                    .rights = wire::kRightJoin,
                                    .v4 = member.v4.value_or(Ipv4{}),
                                    .not_before = by->time(now),
                                    .not_after = std::min(member.not_after, by->grant->not_after),
                                    .name = member.name}),
      *author.key);
}

}  // namespace

Authored<std::vector<ByteVector>> remove_admin(const Membership& membership,
                                               const StatementSet& set, const Author& author,
                                               const wire::NodeId& target, UnixTime now) {
  const Member* member = membership.find(target);
  if (member == nullptr) return refuse(Refusal::UnknownMember);
  const Ids grants = acting_of(membership, set.grants_of(member->identity));
  Ids bearing;
  std::ranges::copy_if(grants, std::back_inserter(bearing), [&](const wire::StatementId& id) {
    return is_rights_bearing(grant_of(set, id)->rights, membership.policy());
  });
  const auto by = able_to_revoke(membership, set, author, bearing);
  if (!by) return std::unexpected(by.error());
  if (bearing.empty()) return refuse(Refusal::NoAdmin);
  std::vector<ByteVector> out;
  wire::StatementId plain;
  if (bearing.size() == grants.size()) {
    const auto grant = plain_grant(membership, set, author, *member, now);
    if (!grant) return std::unexpected(grant.error());
    plain = grant->id;
    out.push_back(grant->bytes);
  }
  for (const wire::StatementId& id : bearing) {
    KeepList keep(membership, set, {id}, KeepList::Devices::Stay);
    // Who steps back as the last of its GRANTs goes has issued itself the plain one.
    if (!plain.is_zero() && member->identity == author.key->public_key()) keep.add(plain);
    wire::Revoke revoke{.kind = wire::Revoke::Target::Grant,
                        .issuer = by->id,
                        .time = by->time(now),
                        .keep = std::move(keep).ids()};
    copy_bytes(revoke.target.bytes, id.view());
    out.push_back(sign_statement(statement_of(set, std::move(revoke)), *author.key).bytes);
  }
  return out;
}

}  // namespace ipop::member
