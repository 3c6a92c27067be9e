#pragma once

#include <optional>
#include <vector>

#include "member/graph.h"
#include "wire/frames.h"

namespace ipop::member {

/// Decides which statements of a graph count at a time: docs/membership.md, "evaluation". First the
/// revocations are accepted by ascending stage, each stage judged by a pass over the events under
/// what the stages before accepted; a last pass under all of them gives the answer.
class Evaluation {
 public:
  using Index = Graph::Index;

  /// What became of one principal in the last pass.
  struct State {
    bool stands = false;     ///< its chain counts, whether or not it is itself revoked
    UnixTime since;          ///< of the event that made it stand
    std::uint32_t used = 0;  ///< of an invite: redemptions that stand
    std::optional<wire::ByeReason> refusal;  ///< of a redemption whose ADMIT did not count
  };
  struct Counted {
    const Graph::Event* event = nullptr;
    bool first = false;  ///< made the node stand; later ones may only supply a name or an address
  };

  /// `graph` must outlive this. Requires: it has a GENESIS.
  Evaluation(const Graph& graph, UnixTime at);

  const State& state(Index node) const { return states_[node]; }
  bool is_revoked(Index node) const { return downs_[node].revoked; }
  bool is_revoked_by_key(Index node) const { return downs_[node].by_key; }
  /// Stands, is not revoked and has not expired.
  bool is_valid(Index node) const;
  /// Whether an invite's own issuer counts and lets it count.
  bool invite_stands(Index invite) const;
  /// Whether what `node` issued as `id` counts.
  bool acts(Index node, const wire::StatementId& id) const { return acts(node, id, nullptr); }
  /// False when a revocation of `node` keeps `id` from counting, whether or not `node` stands.
  bool lets_pass(Index node, const wire::StatementId& id) const;
  /// In order.
  const std::vector<Counted>& counted() const { return counted_; }
  bool is_accepted(std::size_t revocation) const { return accepted_[revocation]; }

 private:
  /// What the accepted revocations of one principal let survive.
  struct Down {
    bool revoked = false;
    bool by_key = false;
    std::optional<std::vector<wire::StatementId>> kept_by_others;
    std::optional<std::vector<wire::StatementId>> kept_by_itself;
    UnixTime left_at = UnixTime::never();
  };

  void accept_revocations();
  void accept(const Graph::Revocation& revocation);
  void pass();
  void find_excess();
  bool is_live(Index grant) const;
  void apply(const Graph::Event& event);
  bool admit_counts(const Graph::Event& event);
  bool acts(Index node, const wire::StatementId& id, const UnixTime* admit_time) const;
  bool is_kept(const Down& down, const wire::StatementId& id, const UnixTime* admit_time) const;
  bool is_before_end(Index node, UnixTime time) const;

  const Graph* graph_;
  UnixTime at_;
  std::vector<State> states_;
  std::vector<Down> downs_;
  std::vector<bool> in_excess_;  ///< GRANTs beyond their issuer's kLiveGrantsMax
  std::vector<bool> has_redemption_;
  std::vector<bool> accepted_;
  std::vector<Counted> counted_;
};

}  // namespace ipop::member
