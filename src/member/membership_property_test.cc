#include "member/room_testing.h"
#include "member/slow_model.h"

namespace ipop::member {
namespace {

/// A random network: a few people at a few nodes whose views differ and now and then meet; most
/// statements come from the verbs, some are made up by people who mean ill.
class RandomNetwork {
 public:
  explicit RandomNetwork(std::uint64_t seed) : room_(seed), rng_(seed) {
    sets_.assign(3, room_.set);
  }

  void run(int steps) {
    // Ill will needs something to act on: a network grows before it is torn at.
    for (int i = 0; i < steps; ++i) step(i > steps / 3);
    for (StatementSet& set : sets_) meet(sets_[0], set);
    for (StatementSet& set : sets_) meet(sets_[0], set);
  }

  const StatementSet& everything() const { return sets_[0]; }
  const std::vector<StatementSet>& sets() const { return sets_; }
  UnixTime now() const { return room_.now; }
  Room& room() { return room_; }

 private:
  static constexpr unsigned kPeople = 7;

  unsigned anybody() { return static_cast<unsigned>(rng_.below(kPeople)); }
  unsigned some_member(const Membership& all) {
    std::vector<unsigned> members;
    for (unsigned person = 0; person < kPeople; ++person) {
      if (all.by_identity(room_.people.identity(person)) != nullptr) members.push_back(person);
    }
    return members.empty() ? 0 : members[rng_.below(members.size())];
  }
  UnixTime clock() {
    return room_.now.plus(std::chrono::seconds(rng_.below(240))).minus(std::chrono::seconds(120));
  }
  UnixTime some_time() {
    const auto offset = std::chrono::seconds(rng_.below(40'000));
    return rng_.below(4) == 0 ? room_.now.plus(offset) : room_.now.minus(offset);
  }
  wire::StatementId some_id(const StatementSet& set) {
    auto it = set.all().begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng_.below(set.size())));
    return it->first;
  }
  std::vector<wire::StatementId> some_ids(const StatementSet& set) {
    std::vector<wire::StatementId> out;
    for (const auto& [id, stored] : set.all()) {
      if (rng_.below(2) == 0) out.push_back(id);
    }
    return out;
  }
  void add(StatementSet& set, Bytes bytes) { (void)set.add(bytes); }
  void add(StatementSet& set, const std::vector<ByteVector>& all) {
    for (const ByteVector& bytes : all) add(set, bytes);
  }
  static void meet(StatementSet& a, StatementSet& b) {
    for (const ByteVector& bytes : bytes_of(a)) (void)b.add(bytes);
    for (const ByteVector& bytes : bytes_of(b)) (void)a.add(bytes);
  }

  void step(bool grown) {
    room_.now = room_.now.plus(std::chrono::seconds(rng_.below(300)));
    if (rng_.below(25) == 0) room_.now = room_.now.plus(kHour);
    StatementSet& set = sets_[rng_.below(sets_.size())];
    switch (rng_.below(10)) {
      case 0:
      case 1:
        return meet(sets_[rng_.below(sets_.size())], sets_[rng_.below(sets_.size())]);
      case 2:
        return grown ? made_up(set) : verb(set, 6);
      default:
        return verb(set, grown ? 12 : 6);
    }
  }

