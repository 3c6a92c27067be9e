#include "member/reconcile.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "crypto/blake2s.h"

namespace ipop::member {
namespace {

using Ids = std::vector<wire::StatementId>;

wire::StatementId highest() {
  wire::StatementId id;
  id.bytes.fill(std::byte{0xff});
  return id;
}

/// The next id; of the highest one, zero.
wire::StatementId just_above(wire::StatementId id) {
  for (std::size_t i = id.bytes.size(); i-- > 0;) {
    id.bytes[i] = static_cast<std::byte>(std::to_integer<unsigned>(id.bytes[i]) + 1);
    if (id.bytes[i] != std::byte{0}) break;
  }
  return id;
}

/// A list where the ids fit one, else as many ranges of about equal count as a frame takes.
/// `ids` are all that there are in [lower, upper].
ReconFrame describe(const wire::StatementId& lower, const wire::StatementId& upper, Ids ids) {
  if (ids.size() <= wire::kReconIdsMax) {
    return wire::Recon{wire::Recon::Kind::Have, lower, upper, std::move(ids)};
  }
  wire::ReconRanges out;
  out.lower = lower;
  for (std::size_t i = 0; i < wire::kReconRangesMax; ++i) {
    const auto begin =
        ids.begin() + static_cast<std::ptrdiff_t>(ids.size() * i / wire::kReconRangesMax);
    const auto end =
        ids.begin() + static_cast<std::ptrdiff_t>(ids.size() * (i + 1) / wire::kReconRangesMax);
    const Ids part(begin, end);
    const bool last = i + 1 == wire::kReconRangesMax;
    out.ranges.push_back({last ? upper : part.back(), fingerprint_of(part),
                          static_cast<std::uint32_t>(part.size())});
  }
  return out;
}

}  // namespace

wire::Digest fingerprint_of(const Ids& ids) {
  const auto hash = crypto::blake2s_128({std::as_bytes(std::span(ids))});
  wire::Digest out;
  out.bytes = hash.bytes;
  return out;
}

ReconFrame begin_reconciliation(const StatementSet& set) {
  const wire::StatementId lowest;
  return describe(lowest, highest(), set.ids_between(lowest, highest()));
}

ReconAnswer answer_recon(const StatementSet& set, const wire::Recon& recon) {
  ReconAnswer out;
  if (recon.kind == wire::Recon::Kind::Want) {
    out.wanted_by_them = recon.ids;
    return out;
  }
  const Ids mine = set.ids_between(recon.lower, recon.upper);
  std::set_difference(mine.begin(), mine.end(), recon.ids.begin(), recon.ids.end(),
                      std::back_inserter(out.wanted_by_them));
  wire::Recon want{.kind = wire::Recon::Kind::Want};
  std::set_difference(recon.ids.begin(), recon.ids.end(), mine.begin(), mine.end(),
                      std::back_inserter(want.ids));
  if (!want.ids.empty()) out.frames.emplace_back(std::move(want));
  return out;
}

ReconAnswer answer_recon(const StatementSet& set, const wire::ReconRanges& recon) {
  ReconAnswer out;
  wire::StatementId lower = recon.lower;
  for (const wire::ReconRanges::Range& range : recon.ranges) {
    Ids mine = set.ids_between(lower, range.upper);
    if (mine.size() != range.count || fingerprint_of(mine) != range.fingerprint) {
      out.frames.push_back(describe(lower, range.upper, std::move(mine)));
    }
    lower = just_above(range.upper);
  }
  return out;
}

}  // namespace ipop::member
