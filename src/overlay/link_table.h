#pragma once

#include <optional>
#include <vector>

#include "base/time.h"
#include "overlay/circle.h"

namespace ipop::overlay {

/// What the engine knows of a session's path.
struct LinkQuality {
  bool direct = true;
  std::optional<Duration> rtt;
};

/// The near role on one link:  None -> Asked -> Up -> Displaced -> None; a request of the peer that
/// suits us makes it Up from any state.
enum class NearState : std::uint8_t { None, Asked, Up, Displaced };

/// One proven session, its roles and what the peer tells of its own links (two-hop knowledge).
struct Link {
  NodeId node;
  RingId id;
  bool direct = true;
  bool held = false;              ///< the engine was told to keep it
  bool long_out = false;          ///< a long link that we asked for
  bool long_in = false;           ///< a long link that the peer asked for
  bool released_by_peer = false;  ///< it sent UNLINK(near); we may still need it
  bool suspect = false;           ///< a hop acknowledgement is missing
  bool reported = false;          ///< ... and the engine was told
  NearState near = NearState::None;
  std::uint8_t asks = 0;            ///< unanswered LINK_REQUEST(near)
  std::uint8_t unlinks = 0;         ///< unanswered UNLINK(long)
  std::uint8_t unanswered = 0;      ///< FINDs in a row that went this way and were not answered
  std::uint16_t size_log2_256 = 0;  ///< the peer's own estimate; 0 before its first NEIGHBOURS
  std::uint16_t tokens = 200;       ///< frames it may still make us forward
  Duration rtt{};                   ///< smoothed; zero: unknown
  Duration rtt_variation{};
  Instant since{};                          ///< it came up
  Instant near_deadline{};                  ///< Asked: ask again; Displaced: drop
  Instant refused_until{};                  ///< it declined the near role: not asked before
  Instant keep_until{};                     ///< without a role it is kept so long for one to come
  Instant suspect_deadline{};               ///< report then
  Instant unlink_at = Instant::max();       ///< UNLINK(long) goes out again; max: it is answered
  Instant long_in_until{};                  ///< the peer has not asked again by then: over
  Instant refilled{};                       ///< tokens
  std::vector<wire::Neighbour> neighbours;  ///< ascending

  bool has_role() const { return near != NearState::None || long_out || long_in; }
  /// In use for routing: the role is agreed.
  bool established() const {
    return near == NearState::Up || near == NearState::Displaced || long_out || long_in;
  }
  bool lists(RingId other) const;
  /// One measured round trip (RFC 6298 section 2).
  void note_rtt(Duration sample);
  /// RTO = max(250 ms, srtt + 4 var); half a second while nothing was measured.
  Duration timeout() const;
};

/// All links, in ring order. References are valid until the next add() or remove().
class LinkTable {
 public:
  /// Requires: not there yet.
  Link& add(const NodeId& node);
  bool remove(const NodeId& node);
  Link* find(const NodeId& node);
  const Link* find(const NodeId& node) const;
  Link* find(RingId id);
  const Link* find(RingId id) const;
  bool empty() const { return links_.empty(); }
  std::size_t size() const { return links_.size(); }
  auto begin() { return links_.begin(); }
  auto end() { return links_.end(); }
  auto begin() const { return links_.begin(); }
  auto end() const { return links_.end(); }

 private:
  std::vector<Link>::const_iterator lower_bound(RingId id) const;

  std::vector<Link> links_;
};

}  // namespace ipop::overlay
