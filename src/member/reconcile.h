#pragma once

#include <variant>
#include <vector>

#include "member/statement_set.h"
#include "wire/frames.h"

/// Makes two sets equal by talking about what differs only (range-based set reconciliation: Meyer,
/// "Range-Based Set Reconciliation", SRDS 2023). One side describes ranges of its ids by count and
/// fingerprint; the other one splits those that differ, until a range is short enough to be listed
/// whole. One difference among n ids costs about log16(n) round trips of one frame each.
///
/// Nothing is remembered between frames: each is answered from the set as it is.
namespace ipop::member {

using ReconFrame = std::variant<wire::Recon, wire::ReconRanges>;

/// BLAKE2s-128 over the ids in order. A range's ids are hashed anew each time (a quarter of a MiB
/// for the largest network whose members all know each other): sums that could be kept up to date
/// would be cheaper, and whoever may add statements could make two sets' sums equal.
wire::Digest fingerprint_of(const std::vector<wire::StatementId>& ids);

/// The first frame, about the whole set.
ReconFrame begin_reconciliation(const StatementSet& set);

struct ReconAnswer {
  std::vector<ReconFrame> frames;                 ///< <= kReconRangesMax
  std::vector<wire::StatementId> wanted_by_them;  ///< of ours, which the other side has not
};
ReconAnswer answer_recon(const StatementSet& set, const wire::Recon& recon);
ReconAnswer answer_recon(const StatementSet& set, const wire::ReconRanges& recon);

}  // namespace ipop::member
