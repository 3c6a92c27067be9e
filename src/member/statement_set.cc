#include "member/statement_set.h"

#include <algorithm>

#include "crypto/blake2s.h"
#include "member/issuer.h"

namespace ipop::member {
namespace {

/// Stands for "some ROLL or GENESIS" in what a ROLL without a verifiable predecessor waits for.
constexpr wire::StatementId kAnyRoot{};

bool has_signature_of(const IdentityKey& key, const StoredStatement& stored) {
  const std::string_view domain = wire::domain_of(wire::type_of(stored.statement));
  const Bytes body = Bytes(stored.bytes).first(stored.bytes.size() - Signature::kSize);
  return crypto::verify(key, as_bytes(domain), body, stored.statement.signature);
}

/// An SKEY waits for a GRANT to its identity, of which it knows no id. Another identity with the
/// same beginning only makes it be judged once more.
wire::StatementId subject_alias(const IdentityKey& identity) {
  wire::StatementId out;
  copy_bytes(out.bytes, identity.view().first(out.bytes.size()));
  return out;
}

const wire::Genesis& genesis_body(const StoredStatement& stored) {
  return std::get<wire::Genesis>(stored.statement.body);
}

}  // namespace

Result<StatementSet::Added> StatementSet::add(Bytes bytes, std::vector<wire::StatementId>* joined) {
  if (bytes.size() > wire::kStatementSizeMax) return fail(Errc::BadValue, "statement too long");
  auto parsed = wire::parse_statement(bytes);
  if (!parsed) return std::unexpected(parsed.error());
  const bool is_genesis = wire::type_of(*parsed) == wire::StatementType::Genesis;
  if ((is_genesis ? network_id_of(*parsed) : parsed->network) != network_) {
    return fail(Errc::BadValue, "statement of another network");
  }
  StoredStatement stored{statement_id_of(*parsed), std::move(*parsed), to_vector(bytes), {}};
  if (statements_.contains(stored.id)) return Added::Known;
  if (statements_.size() >= kStatementsMax) return fail(Errc::Busy, "too many statements");
  const Verdict verdict = judge(stored);
  if (verdict.awaits) {
    wait(std::move(stored), *verdict.awaits);
    return Added::Waiting;
  }
  if (!verdict.signer) return std::unexpected(verdict.error);
  stored.signer = *verdict.signer;
  join(std::move(stored), joined);
  return Added::New;
}

StatementSet::Verdict StatementSet::judge(const StoredStatement& stored) const {
  return std::visit([&](const auto& body) { return judge_body(stored, body); },
                    stored.statement.body);
}

namespace {

/// The verdict once the rules are met: the signature decides.
template <class Verdict>
Verdict signed_by(const IdentityKey& key, const StoredStatement& stored) {
  if (has_signature_of(key, stored)) return {.signer = key};
  return {.error = {Errc::Denied, "statement with a wrong signature"}};
}

template <class Verdict>
Verdict refused(std::string_view what) {
  return {.error = {Errc::BadValue, what}};
}

}  // namespace

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Genesis& genesis) const {
  return signed_by<Verdict>(genesis.root, stored);
}

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Grant& grant) const {
  if (genesis() == nullptr) return {.awaits = root_issuer_of(network_)};
  const auto issuer = find_issuer(*this, grant.issuer);
  if (!issuer) return {.error = issuer.error()};
  if (!*issuer) return {.awaits = grant.issuer};
  if (const auto error = check_grant(grant, **issuer, genesis_body(*genesis()).policy)) {
    return {.error = *error};
  }
  return signed_by<Verdict>((*issuer)->key, stored);
}

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Admit& admit) const {
  const auto redemption = find_issuer(*this, admit.redemption);
  if (!redemption) return {.error = redemption.error()};
  if (!*redemption) return {.awaits = admit.redemption};
  const auto admitter = find_issuer(*this, admit.admitter);
  if (!admitter) return {.error = admitter.error()};
  if (!*admitter) return {.awaits = admit.admitter};
  if ((*redemption)->grant == nullptr || (*redemption)->kind != wire::GrantKind::Redemption) {
    return refused<Verdict>("admit of something that is no redemption");
  }
  if ((*admitter)->grant == nullptr || !is_member_kind((*admitter)->kind)) {
    return refused<Verdict>("admit by somebody who is no member");
  }
  if ((*admitter)->key == (*redemption)->key) return refused<Verdict>("admit of oneself");
  return signed_by<Verdict>((*admitter)->key, stored);
}

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Revoke& revoke) const {
  const auto issuer = find_issuer(*this, revoke.issuer);
  if (!issuer) return {.error = issuer.error()};
  if (!*issuer) return {.awaits = revoke.issuer};
  if (!is_member_kind((*issuer)->kind)) {
    return refused<Verdict>("revoke by an invite key or a device");
  }
  return signed_by<Verdict>((*issuer)->key, stored);
}

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Config& config) const {
  const auto issuer = find_issuer(*this, config.issuer);
  if (!issuer) return {.error = issuer.error()};
  if (!*issuer) return {.awaits = config.issuer};
  if (!is_member_kind((*issuer)->kind) || ((*issuer)->rights & wire::kRightConfig) == 0) {
    return refused<Verdict>("config without the right");
  }
  return signed_by<Verdict>((*issuer)->key, stored);
}

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Roll& roll) const {
  const auto signer_of = [&](const IdentityKey& root, const IdentityKey& recovery) {
    return roll.signer == wire::Roll::Signer::Root ? root : recovery;
  };
  if (genesis() == nullptr) return {.awaits = kAnyRoot};
  if (roll.epoch == 1) {
    const wire::Genesis& first = genesis_body(*genesis());
    return signed_by<Verdict>(signer_of(first.root, first.recovery), stored);
  }
  if (const auto before = rolls_.find(roll.epoch - 1); before != rolls_.end()) {
    for (const wire::StatementId& id : before->second) {
      const auto& rival = std::get<wire::Roll>(find(id)->statement.body);
      const IdentityKey key = signer_of(rival.root, rival.recovery);
      if (has_signature_of(key, stored)) return {.signer = key};
    }
  }
  return {.awaits = kAnyRoot};
}

