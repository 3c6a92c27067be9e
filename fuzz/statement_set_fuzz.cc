// Statements from a network's members, honest or not, in any order: what joins a set and what the
// set says must not depend on the order, and nothing may crash. The input is a script: signed
// statements made up from its bytes, and raw bytes as they stand.
#include <cstdint>
#include <cstdlib>

#include "member/author.h"
#include "member/invite.h"
#include "wire/reader.h"

namespace {

using namespace ipop;          // NOLINT(google-build-using-namespace)
using namespace ipop::member;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kKeys = 6;
constexpr std::size_t kStepsMax = 24;
constexpr UnixTime kStart{1'700'000'000};

struct World {
  std::vector<crypto::SigningKey> keys;
  std::optional<Founded> founded;
};

World make_world() {
  World world;
  for (std::size_t i = 0; i < kKeys; ++i) {
    crypto::Secret<32> seed;
    seed.reveal_mutable()[0] = std::byte(i + 1);
    world.keys.push_back(crypto::SigningKey::from_seed(std::move(seed)));
  }
  SeededRng rng(1);
  TunnelKey tunnel;
  tunnel.bytes[0] = std::byte{1};
  auto founded =
      found_network({"family", "alice", {{0x0a530000U}, 29}}, world.keys[0], tunnel, kStart, rng);
  if (!founded) std::abort();
  world.founded.emplace(std::move(*founded));
  return world;
}

void expect(bool ok) {
  if (!ok) std::abort();
}

class Script {
 public:
  Script(Bytes input, const World& world) : in_(input), world_(&world) {
    for (const ByteVector& bytes : world.founded->statements) note(bytes);
  }

  std::vector<ByteVector> run() && {
    for (std::size_t i = 0; i < kStepsMax && in_.remaining() > 0; ++i) step();
    return std::move(statements_);
  }

 private:
  std::uint8_t byte() { return in_.le<std::uint8_t>(); }
  const crypto::SigningKey& key() {
    const std::uint8_t n = byte() % (kKeys + 2);
    if (n == kKeys) return world_->founded->root;
    if (n == kKeys + 1) return world_->founded->recovery;
    return world_->keys[n];
  }
  wire::StatementId id() {
    const std::size_t n = byte() % (ids_.size() + 1);
    return n == ids_.size() ? root_issuer_of(world_->founded->network) : ids_[n];
  }
  UnixTime time() { return {kStart.seconds + in_.le<std::uint16_t>() * 4U}; }
  std::vector<wire::StatementId> keeps() {
    std::vector<wire::StatementId> out;
    const auto mask = in_.le<std::uint32_t>();
    for (std::size_t i = 0; i < ids_.size() && i < 32; ++i) {
      if ((mask >> i & 1U) != 0) out.push_back(ids_[i]);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  void note(const ByteVector& bytes) {
    if (const auto parsed = wire::parse_statement(bytes)) ids_.push_back(statement_id_of(*parsed));
    statements_.push_back(bytes);
  }
  void sign(decltype(wire::Statement::body) body, const crypto::SigningKey& by) {
    note(sign_statement({.network = world_->founded->network, .body = std::move(body)}, by).bytes);
  }

  void step() {
    static constexpr std::string_view kNames[] = {"alice", "bob", "carol"};
    switch (byte() % 8) {
      case 0: {
        const Bytes raw = in_.take(std::min<std::size_t>(byte(), in_.remaining()));
        return note(to_vector(raw));
      }
      case 1:
      case 2:
        return grant();
      case 3: {
        const auto& by = key();
        return sign(
            wire::Admit{
                id(), id(), time(), {0x0a530000U + byte() % 9U}, std::string(kNames[byte() % 3])},
            by);
      }
      case 4: {
        const auto& by = key();
        wire::Revoke revoke{.target = key().public_key(), .issuer = id(), .time = time()};
        if (byte() % 4 == 0) {
          revoke.kind = wire::Revoke::Target::Grant;
          revoke.target = {};
          copy_bytes(revoke.target.bytes, id().view());
        }
        revoke.next_epoch = {byte() % 4U};
        if (revoke.next_epoch.value != 0) revoke.next_commit.bytes[0] = std::byte{1};
        revoke.keep = keeps();
        return sign(std::move(revoke), by);
      }
      case 5: {
        const auto& by = key();
        return sign(wire::Config{id(), byte(), {}}, by);
      }
      case 6: {
        const auto& by = key();
        return sign(
            wire::Roll{1U + byte() % 3U, key().public_key(), key().public_key(),
                       byte() % 2 == 0 ? wire::Roll::Signer::Root : wire::Roll::Signer::Recovery},
            by);
      }
      default: {
        const auto& by = key();
        wire::Skey skey{by.public_key(), 1U + byte() % 3U, time(), {}};
        skey.tunnel_key.bytes[0] = std::byte(1U + byte() % 8U);
        return sign(skey, by);
      }
    }
  }

  void grant() {
    const auto& by = key();
    wire::Grant grant{.issuer = id(), .subject = key().public_key()};
    const auto kind = byte();
    grant.kind = kind < 240 ? static_cast<wire::GrantKind>(kind % 3) : wire::GrantKind::Device;
    grant.rank = static_cast<std::uint8_t>(1 + byte() % 8);
    grant.rights = static_cast<wire::Rights>(byte() | wire::kRightJoin);
    grant.not_before = time();
    if (grant.kind == wire::GrantKind::Invite) {
      grant.uses = static_cast<std::uint16_t>(1 + byte() % 3);
      grant.redeem_until = time();
    } else if (grant.kind == wire::GrantKind::Device) {
      grant.rights = wire::kRightJoin;
      copy_bytes(grant.tunnel_key.bytes, grant.subject.view());
      grant.v4 = {0x0a530000U + byte() % 9U};
      grant.name = byte() % 2 == 0 ? "phone" : "alice";
    } else {
      grant.tunnel_key.bytes[0] = std::byte(1U + byte() % 8U);
    }
    if (byte() % 2 == 0) grant.not_after = time();
    sign(std::move(grant), by);
  }

  wire::Reader in_;
  const World* world_;
  std::vector<wire::StatementId> ids_;
  std::vector<ByteVector> statements_;
};

void exercise(const StatementSet& set, const Membership& all) {
  for (const auto& [id, stored] : set.all()) {
    expect(statement_id_of(stored.statement) == id);
    (void)set.chain_of(id);
    (void)all.refusal(id);
  }
  for (const auto& [id, member] : all.members()) {
    expect(all.by_identity(member.identity) == &member);
    expect(!member.v4 || all.by_v4(*member.v4) == &member);
    expect(member.name.empty() || all.by_name(member.name) == &member);
    expect(!all.is_revoked(member.identity));
  }
  for (const auto& [grant, device] : all.devices()) {
    expect(all.find(device.host) != nullptr);
    expect(all.by_name(device.name) == nullptr && all.by_v4(device.v4) == nullptr);
    expect(all.device_by_name(device.name) == &device && all.device_by_v4(device.v4) == &device);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World kWorld = make_world();
  const Bytes input = std::as_bytes(std::span(data, size));
  (void)read_invite(as_text(input));
  const std::vector<ByteVector> statements = Script(input, kWorld).run();
  StatementSet forward(kWorld.founded->network);
  StatementSet backward(kWorld.founded->network);
  for (const ByteVector& bytes : statements) (void)forward.add(bytes);
  for (auto it = statements.rbegin(); it != statements.rend(); ++it) (void)backward.add(*it);
  expect(forward.digest() == backward.digest());
  const UnixTime at{kStart.seconds + (size > 1 ? data[size - 1] * 1024U : 0U)};
  const Membership one = Membership::evaluate(forward, at);
  expect(one == Membership::evaluate(backward, at));
  expect(one.next_change() > at);
  exercise(forward, one);
  return 0;
}