  void verb(StatementSet& set, std::uint64_t kinds) {
    const UnixTime now = clock();
    const Membership all = Membership::evaluate(set, now);
    const unsigned who = some_member(all);
    const unsigned whom = kinds == 6 || rng_.below(2) == 0 ? anybody() : some_member(all);
    const Author author{&room_.people.key(who), {}};
    const wire::NodeId target = room_.node(whom);
    switch (rng_.below(kinds)) {
      case 0:
      case 1: {
        InviteOptions options{.uses = static_cast<std::uint16_t>(1 + rng_.below(3)),
                              .redeem_until = now.plus(kHour * 3)};
        if (options.uses == 1 && rng_.below(3) == 0) options.name = "fixed";
        if (options.uses == 1 && rng_.below(3) == 0) options.address = pool_address(9);
        if (rng_.below(4) == 0) options.not_after = now.plus(kHour * 4);
        if (auto made = make_invite(all, set, author, options, now, room_.rng)) {
          add(set, made->statement);
          invites_.emplace_back(parse(made->statement),
                                crypto::SigningKey::from_seed(std::move(made->seed)));
        }
        return;
      }
      case 2:
      case 3:
      case 4:
      case 5: {
        if (invites_.empty()) return;
        const auto& [grant, key] =
            invites_[invites_.size() - 1 - rng_.below(std::min<std::size_t>(4, invites_.size()))];
        const auto made =
            redeem(grant, key, room_.people.identity(whom), tunnel_of(whom), "guest", now);
        if (!made) return;
        add(set, made->statement);
        const auto admitted = admit(all, set, author, made->grant, now, room_.rng);
        const auto again =
            admit(Membership::evaluate(set, now), set, author, made->grant, now, room_.rng);
        if (again) add(set, *again);
        if (admitted) add(set, *admitted);
        return;
      }
      case 6:
        if (rng_.below(2) == 0) return;
        if (const auto made = kick(all, set, author, target, now, room_.rng)) {
          add(set, made->statements);
        }
        return;
      case 7:
        if (who == 0 || rng_.below(6) != 0) return;
        if (const auto made = leave(all, set, author, now)) add(set, *made);
        return;
      case 8:
        if (const auto made = make_device(all, set, author, device_options(whom), now, room_.rng)) {
          add(set, made->statement);
        }
        return;
      case 9:
        if (const auto made = add_admin(all, set, author, target, now)) add(set, *made);
        return;
      case 10:
        if (rng_.below(4) == 0 && !all.devices().empty()) {
          const auto device = std::next(
              all.devices().begin(), static_cast<std::ptrdiff_t>(rng_.below(all.devices().size())));
          if (const auto made = remove_device(all, set, author, device->first, now)) {
            add(set, *made);
          }
        } else if (rng_.below(2) == 0) {
          if (const auto made = mend(all, set, author, target, now, room_.rng)) add(set, *made);
        } else if (const auto removed = remove_admin(all, set, author, target, now)) {
          add(set, *removed);
        }
        return;
      default:
        if (const auto made = rotate_tunnel_key(
                all, author, tunnel_of(100 + static_cast<unsigned>(rng_.below(100))), now)) {
          add(set, *made);
        }
        return;
    }
  }

  DeviceOptions device_options(unsigned whom) {
    DeviceOptions out{.name = "phone", .key = tunnel_of(400 + whom)};
    if (rng_.below(4) == 0) copy_bytes(out.key.bytes, room_.people.identity(whom).view());
    if (rng_.below(2) == 0) out.address = pool_address(1 + anybody());
    return out;
  }

