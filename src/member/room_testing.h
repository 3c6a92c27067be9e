#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "member/author.h"

/// What the tests of this folder share: keys by number, and one node's view of a network on which
/// people act by number. Person 0 is the founder.
namespace ipop::member {

inline crypto::Secret<32> seed_of(unsigned n) {
  crypto::Secret<32> seed;
  seed.reveal_mutable()[0] = std::byte(n & 0xffU);
  seed.reveal_mutable()[1] = std::byte(n >> 8U);
  return seed;
}

inline TunnelKey tunnel_of(unsigned n) {
  TunnelKey key;
  key.bytes[0] = std::byte{0x40};
  key.bytes[1] = std::byte(n & 0xffU);
  key.bytes[2] = std::byte(n >> 8U);
  return key;
}

inline constexpr UnixTime kStart{1'700'000'000};
inline constexpr std::chrono::seconds kMinute{60};
inline constexpr std::chrono::seconds kHour{3600};
inline constexpr std::chrono::seconds kDay{86400};
inline constexpr std::chrono::seconds kTolerance{600};

inline constexpr Prefix4 kPool{{0x0a530000U}, 16};
inline Ipv4 pool_address(std::uint32_t n) { return {kPool.base.value + n}; }

struct Invited {
  wire::StatementId grant;
  crypto::SigningKey key;
  const wire::Statement* statement = nullptr;
};

inline wire::Statement parse(Bytes bytes) { return *wire::parse_statement(bytes); }

/// Keys of people, made once: key generation is the dearest part of these tests.
class People {
 public:
  const crypto::SigningKey& key(unsigned n) {
    while (keys_.size() <= n) {
      keys_.push_back(
          crypto::SigningKey::from_seed(seed_of(1000 + static_cast<unsigned>(keys_.size()))));
    }
    return keys_[n];
  }
  const IdentityKey& identity(unsigned n) { return key(n).public_key(); }

 private:
  std::deque<crypto::SigningKey> keys_;
};

class Room {
 public:
  explicit Room(std::uint64_t seed = 1, bool members_may_invite = true, Prefix4 pool = kPool)
      : rng(seed), founded(found(members_may_invite, pool)), set(founded.network) {
    for (const ByteVector& statement : founded.statements) add(statement);
    grants[0] = founded.grant;
  }

  /// Adds what must be accepted.
  wire::StatementId add(Bytes bytes) {
    const auto added = set.add(bytes);
    EXPECT_TRUE(added) << (added ? "" : added.error().what);
    return statement_id_of(parse(bytes));
  }
  wire::StatementId add(const std::vector<ByteVector>& statements) {
    wire::StatementId last;
    for (const ByteVector& statement : statements) last = add(statement);
    return last;
  }
  /// Signs a statement that no verb would sign.
  StoredStatement raw(decltype(wire::Statement::body) body, const crypto::SigningKey& key) const {
    return sign_statement({.network = founded.network, .body = std::move(body)}, key);
  }
  wire::StatementId add_raw(decltype(wire::Statement::body) body, const crypto::SigningKey& key) {
    return add(raw(std::move(body), key).bytes);
  }

  Membership view() const { return Membership::evaluate(set, now); }
  Author author(unsigned person) { return {&people.key(person), grants[person]}; }
  wire::NodeId node(unsigned person) {
    return node_id_of(founded.network, people.identity(person));
  }
  bool is_member(unsigned person) { return view().by_identity(people.identity(person)) != nullptr; }
  Member member(unsigned person) {
    const Membership all = view();
    const Member* found = all.by_identity(people.identity(person));
    EXPECT_NE(found, nullptr) << "person " << person;
    return found == nullptr ? Member{} : *found;
  }
  const wire::Grant& grant(const wire::StatementId& id) const {
    return std::get<wire::Grant>(set.find(id)->statement.body);
  }

  InviteOptions options(std::uint16_t uses = 1) const {
    return {.uses = uses, .redeem_until = now.plus(kDay)};
  }
  Invited invite(unsigned by, const InviteOptions& wanted) {
    auto made = make_invite(view(), set, author(by), wanted, now, rng);
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    add(made->statement);
    return {made->grant, crypto::SigningKey::from_seed(std::move(made->seed)),
            &set.find(made->grant)->statement};
  }
  Invited invite(unsigned by, std::uint16_t uses = 1) { return invite(by, options(uses)); }

  /// The person's redemption, in the set.
  wire::StatementId redemption(unsigned person, const Invited& invited,
                               std::string_view wish = "guest") {
    const auto redeemed = redeem(*invited.statement, invited.key, people.identity(person),
                                 tunnel_of(person), wish, now);
    EXPECT_TRUE(redeemed) << (redeemed ? "" : redeemed.error().what);
    add(redeemed->statement);
    grants[person] = redeemed->grant;
    return redeemed->grant;
  }
  std::expected<wire::StatementId, wire::ByeReason> let_in(unsigned admitter,
                                                           const wire::StatementId& redeemed) {
    const auto statement = admit(view(), set, author(admitter), redeemed, now, rng);
    if (!statement) return std::unexpected(statement.error());
    return add(*statement);
  }
  /// Invited by `by`, admitted by `admitter`, a minute later.
  Invited join(unsigned person, unsigned by, unsigned admitter, std::uint16_t uses = 1) {
    now = now.plus(kMinute);
    Invited invited = invite(by, uses);
    EXPECT_TRUE(let_in(admitter, redemption(person, invited)));
    return invited;
  }
  Invited join(unsigned person, unsigned by = 0) { return join(person, by, by); }
  void make_admin(unsigned by, unsigned person) {
    now = now.plus(kMinute);
    const auto grant = add_admin(view(), set, author(by), node(person), now);
    ASSERT_TRUE(grant) << grant.error().what;
    add(*grant);
  }
  KickBundle kick_out(unsigned by, unsigned person) {
    now = now.plus(kMinute);
    auto bundle = kick(view(), set, author(by), node(person), now, rng);
    EXPECT_TRUE(bundle) << (bundle ? "" : bundle.error().what);
    add(bundle->statements);
    return std::move(*bundle);
  }
  SeededRng rng;
  People people;
  UnixTime now = kStart;
  Founded founded;
  StatementSet set;
  std::map<unsigned, wire::StatementId> grants;

 private:
  Founded found(bool members_may_invite, Prefix4 pool) {
    auto made = found_network({.network_name = "family",
                               .member_name = "alice",
                               .pool = pool,
                               .members_may_invite = members_may_invite},
                              people.key(0), tunnel_of(0), kStart, rng);
    EXPECT_TRUE(made);
    return std::move(*made);
  }
};

/// People 1 to 6, each invited by the one before, with the longest names: 6 is as far from the
/// founder as somebody who may invite can be, and all its admitters are in its own line.
inline void make_deepest_line(Room& room) {
  for (unsigned person = 1; person <= 6; ++person) {
    room.now = room.now.plus(kMinute);
    InviteOptions options = room.options();
    options.name = std::string(wire::kNameMax - 1, 'n') + std::to_string(person);
    const Invited invited = room.invite(person - 1, options);
    EXPECT_TRUE(room.let_in(person - 1, room.redemption(person, invited)));
  }
}

/// Three such lines, of people 1, 4, 7, …, of 2, 5, 8, … and of 3, 6, 9, …, in which everybody is
/// admitted by somebody of the next line: the chain of the last, 16, holds nearly all of them.
inline void make_interwoven_lines(Room& room) {
  for (unsigned person = 1; person <= 18; ++person) {
    const unsigned before = person <= 3 ? 0 : person - 3;
    const unsigned admitter = person <= 3 ? 0 : (person % 3 == 0 ? person - 5 : person - 2);
    room.join(person, before, admitter);
  }
}

inline std::vector<ByteVector> bytes_of(const StatementSet& set) {
  std::vector<ByteVector> out;
  for (const auto& [id, stored] : set.all()) out.push_back(stored.bytes);
  return out;
}

template <class T>
void shuffle(std::vector<T>& list, Rng& rng) {
  for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[rng.below(i)]);
}

}  // namespace ipop::member
