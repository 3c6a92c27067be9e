#include "wire/statement.h"

#include <algorithm>

#include "base/check.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint8_t kVersion = 1;
/// Fills up an invite's epoch to the size of the tunnel key that other GRANTs have there.
constexpr std::size_t kEpochPadding = 28;
/// 10.0.0.0/8 is the largest private range; a /30 has the two addresses of a pair.
constexpr std::uint8_t kPoolLengthMin = 8;
constexpr std::uint8_t kPoolLengthMax = 30;

Result<std::string> read_name(Reader& reader, bool may_be_empty) {
  const Bytes bytes = reader.take(reader.le<std::uint8_t>());
  if (!reader.ok()) return fail(Errc::Truncated, "name");
  if (bytes.empty() && may_be_empty) return std::string();
  if (!is_valid_name(as_text(bytes))) return fail(Errc::BadValue, "name");
  return std::string(as_text(bytes));
}

void write_name(std::string_view name, Writer& writer) {
  check(name.size() <= kNameMax);
  writer.le(static_cast<std::uint8_t>(name.size()));
  writer.bytes(as_bytes(name));
}

UnixTime read_time(Reader& reader) { return {reader.le<std::uint64_t>()}; }

Result<Genesis> parse_genesis(Reader& reader) {
  Genesis out;
  out.root = reader.fixed<IdentityKey>();
  out.recovery = reader.fixed<IdentityKey>();
  out.created = read_time(reader);
  out.policy = reader.le<std::uint8_t>();
  out.pool.base.value = reader.le<std::uint32_t>();
  out.pool.length = reader.le<std::uint8_t>();
  out.secret_commit = reader.fixed<FixedBytes<SecretCommitTag, 32>>();
  out.nonce = reader.fixed<std::array<std::byte, 16>>();
  auto name = read_name(reader, false);
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  if (out.root.is_zero() || out.recovery.is_zero()) return fail(Errc::BadValue, "genesis keys");
  if ((out.policy & ~kPolicyMembersMayInvite) != 0) return fail(Errc::BadValue, "genesis policy");
  if (out.pool.length < kPoolLengthMin || out.pool.length > kPoolLengthMax ||
      !out.pool.contains(out.pool.base)) {
    return fail(Errc::BadValue, "genesis pool");
  }
  return out;
}

Result<Grant> parse_grant(Reader& reader) {
  Grant out;
  out.issuer = reader.fixed<StatementId>();
  out.subject = reader.fixed<IdentityKey>();
  const auto key_or_epoch = reader.fixed<TunnelKey>();
  const auto kind = reader.le<std::uint8_t>();
  out.rank = reader.le<std::uint8_t>();
  out.rights = reader.le<std::uint16_t>();
  out.uses = reader.le<std::uint16_t>();
  out.v4.value = reader.le<std::uint32_t>();
  out.groups = reader.le<std::uint64_t>();
  out.not_before = read_time(reader);
  out.redeem_until = read_time(reader);
  out.not_after = read_time(reader);
  auto name = read_name(reader, true);
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  if (kind > static_cast<std::uint8_t>(GrantKind::Device)) {
    return fail(Errc::BadValue, "grant kind");
  }
  out.kind = static_cast<GrantKind>(kind);
  if (out.kind == GrantKind::Invite) {
    Reader epoch(key_or_epoch.view());
    out.epoch.value = epoch.le<std::uint32_t>();
    copy_bytes(out.tunnel_key.bytes, epoch.take(kEpochPadding));  // not zero: inconsistent
  } else {
    out.tunnel_key = key_or_epoch;
  }
  if (out.subject.is_zero()) return fail(Errc::BadValue, "grant subject");
  if (!is_consistent(out)) return fail(Errc::BadValue, "grant fields");
  return out;
}

Result<Admit> parse_admit(Reader& reader) {
  Admit out;
  out.redemption = reader.fixed<StatementId>();
  out.admitter = reader.fixed<StatementId>();
  out.time = read_time(reader);
  out.v4.value = reader.le<std::uint32_t>();
  auto name = read_name(reader, false);
  if (!name) return std::unexpected(name.error());
  out.name = std::move(*name);
  if (out.v4.value == 0) return fail(Errc::BadValue, "admit address");
  return out;
}