  /// Anything a person can sign, whether or not a verb would.
  void made_up(StatementSet& set) {
    const unsigned who = some_member(Membership::evaluate(set, room_.now));
    const crypto::SigningKey& key = room_.people.key(who);
    wire::StatementId by = some_id(set);
    if (const auto own = set.grants_of(key.public_key()); !own.empty()) {
      by = own[rng_.below(own.size())];
    }
    const auto put = [&](decltype(wire::Statement::body) body, const crypto::SigningKey& signer) {
      add(set, room_.raw(std::move(body), signer).bytes);
    };
    switch (rng_.below(9)) {
      case 0:
      case 1:
        return put(wire::Admit{some_id(set), by, some_time(), pool_address(1 + anybody()), "guest"},
                   key);
      case 2:
      case 3: {
        wire::Revoke revoke{.target = room_.people.identity(anybody()),
                            .issuer = by,
                            .time = some_time(),
                            .keep = some_ids(set)};
        if (rng_.below(2) == 0) {
          revoke.next_epoch = {static_cast<std::uint32_t>(1 + rng_.below(6))};
          revoke.next_commit.bytes[0] = std::byte{1};
        }
        if (who == 0 && rng_.below(4) != 0) revoke.target = room_.people.identity(1 + anybody());
        if (rng_.below(3) == 0 && !invites_.empty()) {
          revoke.target = invites_[rng_.below(invites_.size())].second.public_key();
        } else if (rng_.below(3) == 0) {
          revoke.kind = wire::Revoke::Target::Grant;
          revoke.target = {};
          copy_bytes(revoke.target.bytes, some_id(set).view());
        }
        return put(std::move(revoke), key);
      }
      case 4:
        return put(wire::Config{by, rng_.below(3), {std::byte(anybody())}}, key);
      case 5:
        return put(wire::Skey{key.public_key(), static_cast<std::uint32_t>(1 + rng_.below(3)),
                              some_time(), tunnel_of(300 + anybody())},
                   key);
      case 6:
        return roll(set);
      default: {
        const auto* issuer = set.find(by);
        const auto* grant =
            issuer != nullptr ? std::get_if<wire::Grant>(&issuer->statement.body) : nullptr;
        if (grant == nullptr) return;
        const unsigned subject = anybody();
        if (rng_.below(2) == 0) {
          // At times to the identity of a member, or of the rank or the name of none.
          const TunnelKey tunnel = device_options(subject).key;
          wire::Grant device{.issuer = by,
                             .tunnel_key = tunnel,
                             .kind = wire::GrantKind::Device,
                             .rank = static_cast<std::uint8_t>(grant->rank + 1),
                             .v4 = pool_address(1 + anybody()),
                             .not_before = some_time(),
                             .not_after = grant->not_after,
                             .name = rng_.below(2) == 0 ? "guest" : "phone"};
          copy_bytes(device.subject.bytes, tunnel.view());
          return put(std::move(device), key);
        }
        return put(wire::Grant{.issuer = by,
                               .subject = room_.people.identity(subject),
                               .tunnel_key = tunnel_of(200 + subject),
                               .rank = static_cast<std::uint8_t>(grant->rank + 1),
                               .rights = static_cast<wire::Rights>(
                                   (grant->rights & rng_.below(32)) | wire::kRightJoin),
                               .v4 = pool_address(1 + anybody()),
                               .not_before = some_time(),
                               .not_after = grant->not_after,
                               .name = "guest"},
                   key);
      }
    }
  }

  void roll(StatementSet& set) {
    if (rng_.below(3) != 0) return;
    const bool by_recovery = rng_.below(2) == 0;
    const std::uint32_t epoch = static_cast<std::uint32_t>(1 + rng_.below(2));
    // Roots after the first are people 50 and up, the recovery keys 60 and up.
    const unsigned next = static_cast<unsigned>(rng_.below(2));
    const crypto::SigningKey& signer =
        epoch == 1 ? (by_recovery ? room_.founded.recovery : room_.founded.root)
                   : room_.people.key((by_recovery ? 60 : 50) + next);
    const StoredStatement made = room_.raw(
        wire::Roll{.epoch = epoch,
                   .root = room_.people.identity(50 + next),
                   .recovery = room_.people.identity(60 + next),
                   .signer = by_recovery ? wire::Roll::Signer::Recovery : wire::Roll::Signer::Root},
        signer);
    add(set, made.bytes);
    add(set, room_
                 .raw(wire::Revoke{.target = room_.founded.root.public_key(),
                                   .issuer = made.id,
                                   .time = room_.now,
                                   .keep = some_ids(set)},
                      room_.people.key(50 + next))
                 .bytes);
  }