StatementSet::Verdict StatementSet::judge_body(const StoredStatement& stored,
                                               const wire::Skey& skey) const {
  if (!grants_.contains(skey.identity)) return {.awaits = subject_alias(skey.identity)};
  return signed_by<Verdict>(skey.identity, stored);
}

void StatementSet::wait(StoredStatement stored, const wire::StatementId& awaits) {
  // Compared as a whole: nothing is verified yet, so another signature may be the right one.
  const bool known = std::ranges::any_of(
      waiting_, [&](const Waiting& w) { return equal_bytes(w.stored.bytes, stored.bytes); });
  if (known) return;
  if (waiting_.size() >= kWaitingMax) waiting_.erase(waiting_.begin());
  waiting_.push_back({std::move(stored), awaits});
}

void StatementSet::join(StoredStatement stored, std::vector<wire::StatementId>* joined) {
  if (joined != nullptr) joined->push_back(stored.id);
  std::vector<wire::StatementId> arrived = insert(std::move(stored));
  for (std::size_t next = 0; next < arrived.size(); ++next) {
    const wire::StatementId id = arrived[next];
    std::vector<Waiting> ready;
    const auto is_ready = [&](const Waiting& w) { return w.awaits == id; };
    for (Waiting& w : waiting_) {
      if (is_ready(w)) ready.push_back(w);
    }
    std::erase_if(waiting_, is_ready);
    for (Waiting& w : ready) {
      if (statements_.contains(w.stored.id) || statements_.size() >= kStatementsMax) continue;
      const Verdict verdict = judge(w.stored);
      if (verdict.awaits) {
        wait(std::move(w.stored), *verdict.awaits);
      } else if (verdict.signer) {
        w.stored.signer = *verdict.signer;
        if (joined != nullptr) joined->push_back(w.stored.id);
        for (const wire::StatementId& more : insert(std::move(w.stored))) arrived.push_back(more);
      }
    }
  }
}

/// Puts a verified statement in; returns what others may be waiting for.
std::vector<wire::StatementId> StatementSet::insert(StoredStatement stored) {
  const wire::StatementId id = stored.id;
  std::vector<wire::StatementId> provides{id};
  const auto& body = stored.statement.body;
  if (std::holds_alternative<wire::Genesis>(body)) {
    genesis_ = id;
    provides.push_back(root_issuer_of(network_));
    provides.push_back(kAnyRoot);
  } else if (const auto* roll = std::get_if<wire::Roll>(&body)) {
    rolls_[roll->epoch].push_back(id);
    provides.push_back(kAnyRoot);
  } else if (const auto* grant = std::get_if<wire::Grant>(&body)) {
    if (is_member_kind(grant->kind)) {
      grants_.emplace(grant->subject, id);
      provides.push_back(subject_alias(grant->subject));
    }
  } else if (const auto* admit = std::get_if<wire::Admit>(&body)) {
    admits_.emplace(admit->redemption, id);
  } else if (const auto* skey = std::get_if<wire::Skey>(&body)) {
    skeys_.emplace(skey->identity, id);
  }
  digest_.reset();
  statements_.emplace(id, std::move(stored));
  return provides;
}

const StoredStatement* StatementSet::find(const wire::StatementId& id) const {
  const auto it = statements_.find(id);
  return it == statements_.end() ? nullptr : &it->second;
}

const StoredStatement* StatementSet::genesis() const { return find(genesis_); }

std::vector<wire::StatementId> StatementSet::ids_between(const wire::StatementId& lower,
                                                         const wire::StatementId& upper) const {
  std::vector<wire::StatementId> out;
  for (auto it = statements_.lower_bound(lower); it != statements_.end() && it->first <= upper;
       ++it) {
    out.push_back(it->first);
  }
  return out;
}

wire::Digest StatementSet::digest() const {
  if (!digest_) {
    ByteVector ids;
    ids.reserve(statements_.size() * wire::StatementId::kSize);
    for (const auto& [id, stored] : statements_) append(ids, id.view());
    digest_ = wire::Digest{crypto::blake2s_128({ids}).bytes};
  }
  return *digest_;
}

}  // namespace ipop::member
