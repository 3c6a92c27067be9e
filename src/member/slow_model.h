#pragma once

#include <algorithm>
#include <map>
#include <set>

#include "member/membership.h"

/// A second, slow and plain reading of docs/membership.md, "evaluation", for the tests: no indices,
/// no single pass, nothing shared with the real one. What counts is found as a fixed point: start
/// with nothing, and take in again and again every event whose conditions the earlier ones meet.
namespace ipop::member {

class SlowModel {
 public:
  SlowModel(const StatementSet& set, UnixTime at) : set_(set), at_(at) {
    genesis_ = body<wire::Genesis>(set.genesis()->id);
    root_ids_.push_back(first_root());
    walk_roots();
    accept_all();
    counted_ = fixed_point();
  }

  struct Person {
    std::optional<Ipv4> v4;
    std::string name;
    std::uint8_t rank = 255;
    wire::Rights rights = 0;
    wire::StatementId grant;
    TunnelKey tunnel_key;
    friend bool operator==(const Person&, const Person&) = default;
  };

  std::map<IdentityKey, Person> people() const {
    std::map<IdentityKey, Person> out;
    std::map<Ipv4, IdentityKey> addresses;
    std::map<std::string, IdentityKey> names;
    for (const Event& e : counted_) {
      const wire::Grant& g = *body<wire::Grant>(e.grant);
      if (!valid(e.grant) || g.kind == wire::GrantKind::Device) continue;
      Person& person = out[g.subject];
      if (person.tunnel_key.is_zero()) person.tunnel_key = g.tunnel_key;
      const auto* a = body<wire::Admit>(e.id);
      const wire::Grant* invite = a ? body<wire::Grant>(g.issuer) : nullptr;
      const Ipv4 v4 = a ? a->v4 : g.v4;
      const std::string name = a ? a->name : g.name;
      const bool v4_ok = !invite || invite->v4.value == 0 || invite->v4 == v4 ||
                         addresses.contains(invite->v4) || !assignable(invite->v4);
      const bool name_ok =
          !invite || invite->name.empty() || invite->name == name || names.contains(invite->name);
      if (!person.v4 && v4_ok && assignable(v4) && !addresses.contains(v4)) {
        person.v4 = v4;
        addresses[v4] = g.subject;
      }
      if (person.name.empty() && name_ok && !name.empty() && !names.contains(name)) {
        person.name = name;
        names[name] = g.subject;
      }
      person.rights = static_cast<wire::Rights>(person.rights | g.rights |
                                                (genesis_->policy ? wire::kRightInvite : 0));
      if (std::pair(g.rank, e.grant) < std::pair(person.rank, person.grant)) {
        person.rank = g.rank;
        person.grant = e.grant;
      }
    }
    for (auto& [identity, person] : out) {
      if (const auto key = newest_tunnel_key(identity)) person.tunnel_key = *key;
    }
    return out;
  }

  /// By GRANT: host, address, name.
  using Devices = std::map<wire::StatementId, std::tuple<IdentityKey, Ipv4, std::string>>;
  Devices devices() const {
    Devices out;
    const auto members = people();
    for (const Event& e : counted_) {
      const wire::Grant& g = *body<wire::Grant>(e.grant);
      if (g.kind != wire::GrantKind::Device || !valid(e.grant) || !assignable(g.v4)) continue;
      bool taken = !members.contains(key(g.issuer));
      for (const auto& [identity, m] : members) taken |= m.v4 == g.v4 || m.name == g.name;
      for (const auto& [id, d] : out) taken |= std::get<1>(d) == g.v4 || std::get<2>(d) == g.name;
      if (!taken) out[e.grant] = {key(g.issuer), g.v4, g.name};
    }
    return out;
  }