  Room room_;
  SeededRng rng_;
  std::vector<StatementSet> sets_;
  std::vector<std::pair<wire::Statement, crypto::SigningKey>> invites_;
};

std::map<IdentityKey, SlowModel::Person> people_of(const Membership& all) {
  std::map<IdentityKey, SlowModel::Person> out;
  for (const auto& [id, m] : all.members()) {
    out[m.identity] = {m.v4, m.name, m.rank, m.rights, m.grant, m.tunnel_key};
  }
  return out;
}

SlowModel::Devices devices_of(const Membership& all) {
  SlowModel::Devices out;
  for (const auto& [grant, d] : all.devices()) {
    out[grant] = {all.find(d.host)->identity, d.v4, d.name};
  }
  return out;
}

void expect_equal(const StatementSet& set, UnixTime at) {
  const Membership all = Membership::evaluate(set, at);
  const SlowModel model(set, at);
  ASSERT_EQ(people_of(all), model.people());
  ASSERT_EQ(devices_of(all), model.devices());
  ASSERT_EQ(all.secret(), model.secret());
  ASSERT_EQ(all.config(), model.config());
}

/// What the checks below must have met, or they proved nothing.
struct Met {
  int members = 0;
  int revoked = 0;
  int conflicts = 0;
  int refused = 0;
  int rolled = 0;
  int secrets = 0;
  int devices = 0;
};

TEST(MembershipProperty, AgreesWithTheSlowModelWhateverArrivesWhen) {
  Met met;
  int evaluations = 0;
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(seed);
    RandomNetwork network(seed);
    network.run(60);
    std::vector<ByteVector> all = bytes_of(network.everything());
    SeededRng rng(seed * 7919);
    shuffle(all, rng);
    StatementSet set(network.room().founded.network);
    for (const ByteVector& bytes : all) {
      ASSERT_TRUE(set.add(bytes));
      if (set.genesis() == nullptr || rng.below(2) != 0) continue;
      expect_equal(set, network.now());
      ++evaluations;
      if (testing::Test::HasFatalFailure()) return;
    }
    ASSERT_EQ(set.digest(), network.everything().digest());
    for (const auto offset : {kMinute, kHour, kHour * 3, kDay}) {
      expect_equal(set, network.now().plus(offset));
      expect_equal(set, network.now().minus(offset));
      if (testing::Test::HasFatalFailure()) return;
    }
    const Membership end = Membership::evaluate(set, network.now());
    met.members += end.members().size() > 1;
    met.rolled += end.root() != network.room().founded.root.public_key();
    met.secrets += end.secret().epoch.value > 0;
    met.devices += !end.devices().empty();
    for (unsigned person = 0; person < 7; ++person) {
      met.revoked += end.is_revoked(network.room().people.identity(person));
    }
    for (const auto& [id, stored] : set.all()) met.refused += end.refusal(id).has_value();
    for (const auto& [id, m] : end.members()) met.conflicts += !m.v4 || m.name.empty();
  }
  EXPECT_GT(evaluations, 500);
  EXPECT_GT(met.members, 20);
  EXPECT_GT(met.revoked, 20);
  EXPECT_GT(met.conflicts, 5);
  EXPECT_GT(met.refused, 20);
  EXPECT_GT(met.rolled, 3);
  EXPECT_GT(met.secrets, 10);
  EXPECT_GT(met.devices, 10);
}

TEST(MembershipProperty, ARevokeThatTakesNothingIsKnownBeforeAnEvaluation) {
  int harmless = 0;
  int harmful = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    RandomNetwork network(seed);
    network.run(60);
    std::vector<ByteVector> all = bytes_of(network.everything());
    SeededRng rng(seed * 104'729);
    shuffle(all, rng);
    StatementSet set(network.room().founded.network);
    Membership last;  // of an earlier set, as where evaluations are put off
    for (const ByteVector& bytes : all) {
      std::vector<wire::StatementId> joined;
      ASSERT_TRUE(set.add(bytes, &joined));
      bool may_lose = false;
      bool has_revoke = false;
      for (const wire::StatementId& id : joined) {
        const auto* revoke = std::get_if<wire::Revoke>(&set.find(id)->statement.body);
        if (revoke == nullptr) continue;
        has_revoke = true;
        may_lose = may_lose || last.may_lose_by(set, *revoke);
      }
      const bool only_revokes = has_revoke && joined.size() == 1;
      if (only_revokes && !may_lose) {
        // The same set without it: what it took, if anything, is the difference.
        StatementSet without(set.network());
        for (const auto& [id, stored] : set.all()) {
          if (id != joined.front()) (void)without.add(stored.bytes);
        }
        const Membership before = Membership::evaluate(without, network.now());
        const Membership after = Membership::evaluate(set, network.now());
        for (const auto& [node, member] : last.members()) {
          if (before.find(node) == nullptr) continue;
          ASSERT_NE(after.find(node), nullptr);
          ASSERT_TRUE(*after.find(node) == *before.find(node));
        }
        for (const auto& [grant, device] : last.devices()) {
          if (before.devices().contains(grant)) { ASSERT_TRUE(after.devices().contains(grant)); }
        }
        ++harmless;
      }
      harmful += only_revokes && may_lose ? 1 : 0;
      if (may_lose || rng.below(4) == 0) last = Membership::evaluate(set, network.now());
    }
  }
  EXPECT_GT(harmless, 50);
  EXPECT_GT(harmful, 20);
}

TEST(MembershipProperty, NeitherOrderNorRepetitionNorTheWayItCameMatters) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(seed);
    RandomNetwork network(seed);
    network.run(25);
    for (const StatementSet& set : network.sets()) {
      ASSERT_EQ(set.digest(), network.everything().digest());
    }
    const Membership expected = Membership::evaluate(network.everything(), network.now());
    std::vector<ByteVector> all = bytes_of(network.everything());
    SeededRng rng(seed);
    // Each statement goes to one of two sets, or to both, once or twice, in any order; then they
    // merge.
    std::vector<StatementSet> halves(2, StatementSet(network.room().founded.network));
    shuffle(all, rng);
    for (const ByteVector& bytes : all) {
      const auto where = rng.below(4);
      if (where != 1) (void)halves[0].add(bytes);
      if (where != 0) (void)halves[1].add(bytes);
      if (where == 3) (void)halves[0].add(bytes);
    }
    for (StatementSet& half : halves) {
      shuffle(all, rng);
      for (const ByteVector& bytes : all) (void)half.add(bytes);
      ASSERT_EQ(half.digest(), network.everything().digest());
      ASSERT_TRUE(Membership::evaluate(half, network.now()) == expected);
    }
  }
}