Result<Revoke> parse_revoke(Reader& reader) {
  Revoke out;
  const auto kind = reader.le<std::uint8_t>();
  out.target = reader.fixed<IdentityKey>();
  out.issuer = reader.fixed<StatementId>();
  out.time = read_time(reader);
  out.next_epoch.value = reader.le<std::uint32_t>();
  out.next_commit = reader.fixed<FixedBytes<SecretCommitTag, 32>>();
  const auto count = reader.le<std::uint16_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "revoke");
  if (kind > static_cast<std::uint8_t>(Revoke::Target::Grant)) {
    return fail(Errc::BadValue, "revoke target kind");
  }
  out.kind = static_cast<Revoke::Target>(kind);
  const auto& target = out.target.bytes;
  const bool padded =
      std::all_of(target.begin() + 16, target.end(), [](std::byte b) { return b == std::byte{0}; });
  if (out.target.is_zero() || (out.kind == Revoke::Target::Grant && !padded)) {
    return fail(Errc::BadValue, "revoke target");
  }
  if ((out.next_epoch.value == 0) != out.next_commit.is_zero()) {
    return fail(Errc::BadValue, "revoke next secret");
  }
  if (count > kKeepMax) return fail(Errc::BadValue, "revoke keep count");
  if (reader.remaining() < count * StatementId::kSize) return fail(Errc::Truncated, "revoke keep");
  out.keep.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = reader.fixed<StatementId>();
    if (!out.keep.empty() && !(out.keep.back() < id)) return fail(Errc::BadValue, "revoke keep");
    out.keep.push_back(id);
  }
  return out;
}

Result<Config> parse_config(Reader& reader) {
  Config out;
  out.issuer = reader.fixed<StatementId>();
  out.version = reader.le<std::uint64_t>();
  const auto size = reader.le<std::uint16_t>();
  if (size > kConfigMax) return fail(Errc::BadValue, "config length");
  out.blob = to_vector(reader.take(size));
  return out;
}

Result<Roll> parse_roll(Reader& reader) {
  Roll out;
  out.epoch = reader.le<std::uint32_t>();
  out.root = reader.fixed<IdentityKey>();
  out.recovery = reader.fixed<IdentityKey>();
  const auto signer = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "roll");
  if (out.epoch == 0) return fail(Errc::BadValue, "roll epoch");
  if (out.root.is_zero() || out.recovery.is_zero()) return fail(Errc::BadValue, "roll keys");
  if (signer > static_cast<std::uint8_t>(Roll::Signer::Recovery)) {
    return fail(Errc::BadValue, "roll signer");
  }
  out.signer = static_cast<Roll::Signer>(signer);
  return out;
}

Result<Skey> parse_skey(Reader& reader) {
  Skey out;
  out.identity = reader.fixed<IdentityKey>();
  out.epoch = reader.le<std::uint32_t>();
  out.time = read_time(reader);
  out.tunnel_key = reader.fixed<TunnelKey>();
  if (!reader.ok()) return fail(Errc::Truncated, "skey");
  if (out.epoch == 0) return fail(Errc::BadValue, "skey epoch");
  if (out.identity.is_zero() || out.tunnel_key.is_zero()) return fail(Errc::BadValue, "skey keys");
  return out;
}

/// Puts a parsed body, or its error, into `out`.
template <class Body>
std::optional<Error> put(Result<Body> body, Statement& out) {
  if (!body) return body.error();
  out.body = std::move(*body);
  return std::nullopt;
}

std::optional<Error> parse_body(StatementType type, Reader& reader, Statement& out) {
  switch (type) {
    case StatementType::Genesis:
      return put(parse_genesis(reader), out);
    case StatementType::Grant:
      return put(parse_grant(reader), out);
    case StatementType::Admit:
      return put(parse_admit(reader), out);
    case StatementType::Revoke:
      return put(parse_revoke(reader), out);
    case StatementType::Config:
      return put(parse_config(reader), out);
    case StatementType::Roll:
      return put(parse_roll(reader), out);
    case StatementType::Skey:
      return put(parse_skey(reader), out);
  }
  return Error{Errc::BadValue, "statement type"};
}

/// Writes the fields of one alternative of Statement::body.
struct FieldWriter {
  Writer writer;

  void operator()(const Genesis& s) {
    writer.bytes(s.root.view());
    writer.bytes(s.recovery.view());
    writer.le(s.created.seconds);
    writer.le(s.policy);
    writer.le(s.pool.base.value);
    writer.le(s.pool.length);
    writer.bytes(s.secret_commit.view());
    writer.bytes(s.nonce);
    write_name(s.name, writer);
  }
  void operator()(const Grant& s) {
    writer.bytes(s.issuer.view());
    writer.bytes(s.subject.view());
    if (s.kind == GrantKind::Invite) {
      writer.le(s.epoch.value);
      writer.bytes(s.tunnel_key.view().first(kEpochPadding));
    } else {
      writer.bytes(s.tunnel_key.view());
    }
    writer.le(static_cast<std::uint8_t>(s.kind));
    writer.le(s.rank);
    writer.le(s.rights);
    writer.le(s.uses);
    writer.le(s.v4.value);
    writer.le(s.groups);
    writer.le(s.not_before.seconds);
    writer.le(s.redeem_until.seconds);
    writer.le(s.not_after.seconds);
    write_name(s.name, writer);
  }
  void operator()(const Admit& s) {
    writer.bytes(s.redemption.view());
    writer.bytes(s.admitter.view());
    writer.le(s.time.seconds);
    writer.le(s.v4.value);
    write_name(s.name, writer);
  }
  void operator()(const Revoke& s) {
    check(s.keep.size() <= kKeepMax);
    writer.le(static_cast<std::uint8_t>(s.kind));
    writer.bytes(s.target.view());
    writer.bytes(s.issuer.view());
    writer.le(s.time.seconds);
    writer.le(s.next_epoch.value);
    writer.bytes(s.next_commit.view());
    writer.le(static_cast<std::uint16_t>(s.keep.size()));
    for (const StatementId& id : s.keep) writer.bytes(id.view());
  }
  void operator()(const Config& s) {
    check(s.blob.size() <= kConfigMax);
    writer.bytes(s.issuer.view());
    writer.le(s.version);
    writer.le(static_cast<std::uint16_t>(s.blob.size()));
    writer.bytes(s.blob);
  }
  void operator()(const Roll& s) {
    writer.le(s.epoch);
    writer.bytes(s.root.view());
    writer.bytes(s.recovery.view());
    writer.le(static_cast<std::uint8_t>(s.signer));
  }
  void operator()(const Skey& s) {
    writer.bytes(s.identity.view());
    writer.le(s.epoch);
    writer.le(s.time.seconds);
    writer.bytes(s.tunnel_key.view());
  }
};

}  // namespace

