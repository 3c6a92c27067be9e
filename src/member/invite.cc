#include "member/invite.h"

#include "crypto/blake2s.h"

namespace ipop::member {
namespace {

wire::InviteChecksum checksum_of(Bytes layout) {
  wire::InviteChecksum out{};
  copy_bytes(out, crypto::blake2s({as_bytes("ipop invite"), layout}).view().first(out.size()));
  return out;
}

}  // namespace

std::string invite_string(const wire::Invite& invite) {
  ByteVector layout = wire::write_invite(invite);
  std::string text = wire::invite_text(layout, checksum_of(layout));
  crypto::wipe(layout);
  return text;
}

std::vector<ByteVector> invite_chain(const StatementSet& set, const wire::StatementId& issuer) {
  std::vector<ByteVector> out;
  for (const wire::StatementId& id : set.chain_of(issuer)) {
    const StoredStatement* s = set.find(id);
    if (s != nullptr && !std::holds_alternative<wire::Genesis>(s->statement.body)) {
      out.push_back(s->bytes);
    }
  }
  return out;
}

Result<ReadInvite> read_invite(std::string_view text) {
  auto parsed = wire::parse_invite_text(text);
  if (!parsed) return std::unexpected(parsed.error());
  const bool intact = checksum_of(parsed->layout) == parsed->checksum;
  auto invite = wire::parse_invite(parsed->layout);
  // A newer version may have another checksum, so it is named before anything is called damaged.
  const bool newer = !invite && invite.error().code == Errc::Unsupported;
  crypto::wipe(parsed->layout);
  if (!intact && !newer) {
    return fail(Errc::BadValue, "the invite is damaged: copy it once more, all of it");
  }
  if (!invite) return std::unexpected(invite.error());
  auto seed = crypto::Secret<32>::from(invite->seed);
  ReadInvite out{.invite = std::move(*invite),
                 .key = crypto::SigningKey::from_seed(std::move(*seed)),
                 .grant = {}};
  auto* grant = std::get_if<wire::Grant>(&out.invite.grant.body);
  if (grant == nullptr || grant->kind != wire::GrantKind::Invite) {
    return fail(Errc::BadValue, "the invite is damaged: ask for a new one");
  }
  out.invite.grant.network = out.invite.network;
  grant->subject = out.key.public_key();
  out.grant = statement_id_of(out.invite.grant);
  return out;
}

}  // namespace ipop::member
