#include <algorithm>

#include "member/graph.h"
#include "member/membership.h"

namespace ipop::member {
namespace {

/// Members that admit at the same moment choose among so many addresses.
constexpr std::size_t kSpread = 16;
constexpr std::string_view kDefaultName = "member";

template <class Map, class Key>
const Member* member_at(const std::map<wire::NodeId, Member>& members, const Map& index,
                        const Key& key) {
  const auto it = index.find(key);
  return it == index.end() ? nullptr : &members.at(it->second);
}

bool is_reserving(const InviteState& invite, UnixTime at) {
  return invite.open && !invite.outdated && at <= invite.redeem_until.plus(kTimeTolerance);
}

}  // namespace

const Member* Membership::find(const wire::NodeId& node) const {
  const auto it = members_.find(node);
  return it == members_.end() ? nullptr : &it->second;
}

const Member* Membership::by_identity(const IdentityKey& identity) const {
  return member_at(members_, by_identity_, identity);
}

const Member* Membership::by_tunnel_key(const TunnelKey& key) const {
  return member_at(members_, by_tunnel_key_, key);
}

const Member* Membership::by_name(std::string_view name) const {
  return member_at(members_, by_name_, name);
}

const Member* Membership::by_v4(Ipv4 address) const { return member_at(members_, by_v4_, address); }

const Device* Membership::device_by_name(std::string_view name) const {
  const auto it =
      std::ranges::find_if(devices_, [&](const auto& d) { return d.second.name == name; });
  return it == devices_.end() ? nullptr : &it->second;
}

const Device* Membership::device_by_v4(Ipv4 address) const {
  const auto it =
      std::ranges::find_if(devices_, [&](const auto& d) { return d.second.v4 == address; });
  return it == devices_.end() ? nullptr : &it->second;
}

std::optional<wire::ByeReason> Membership::refusal(const wire::StatementId& redemption) const {
  const auto it = refusals_.find(redemption);
  if (it == refusals_.end()) return std::nullopt;
  return it->second;
}

bool Membership::is_revoked_tunnel_key(const TunnelKey& key) const {
  return revoked_tunnel_keys_.contains(key);
}

const Effect* Membership::effect_of(const wire::StatementId& id) const {
  const auto it = std::ranges::lower_bound(effects_, id, {}, &Effect::id);
  return it == effects_.end() || it->id != id ? nullptr : &*it;
}

bool Membership::may_lose_by(const StatementSet& set, const wire::Revoke& revoke) const {
  const StoredStatement* issuer = set.find(revoke.issuer);
  // What a root can take down is not named by GRANTs alone.
  if (issuer == nullptr || !std::holds_alternative<wire::Grant>(issuer->statement.body)) {
    return true;
  }
  // An unused invite gives nobody anything yet.
  const auto is_used = [](const InviteState& invite) { return invite.used > 0; };
  if (revoke.kind == wire::Revoke::Target::Grant) {
    const wire::StatementId grant = granted_id(revoke);
    const auto invite = invites_.find(grant);
    return invite != invites_.end() ? is_used(invite->second) : effect_of(grant) != nullptr;
  }
  return std::ranges::any_of(set.grants_of(revoke.target),
                             [&](const auto& id) { return effect_of(id) != nullptr; }) ||
         std::ranges::any_of(invites_,
                             [&](const auto& entry) {
                               return entry.second.key == revoke.target && is_used(entry.second);
                             }) ||
         std::ranges::any_of(devices_, [&](const auto& entry) {
           return equal_bytes(entry.second.key.view(), revoke.target.view());
         });
}

bool Membership::is_assignable(Ipv4 address) const {
  return pool_ && pool_->contains(address) && address != pool_->base && address != pool_->last();
}

bool Membership::is_name_taken(std::string_view name, UnixTime at) const {
  return by_name_.contains(name) || device_by_name(name) != nullptr ||
         std::ranges::any_of(invites_, [&](const auto& entry) {
           return entry.second.name == name && is_reserving(entry.second, at);
         });
}

bool Membership::is_address_taken(Ipv4 address, UnixTime at) const {
  return by_v4_.contains(address) || device_by_v4(address) != nullptr ||
         std::ranges::any_of(invites_, [&](const auto& entry) {
           return entry.second.v4 == address && is_reserving(entry.second, at);
         });
}

std::optional<Ipv4> Membership::free_address(UnixTime at, std::uint64_t spread) const {
  if (!pool_) return std::nullopt;
  std::set<Ipv4> reserved;
  for (const auto& [id, invite] : invites_) {
    if (invite.v4.value != 0 && is_reserving(invite, at)) reserved.insert(invite.v4);
  }
  for (const auto& [id, device] : devices_) reserved.insert(device.v4);
  const std::size_t wanted = members_.size() > 2 ? kSpread : 1;
  std::vector<Ipv4> free;
  for (Ipv4 address{pool_->base.value + 1}; address < pool_->last(); ++address.value) {
    if (by_v4_.contains(address) || reserved.contains(address)) continue;
    free.push_back(address);
    if (free.size() == wanted) break;
  }
  if (free.empty()) return std::nullopt;
  return free[static_cast<std::size_t>(spread % free.size())];
}

std::string Membership::free_name(std::string_view wish, UnixTime at) const {
  std::string base(wire::is_valid_name(wish) ? wish : kDefaultName);
  if (!is_name_taken(base, at)) return base;
  // One more try than there are names that could be in the way: it always ends with a free one.
  for (std::size_t n = 2;; ++n) {
    const std::string suffix = "-" + std::to_string(n);
    std::string name = base.substr(0, wire::kNameMax - suffix.size());
    while (name.ends_with('-')) name.pop_back();
    name += suffix;
    if (!is_name_taken(name, at)) return name;
  }
}

}  // namespace ipop::member