StatementType type_of(const Statement& statement) {
  // The alternatives stand in the order of the type numbers, which begin with 1.
  return static_cast<StatementType>(statement.body.index() + 1);
}

std::string_view domain_of(StatementType type) {
  switch (type) {
    case StatementType::Genesis:
      return "ipop v1 genesis";
    case StatementType::Grant:
      return "ipop v1 grant";
    case StatementType::Admit:
      return "ipop v1 admit";
    case StatementType::Revoke:
      return "ipop v1 revoke";
    case StatementType::Config:
      return "ipop v1 config";
    case StatementType::Roll:
      return "ipop v1 roll";
    case StatementType::Skey:
      return "ipop v1 skey";
  }
  return {};
}

bool is_consistent(const Grant& grant) {
  if (grant.rank == 0 || grant.rank > kRankMax) return false;
  if (grant.rights == 0 || (grant.rights & ~kRightsAll) != 0) return false;
  if (grant.not_after < grant.not_before) return false;
  if (!grant.name.empty() && !is_valid_name(grant.name)) return false;
  if (grant.kind == GrantKind::Device &&
      (grant.v4.value == 0 || grant.name.empty() || grant.rights != kRightJoin)) {
    return false;
  }
  if (grant.kind != GrantKind::Invite) {
    return !grant.tunnel_key.is_zero() && grant.epoch.value == 0 && grant.uses == 0 &&
           grant.redeem_until.seconds == 0;
  }
  // A name or an address that is fixed for several joiners would be a conflict by design.
  const bool fixes = grant.v4.value != 0 || !grant.name.empty();
  return grant.tunnel_key.is_zero() && grant.uses != 0 && !(fixes && grant.uses != 1) &&
         grant.redeem_until.seconds != 0 && grant.redeem_until >= grant.not_before;
}

Result<Statement> parse_statement(Bytes bytes) {
  Reader reader(bytes);
  const auto type = reader.le<std::uint8_t>();
  const auto version = reader.le<std::uint8_t>();
  Statement out;
  out.network = reader.fixed<NetworkId>();
  if (!reader.ok()) return fail(Errc::Truncated, "statement");
  if (type < static_cast<std::uint8_t>(StatementType::Genesis) ||
      type > static_cast<std::uint8_t>(StatementType::Skey)) {
    return fail(Errc::BadValue, "statement type");
  }
  if (version != kVersion) return fail(Errc::BadValue, "statement version");
  const auto error = parse_body(static_cast<StatementType>(type), reader, out);
  // Zeros that a short input was read as may look like a bad value; the true reason goes first.
  if (!reader.ok()) return fail(Errc::Truncated, "statement");
  if (error) return std::unexpected(*error);
  out.signature = reader.fixed<Signature>();
  if (!reader.ok()) return fail(Errc::Truncated, "statement signature");
  if (!reader.done()) return fail(Errc::BadValue, "bytes after the statement");
  if (type == static_cast<std::uint8_t>(StatementType::Genesis) && !out.network.is_zero()) {
    return fail(Errc::BadValue, "genesis network id");
  }
  return out;
}

void write_statement_body(const Statement& statement, ByteVector& out) {
  Writer writer(out);
  writer.le(static_cast<std::uint8_t>(type_of(statement)));
  writer.le(kVersion);
  writer.bytes(statement.network.view());
  std::visit(FieldWriter{writer}, statement.body);
}

void write_statement(const Statement& statement, ByteVector& out) {
  write_statement_body(statement, out);
  append(out, statement.signature.view());
}

bool is_valid_name(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kReserved{"localhost", "wpad", "isatap",
                                                             "_gateway", "broadcasthost"};
  if (name.empty() || name.size() > kNameMax) return false;
  if (name.front() == '-' || name.back() == '-') return false;
  const bool letters = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  return letters && std::find(kReserved.begin(), kReserved.end(), name) == kReserved.end();
}

}  // namespace ipop::wire