TEST(MembershipProperty, NothingChangesBeforeNextChange) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    RandomNetwork network(seed);
    network.run(40);
    const StatementSet& set = network.everything();
    UnixTime at = network.now().minus(kHour);
    for (int i = 0; i < 30; ++i) {
      const Membership before = Membership::evaluate(set, at);
      const UnixTime change = before.next_change();
      ASSERT_GT(change, at);
      if (change == UnixTime::never()) break;
      Membership last = Membership::evaluate(set, change.minus(std::chrono::seconds(1)));
      ASSERT_TRUE(last.members() == before.members());
      ASSERT_TRUE(last.invites() == before.invites());
      ASSERT_TRUE(last.secret() == before.secret());
      at = change;
    }
  }
}

TEST(MembershipProperty, EverybodyHasOwnNameAndAddress) {
  for (std::uint64_t seed = 200; seed <= 240; ++seed) {
    SCOPED_TRACE(seed);
    RandomNetwork network(seed);
    network.run(40);
    const Membership all = Membership::evaluate(network.everything(), network.now());
    std::set<Ipv4> addresses;
    std::set<std::string> names;
    for (const auto& [id, m] : all.members()) {
      EXPECT_TRUE(!m.v4 || (all.is_assignable(*m.v4) && addresses.insert(*m.v4).second));
      EXPECT_TRUE(m.name.empty() || names.insert(m.name).second);
      EXPECT_EQ(m.node, node_id_of(all.network(), m.identity));
      EXPECT_EQ(m.v6, ipv6_of(all.network(), m.identity));
      EXPECT_EQ(all.by_identity(m.identity), &m);
      if (m.v4) { EXPECT_EQ(all.by_v4(*m.v4), &m); }
      if (!m.name.empty()) { EXPECT_EQ(all.by_name(m.name), &m); }
      EXPECT_FALSE(all.is_revoked(m.identity));
    }
  }
}

}  // namespace
}  // namespace ipop::member
