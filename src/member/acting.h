#pragma once

#include "member/author.h"

/// What the verbs of author.h share.
namespace ipop::member {

/// The author's GRANT, with what its statements must respect.
struct Acting {
  wire::StatementId id;
  const wire::Grant* grant;
  UnixTime since;

  /// A time for a statement by this GRANT: the evaluation goes by (time, id), so nothing of its
  /// subject may be older than the GRANT itself, however slow this computer's clock is.
  UnixTime time(UnixTime now) const { return std::max(now, since.plus(std::chrono::seconds(1))); }
};
/// The GRANTs that the author's key may act by now: the one it names, then by (rank, id). Somebody
/// who was made an admin, or is none any longer, holds several without having to know.
std::vector<Acting> acting_grants(const Membership& membership, const StatementSet& set,
                                  const Author& author);
/// The first of them that has all `rights`, else the first; error Denied when there is none.
Authored<Acting> acting(const Membership& membership, const StatementSet& set, const Author& author,
                        wire::Rights rights = 0);

/// Null when `id` is no GRANT of the set.
const wire::Grant* grant_of(const StatementSet& set, const wire::StatementId& id);
/// Whether `id` was issued, over any number of steps, by the subject of `ancestor` as such.
bool descends_from(const StatementSet& set, wire::StatementId id,
                   const wire::StatementId& ancestor);
/// Whether one more live GRANT of this issuer still counts.
bool has_room_for_grant(const Membership& membership, const StatementSet& set,
                        const wire::StatementId& issuer, UnixTime now);
wire::Statement statement_of(const StatementSet& set, decltype(wire::Statement::body) body);

}  // namespace ipop::member