  SecretCommit secret() const {
    SecretCommit out{{}, genesis_->secret_commit};
    std::size_t named = 0;
    each<wire::Revoke>(
        [&](const auto&, const wire::Revoke& r) { named += r.next_epoch.value != 0; });
    wire::StatementId best;
    for (const wire::StatementId& id : accepted_) {
      const wire::Revoke& r = *body<wire::Revoke>(id);
      if (r.next_epoch.value == 0 || r.next_epoch.value > named || of_oneself(id)) continue;
      bool hits_any = false;
      bool hits_member = false;
      each<wire::Grant>([&](const wire::StatementId& g, const wire::Grant& grant) {
        if (!hits(id, g)) return;
        hits_any = true;
        const bool person =
            grant.kind == wire::GrantKind::Member || grant.kind == wire::GrantKind::Redemption;
        hits_member = hits_member || person;
      });
      each_root([&](const wire::StatementId& root) { hits_any = hits_any || hits(id, root); });
      const bool kicks = (rights(r.issuer) & wire::kRightKick) != 0;
      if (!hits_any || !(kicks || hits_member)) continue;
      if (r.next_epoch < out.epoch || (r.next_epoch == out.epoch && best < id)) continue;
      out = {r.next_epoch, r.next_commit};
      best = id;
    }
    return out;
  }

  std::optional<wire::StatementId> config() const {
    std::optional<wire::StatementId> best;
    each<wire::Config>([&](const wire::StatementId& id, const wire::Config& c) {
      if (!stands(c.issuer, std::nullopt, counted_) || !lets(c.issuer, id, std::nullopt)) return;
      if (!best || body<wire::Config>(*best)->version < c.version) best = id;
    });
    return best;
  }

 private:
  struct Event {
    UnixTime time;
    wire::StatementId id;
    wire::StatementId grant;
    friend auto operator<=>(const Event&, const Event&) = default;
  };
  using Events = std::set<Event>;

  template <class Body>
  const Body* body(const wire::StatementId& id) const {
    const StoredStatement* s = set_.find(id);
    return s == nullptr ? nullptr : std::get_if<Body>(&s->statement.body);
  }
  template <class Body, class F>
  void each(F f) const {
    for (const auto& [id, s] : set_.all()) {
      if (const auto* b = std::get_if<Body>(&s.statement.body)) f(id, *b);
    }
  }
  template <class F>
  void each_root(F f) const {
    for (const wire::StatementId& id : root_ids_) f(id);
  }
  wire::StatementId first_root() const { return root_issuer_of(set_.network()); }
  bool is_root(const wire::StatementId& id) const {
    return id == first_root() || body<wire::Roll>(id) != nullptr;
  }
  IdentityKey key(const wire::StatementId& id) const {
    if (const auto* roll = body<wire::Roll>(id)) return roll->root;
    if (const auto* grant = body<wire::Grant>(id)) return grant->subject;
    return genesis_->root;
  }
  unsigned rank(const wire::StatementId& id) const {
    const auto* grant = body<wire::Grant>(id);
    return grant == nullptr ? 0U : grant->rank;
  }
  wire::Rights rights(const wire::StatementId& id) const {
    const auto* grant = body<wire::Grant>(id);
    return grant == nullptr ? wire::kRightsAll : grant->rights;
  }
  UnixTime late(UnixTime t) const { return t.plus(std::chrono::minutes(10)); }
  bool assignable(Ipv4 a) const {
    return genesis_->pool.contains(a) && a != genesis_->pool.base && a != genesis_->pool.last();
  }

  /// root_ids_ becomes the line, oldest first.
  void walk_roots() {
    IdentityKey root = genesis_->root;
    IdentityKey recovery = genesis_->recovery;
    for (std::uint32_t epoch = 1;; ++epoch) {
      std::vector<std::pair<int, wire::StatementId>> rivals;
      each<wire::Roll>([&](const wire::StatementId& id, const wire::Roll& r) {
        const bool by_recovery = r.signer == wire::Roll::Signer::Recovery;
        const IdentityKey& signer = set_.find(id)->signer;
        if (r.epoch == epoch && signer == (by_recovery ? recovery : root)) {
          rivals.emplace_back(by_recovery ? 0 : 1, id);
        }
      });
      if (rivals.empty()) return;
      const wire::StatementId best = std::min_element(rivals.begin(), rivals.end())->second;
      root_ids_.push_back(best);
      root = body<wire::Roll>(best)->root;
      recovery = body<wire::Roll>(best)->recovery;
    }
  }

  std::optional<std::size_t> root_age(const wire::StatementId& id) const {
    const auto it = std::find(root_ids_.begin(), root_ids_.end(), id);
    if (it == root_ids_.end()) return std::nullopt;
    return static_cast<std::size_t>(root_ids_.end() - it);
  }

