#pragma once

#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "overlay/circle.h"

namespace ipop::overlay {

/// Attempts to get a session with members that have none, each with its back-off:
///   called for kAttempt -> rests 5 s, doubled up to 5 min, up to a fifth more -> may be called.
/// Bounded; when it is full, whoever rested longest is forgotten.
class Calls {
 public:
  static constexpr Duration kAttempt = std::chrono::seconds(8);
  static constexpr Duration kPauseMin = std::chrono::seconds(5);
  static constexpr Duration kPauseMax = std::chrono::seconds(300);
  static constexpr std::size_t kEntriesMax = 64;

  /// True when a call begins now; false while one goes on, the member rests or there is no room.
  bool start(Instant now, const NodeId& node);
  bool calling(const NodeId& node) const;
  bool resting(Instant now, const NodeId& node) const;
  /// A call to it failed since there was a session last.
  bool failed_before(const NodeId& node) const;
  std::size_t calls() const;
  /// The call ended without a session, or nobody wants it for `pause` at least. True when a call
  /// went on.
  bool fail(Instant now, const NodeId& node, Rng& rng, Duration pause = {});
  /// A session exists, or the member is gone: nothing is remembered.
  void forget(const NodeId& node);
  /// Calls that took too long: they fail, and are named.
  std::vector<NodeId> expire(Instant now, Rng& rng);
  /// Whoever rests may be called at once; the back-off begins anew.
  void wake(Instant now);
  /// Somebody says that it lives: whoever rests may be called kPauseMin after its last call.
  void hasten(Instant now, const NodeId& node);
  /// Keeps only what `keep` says.
  template <class Keep>
  std::vector<NodeId> retain(const Keep& keep) {
    std::vector<NodeId> gone;
    std::erase_if(entries_, [&](const Entry& e) {
      if (keep(e.node)) return false;
      if (e.calling) gone.push_back(e.node);
      return true;
    });
    return gone;
  }
  /// The next end of a call or, after `now`, of a rest.
  Instant next(Instant now) const;

 private:
  struct Entry {
    NodeId node;
    bool calling = false;
    Instant next{};
    Instant ended{};   ///< the last call
    Duration pause{};  ///< the last one; zero: never failed
  };
  Entry* find(const NodeId& node);
  const Entry* find(const NodeId& node) const;
  Entry* add(const NodeId& node);

  std::vector<Entry> entries_;
};

}  // namespace ipop::overlay
