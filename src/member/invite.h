#pragma once

#include <string>
#include <string_view>

#include "crypto/ed25519.h"
#include "member/statement_set.h"
#include "wire/invite.h"

namespace ipop::member {

/// The string that `ipop invite` prints.
std::string invite_string(const wire::Invite& invite);

/// What an invite of the issuer (a GRANT's id) carries for an admitter that has never heard of it:
/// its chain without GENESIS, oldest first. May be too long (wire::is_invite_readable).
std::vector<ByteVector> invite_chain(const StatementSet& set, const wire::StatementId& issuer);

/// Reads what the user pasted: text, checksum, layout; derives the throw-away key, fills the
/// grant's network and subject back in. Errors, `what` fit for the user: BadValue "this is not an
/// ipop invite", "the invite is damaged …"; Unsupported (newer version).
struct ReadInvite {
  wire::Invite invite;
  crypto::SigningKey key;
  wire::StatementId grant;
};
Result<ReadInvite> read_invite(std::string_view text);

}  // namespace ipop::member