  bool hits(const wire::StatementId& revoke, const wire::StatementId& target) const {
    const wire::Revoke& r = *body<wire::Revoke>(revoke);
    if (is_root(target)) {
      return r.kind == wire::Revoke::Target::Key && r.target == key(target) && root_age(target) &&
             root_age(r.issuer) && *root_age(r.issuer) < *root_age(target);
    }
    if (r.kind == wire::Revoke::Target::Key
            ? r.target != key(target)
            : !std::equal(target.bytes.begin(), target.bytes.end(), r.target.bytes.begin())) {
      return false;
    }
    if (key(r.issuer) == key(target)) return true;
    for (const auto* g = body<wire::Grant>(target); g != nullptr;
         g = body<wire::Grant>(g->issuer)) {
      if (g->issuer == r.issuer) return true;
    }
    const bool invite = body<wire::Grant>(target)->kind == wire::GrantKind::Invite;
    return (rights(r.issuer) & wire::kRightKick) != 0 &&
           rank(r.issuer) < rank(target) + (invite ? 1 : 0);
  }
  bool of_oneself(const wire::StatementId& revoke) const {
    const wire::Revoke& r = *body<wire::Revoke>(revoke);
    if (is_root(r.issuer)) return false;
    if (r.kind == wire::Revoke::Target::Key) return r.target == key(r.issuer);
    bool self = false;
    each<wire::Grant>([&](const wire::StatementId& id, const wire::Grant& g) {
      self = self || (hits(revoke, id) && g.subject == key(r.issuer));
    });
    return self;
  }

  bool revoked(const wire::StatementId& id) const {
    return std::any_of(accepted_.begin(), accepted_.end(),
                       [&](const auto& revoke) { return hits(revoke, id); });
  }
  /// Whether no accepted revocation of `issuer` keeps `id` from counting.
  bool lets(const wire::StatementId& issuer, const wire::StatementId& id,
            std::optional<UnixTime> admitted) const {
    // Those who left: all their lists together, or an admission from before they all left.
    bool in_all_own = true;
    bool before_all_own = admitted.has_value();
    for (const wire::StatementId& revoke : accepted_) {
      if (!hits(revoke, issuer)) continue;
      const wire::Revoke& r = *body<wire::Revoke>(revoke);
      const bool kept = std::find(r.keep.begin(), r.keep.end(), id) != r.keep.end();
      if (of_oneself(revoke)) {
        in_all_own = in_all_own && kept;
        before_all_own = before_all_own && *admitted <= late(r.time);
      } else if (!kept) {
        return false;
      }
    }
    return in_all_own || before_all_own;
  }

  bool excess(const wire::StatementId& grant) const {
    const wire::Grant& g = *body<wire::Grant>(grant);
    std::size_t before = 0;
    const auto live = [&](const wire::StatementId& id, const wire::Grant& other) {
      if (other.issuer != g.issuer || other.kind == wire::GrantKind::Redemption) return false;
      if (revoked(id) || !lets(other.issuer, id, std::nullopt) || at_ > late(other.not_after)) {
        return false;
      }
      if (other.kind != wire::GrantKind::Invite || at_ <= late(other.redeem_until)) return true;
      bool redeemed = false;
      each<wire::Grant>([&](const auto&, const wire::Grant& r) {
        redeemed = redeemed || (r.kind == wire::GrantKind::Redemption && r.issuer == id);
      });
      return redeemed;
    };
    if (set_.size() <= 1024 || !live(grant, g)) return false;
    each<wire::Grant>([&](const wire::StatementId& id, const wire::Grant& other) {
      before += std::pair(other.not_before, id) < std::pair(g.not_before, grant) && live(id, other);
    });
    return before >= 1024;
  }

  /// By the events of `counted` before `moment` (by all of them without one).
  bool stands(const wire::StatementId& id, const std::optional<Event>& moment,
              const Events& counted) const {
    if (is_root(id)) return root_age(id).has_value();
    const wire::Grant& g = *body<wire::Grant>(id);
    if (g.kind == wire::GrantKind::Invite) {
      return stands(g.issuer, moment, counted) && lets(g.issuer, id, std::nullopt) && !excess(id);
    }
    return std::any_of(counted.begin(), counted.end(),
                       [&](const Event& e) { return e.grant == id && (!moment || e < *moment); });
  }

