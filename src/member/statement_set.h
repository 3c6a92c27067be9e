#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "crypto/ed25519.h"
#include "wire/frames.h"
#include "wire/statement.h"

namespace ipop::member {

/// BLAKE2s-128("net" || GENESIS body).
wire::NetworkId network_id_of(const wire::Statement& genesis);
/// BLAKE2s-128 of the body; a ROLL's covers its signature as well, because its body does not say
/// which of several rivals of the epoch before signed it (docs/membership.md, "root").
wire::StatementId statement_id_of(const wire::Statement& statement);
wire::NodeId node_id_of(const wire::NetworkId& network, const IdentityKey& identity);
/// fd || 40 bits of H(network id) || 80 bits of H(identity): self-certifying ULA (RFC 4193).
Ipv6 ipv6_of(const wire::NetworkId& network, const IdentityKey& identity);
/// Of a device, by its GRANT's id: it has no identity key to certify an address.
Ipv6 device_ipv6_of(const wire::NetworkId& network, const wire::StatementId& grant);
/// Its last 80 bits.
std::array<std::byte, 10> ipv6_host_of(const IdentityKey& identity);
/// The /48 all members' IPv6 addresses share, as the address with the last 80 bits zero.
Ipv6 ipv6_prefix_of(const wire::NetworkId& network);

/// What GENESIS and REVOKE commit to: BLAKE2s("ipop secret commit" || secret).
FixedBytes<wire::SecretCommitTag, 32> secret_commit_of(const crypto::Secret<32>& secret);
/// The network id where a GRANT id names an issuer: the root key of GENESIS. A later root is named
/// by the id of its ROLL.
wire::StatementId root_issuer_of(const wire::NetworkId& network);

struct StoredStatement {
  wire::StatementId id;
  wire::Statement statement;
  ByteVector bytes;    ///< canonical, with signature
  IdentityKey signer;  ///< the key that the signature was verified with
};

/// Signs a statement whose fields are filled in.
StoredStatement sign_statement(wire::Statement statement, const crypto::SigningKey& key);

/// A network's grow-only set of statements whose signatures are right. Union is the only merge: the
/// same statements in any order, however often, give an equal set. Who is a member is another
/// question (Membership).
///
/// A statement whose issuer is not known yet waits (at most kWaitingMax, oldest out first) and
/// joins the set when the issuer arrives; nothing unverified is ever in the set, its digest or an
/// answer.
class StatementSet {
 public:
  static constexpr std::size_t kWaitingMax = 512;
  static constexpr std::size_t kStatementsMax = 200000;

  enum class Added : std::uint8_t { New, Known, Waiting };

  explicit StatementSet(const wire::NetworkId& network) : network_(network) {}

  /// Parses and verifies `bytes`. Errors: parse errors; BadValue (another network, a GENESIS that
  /// does not hash to the network id, rank not issuer's + 1, GRANT beyond its issuer's); Denied
  /// (bad signature); Busy (full). `joined` (may be null) gets every id that joined the set, in
  /// order: more than one where waiting statements followed.
  Result<Added> add(Bytes bytes, std::vector<wire::StatementId>* joined = nullptr);

  const wire::NetworkId& network() const { return network_; }
  const StoredStatement* find(const wire::StatementId& id) const;
  /// Null until the GENESIS is here.
  const StoredStatement* genesis() const;
  std::size_t size() const { return statements_.size(); }
  /// Ascending by id.
  const std::map<wire::StatementId, StoredStatement>& all() const { return statements_; }
  /// Ids in [lower, upper], ascending.
  std::vector<wire::StatementId> ids_between(const wire::StatementId& lower,
                                             const wire::StatementId& upper) const;
  /// BLAKE2s-128 over the sorted ids (PROTOCOL 6).
  wire::Digest digest() const;

  /// The ADMITs of a redemption, by (time, id).
  std::vector<wire::StatementId> admits_of(const wire::StatementId& redemption) const;
  /// The GRANTs to an identity, invites apart, ascending by id.
  std::vector<wire::StatementId> grants_of(const IdentityKey& subject) const;

  /// GENESIS, then what proves `grant` (issuers, their ADMITs, the admitters' own chains), each
  /// after what it needs, then the subject's newest SKEY. Empty when unknown.
  std::vector<wire::StatementId> chain_of(const wire::StatementId& grant) const;

 private:
  /// What a statement that cannot be judged yet waits for: an id that must join first.
  struct Waiting {
    StoredStatement stored;
    wire::StatementId awaits;
  };
  /// Verified (signer), not decidable before `awaits` is here, or refused.
  struct Verdict {
    std::optional<IdentityKey> signer;
    std::optional<wire::StatementId> awaits;
    Error error{};
  };
  Verdict judge(const StoredStatement& stored) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Genesis& genesis) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Grant& grant) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Admit& admit) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Revoke& revoke) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Config& config) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Roll& roll) const;
  Verdict judge_body(const StoredStatement& stored, const wire::Skey& skey) const;
  void wait(StoredStatement stored, const wire::StatementId& awaits);
  void join(StoredStatement stored, std::vector<wire::StatementId>* joined);
  std::vector<wire::StatementId> insert(StoredStatement stored);
  void collect_chain(const wire::StatementId& id, std::size_t depth,
                     std::set<wire::StatementId>& seen, std::vector<wire::StatementId>& out) const;

  wire::NetworkId network_;
  std::map<wire::StatementId, StoredStatement> statements_;
  std::vector<Waiting> waiting_;
  wire::StatementId genesis_;
  std::unordered_multimap<IdentityKey, wire::StatementId> skeys_;
  std::unordered_multimap<IdentityKey, wire::StatementId> grants_;  ///< by subject, no invites
  std::unordered_multimap<wire::StatementId, wire::StatementId> admits_;  ///< by redemption
  std::map<std::uint32_t, std::vector<wire::StatementId>> rolls_;         ///< by epoch
  mutable std::optional<wire::Digest> digest_;  ///< of statements_; dropped by every insert
};

}  // namespace ipop::member
