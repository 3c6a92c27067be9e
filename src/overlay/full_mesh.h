#pragma once

#include <map>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "wire/frames.h"

namespace ipop::overlay {

/// Decides with whom to keep a session and who is told about whom: here everybody with everybody,
/// and addresses by PEERS frames. The ring replaces this type; nothing else knows which members are
/// called.
///
/// A member that is not connected is called for kAttempt, then again after a pause that grows from
/// 5 s to 5 min; a new address of it starts the calls afresh. No I/O, no clock; drain
/// poll_output().
class FullMesh {
 public:
  static constexpr Duration kAttempt = std::chrono::seconds(8);
  static constexpr Duration kPauseMin = std::chrono::seconds(5);
  static constexpr Duration kPauseMax = std::chrono::seconds(300);

  /// Start (or go on) calling, at these addresses besides those already known.
  struct Call {
    wire::NodeId node;
    std::vector<Endpoint> candidates;
  };
  /// Stop calling for now.
  struct Rest {
    wire::NodeId node;
  };
  struct Tell {
    wire::NodeId to;
    wire::Peers peers;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Call, Rest, Tell, WaitUntil>;

  explicit FullMesh(Rng& rng) : rng_(&rng) {}

  /// The members besides ourselves, whenever that changed. New ones are called if there is any
  /// address for them, gone ones forgotten.
  void set_members(Instant now, const std::vector<wire::NodeId>& members);
  /// Addresses remembered from before a restart, or named in an invite.
  void remember(Instant now, const wire::NodeId& node, const std::vector<Endpoint>& candidates);
  /// A proven session exists, at `endpoint`, and these are the peer's own candidates: it is told of
  /// all other connected ones, and they of it.
  void handle_connected(Instant now, const wire::NodeId& node, const Endpoint& endpoint,
                        const std::vector<Endpoint>& own_candidates);
  void handle_disconnected(Instant now, const wire::NodeId& node);
  /// Somebody wants to talk to this member now: call without waiting out the pause.
  void want(Instant now, const wire::NodeId& node);
  /// A connected member told us about others: hints only.
  void handle_peers(Instant now, const wire::Peers& peers);
  /// Our own addresses changed: everybody not connected is called anew.
  void handle_network_change(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

  /// What to remember on disk: last known addresses of every member heard of.
  std::vector<wire::PeerHint> remembered() const;

 private:
  struct Entry {
    std::vector<Endpoint> candidates;  ///< newest first, <= wire::kCandidatesMax
    bool connected = false;
    bool calling = false;
    Instant next = Instant::max();  ///< end of the attempt, or of the pause
    Duration pause = kPauseMin;
  };
  static bool merge(Entry& entry, const std::vector<Endpoint>& candidates);
  void call(Instant now, const wire::NodeId& node, Entry& entry);
  wire::PeerHint hint_of(const wire::NodeId& node, const Entry& entry) const;

  Rng* rng_;
  std::map<wire::NodeId, Entry> entries_;
  std::vector<Output> outputs_;
};

}  // namespace ipop::overlay