  bool event_counts(const Event& e, const Events& counted) const {
    const wire::Grant& g = *body<wire::Grant>(e.grant);
    const auto* a = body<wire::Admit>(e.id);
    if (a == nullptr) {
      return stands(g.issuer, e, counted) && lets(g.issuer, e.grant, std::nullopt) &&
             !excess(e.grant);
    }
    const wire::Grant& admitter = *body<wire::Grant>(a->admitter);
    if (!stands(a->admitter, e, counted) || !lets(a->admitter, e.id, e.time)) return false;
    if (e.time > late(admitter.not_after)) return false;
    if (stands(e.grant, e, counted)) return true;
    const wire::Grant& invite = *body<wire::Grant>(g.issuer);
    if (!stands(g.issuer, e, counted) || !lets(g.issuer, e.grant, std::nullopt)) return false;
    if (late(e.time) < g.not_before || late(e.time) < invite.not_before) return false;
    if (e.time > late(g.not_after) || e.time > late(invite.redeem_until)) return false;
    std::set<wire::StatementId> redeemed;
    for (const Event& earlier : counted) {
      if (earlier < e && body<wire::Grant>(earlier.grant)->issuer == g.issuer) {
        redeemed.insert(earlier.grant);
      }
    }
    return redeemed.size() < invite.uses;
  }

  Events fixed_point() const {
    Events all;
    each<wire::Grant>([&](const wire::StatementId& id, const wire::Grant& g) {
      const bool alone = g.kind == wire::GrantKind::Member || g.kind == wire::GrantKind::Device;
      if (alone) all.insert({g.not_before, id, id});
    });
    each<wire::Admit>([&](const wire::StatementId& id, const wire::Admit& a) {
      all.insert({a.time, id, a.redemption});
    });
    Events counted;
    for (;;) {
      Events next;
      for (const Event& e : all) {
        if (e.time <= late(at_) && event_counts(e, counted)) next.insert(e);
      }
      if (next == counted) return counted;
      counted = next;
    }
  }

  void accept_all() {
    std::set<std::tuple<unsigned, std::size_t, bool>> stages;
    const auto stage = [&](const wire::StatementId& id) {
      const wire::StatementId& issuer = body<wire::Revoke>(id)->issuer;
      return std::tuple(rank(issuer), is_root(issuer) ? root_age(issuer).value_or(0) : 0,
                        !of_oneself(id));
    };
    each<wire::Revoke>([&](const wire::StatementId& id, const auto&) { stages.insert(stage(id)); });
    for (const auto& current : stages) {
      const Events counted = fixed_point();
      std::set<wire::StatementId> taken;
      each<wire::Revoke>([&](const wire::StatementId& id, const wire::Revoke& r) {
        if (stage(id) != current || !stands(r.issuer, std::nullopt, counted)) return;
        const auto* issuer = body<wire::Grant>(r.issuer);
        if (issuer != nullptr && r.time > late(issuer->not_after)) return;
        if (lets(r.issuer, id, std::nullopt)) taken.insert(id);
      });
      accepted_.insert(taken.begin(), taken.end());
    }
  }

  bool valid(const wire::StatementId& id) const {
    return stands(id, std::nullopt, counted_) && !revoked(id) &&
           at_ <= late(body<wire::Grant>(id)->not_after);
  }

  std::optional<TunnelKey> newest_tunnel_key(const IdentityKey& identity) const {
    std::map<std::pair<std::uint32_t, wire::StatementId>, const wire::Skey*> all;
    each<wire::Skey>([&](const wire::StatementId& id, const wire::Skey& s) {
      if (s.identity == identity && s.time <= late(at_)) all[{s.epoch, id}] = &s;
    });
    const wire::Skey* last = nullptr;
    for (const auto& [order, s] : all) {
      if (last != nullptr &&
          (s->epoch == last->epoch || s->time < last->time.plus(std::chrono::hours(1)))) {
        continue;
      }
      last = s;
    }
    if (last == nullptr) return std::nullopt;
    return last->tunnel_key;
  }

  const StatementSet& set_;
  UnixTime at_;
  const wire::Genesis* genesis_ = nullptr;
  std::vector<wire::StatementId> root_ids_;
  std::set<wire::StatementId> accepted_;
  Events counted_;
};

}  // namespace ipop::member
