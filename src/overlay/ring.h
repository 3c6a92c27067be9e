#pragma once

#include <variant>
#include <vector>

#include "base/random.h"
#include "overlay/calls.h"
#include "overlay/directory.h"
#include "overlay/link_table.h"
#include "overlay/near_set.h"
#include "overlay/transit.h"
#include "wire/frames.h"

namespace ipop::overlay {

/// The overlay of one network: which members keep a session with which, and how datagrams travel
/// over these sessions. The members form a ring by RingId; each links its nearest `near_per_side`
/// on either side and about half log2 of the network's size more at distances drawn harmonically.
/// Everybody tells its links whom it links, so that a step looks two hops ahead. Up to nine members
/// the same rule gives a full mesh.
///
/// No I/O, no clock: after any handle_*() or send_datagram(), poll_output() until WaitUntil, then
/// the next call. What a peer says about others is a hint; only members of the directory are
/// called, and a FORWARD's source is not believed.
class Ring {
 public:
  struct Options {
    std::size_t near_per_side = 4;
    std::size_t long_in_max = 14;  ///< long links accepted from others
  };

  /// A session with this member is wanted for the ring, by any means; if there is one, keep it, and
  /// answer handle_up() if that was not told yet.
  struct Connect {
    NodeId node;
  };
  /// The ring needs no session with it any longer.
  struct Release {
    NodeId node;
  };
  /// On the proven session with `to`; a frame above wire::kFrameSizeMax goes as PARTs.
  struct Send {
    NodeId to;
    ByteVector frame;
  };
  /// A datagram that was routed to us. The source is whoever the sender claims to be.
  struct Deliver {
    NodeId source;
    NodeId hop;  ///< the link that brought it
    ByteVector datagram;
  };
  /// A datagram did not arrive, as far as anybody can tell.
  struct Undeliverable {
    NodeId destination;
  };
  /// Frames to this link are not acknowledged: see at once whether its session is alive, and tell
  /// handle_down() if not.
  struct Suspect {
    NodeId node;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Connect, Release, Send, Deliver, Undeliverable, Suspect, WaitUntil>;

  /// Borrows `rng` for its life.
  Ring(Rng& rng, const NodeId& self, const Options& options);
  Ring(Rng& rng, const NodeId& self) : Ring(rng, self, Options{}) {}

  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// The valid members, with or without ourselves, whenever that changed. Borrowed until the next
  /// call. Who is not in it any more loses every role.
  void set_directory(Instant now, const Directory& directory);
  /// A proven session exists; again when its path changes between direct and relayed.
  void handle_up(Instant now, const NodeId& node, const LinkQuality& quality);
  void handle_down(Instant now, const NodeId& node);
  /// What Connect asked for ended without a session.
  void handle_unreachable(Instant now, const NodeId& node);
  /// Frames of other kinds are ignored, as are those of members without handle_up().
  void handle_frame(Instant now, const NodeId& from, const wire::Frame& frame);
  /// At most wire::kForwardPayloadMax bytes, at least one. Goes back the way of the last datagram
  /// that came from there if that is fresh, else by FORWARD.
  void send_datagram(Instant now, const NodeId& destination, Bytes datagram);
  /// Our own addresses changed, or we woke up: everybody may be called at once.
  void handle_network_change(Instant now);
  /// Says good-bye to all links; afterwards everything but poll_output() does nothing.
  void leave(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

  const LinkTable& links() const { return links_; }
  /// A near link is up on each side, or there is nobody else.
  bool in_ring() const;
  /// 256 x log2 of the number of members online, estimated.
  std::uint16_t size_log2_256() const;
  /// Long links that we keep up, or try to.
  std::size_t long_links_wanted() const { return slots_.size(); }

 private:
  enum class Purpose : std::uint8_t { Check, Merge, Long };
  struct Find {
    std::uint64_t message = 0;
    Purpose purpose = Purpose::Check;
    wire::ForwardMode mode = wire::ForwardMode::Successor;
    NodeId destination;
    RingId first_hop;
    std::uint64_t context = 0;  ///< Merge: the epoch; Long: the slot
    Instant deadline{};
    std::uint8_t tries = 0;
  };
  struct Slot {
    enum class State : std::uint8_t { Empty, Finding, Calling, Asked, Up, Borrowed };
    State state = State::Empty;
    std::uint8_t tries = 0;
    std::uint8_t misses = 0;  ///< draws in a row that gave no link
    std::uint8_t asks = 0;    ///< unanswered LINK_REQUESTs
    NodeId node;
    Instant
        next{};  ///< Empty: draw then; Asked, Up: ask again; Borrowed: look whether it still fits
    std::vector<NodeId> others;  ///< to be tried after `node`
  };
  struct SentDatagram {
    std::uint64_t message = 0;
    NodeId destination;
  };
  /// The way back to who sent us a datagram.
  struct ReturnWay {
    NodeId source;
    std::uint64_t message = 0;
    Instant until{};
    std::uint8_t uses = 0;
    bool turn = false;  ///< the next one goes by FORWARD
  };
  struct ProbeAsk {
    RingId id;
    NodeId asker;
    Instant until{};
  };

  // ring.cc: life of links, timers, outputs
  template <class F>
  void send(const NodeId& to, const F& frame);
  void settle(Instant now);
  void call(Instant now, const NodeId& node);
  void hold(Link& link);
  void boot(Instant now);
  void release_unneeded(Instant now);
  void call_failed(Instant now, const NodeId& node);
  void drop_link(Instant now, const NodeId& node, bool tell);
  Instant next_deadline() const;
  bool knows_others() const;
  Duration up_to(Duration most) {
    return Duration(
        static_cast<std::int64_t>(rng_->below(static_cast<std::uint64_t>(most.count()) + 1)));
  }

  // ring_near.cc: near links, neighbour lists
  void update_near(Instant now);
  void ask_near(Instant now, Link& link);
  void displace(Instant now, Link& link);
  void near_timeouts(Instant now);
  void handle_neighbours(Instant now, Link& link, const wire::Neighbours& frame);
  void handle_link_request(Instant now, Link& link, const wire::LinkRequest& frame);
  void handle_link_answer(Instant now, Link& link, const wire::LinkAnswer& frame);
  void handle_unlink(Instant now, Link& link, const wire::Unlink& frame);
  void announce(Instant now);
  wire::Neighbours own_neighbours() const;
  bool matters(RingId id) const;

  // ring_long.cc: long links
  void update_long(Instant now);
  void resize_slots(Instant now);
  void draw(Instant now, std::size_t slot);
  void choose(Instant now, std::size_t slot);
  void long_found(Instant now, std::size_t slot, const wire::Found& found);
  void long_up(Instant now, Link& link);
  void long_listed(Instant now, const Link& link, const wire::Neighbours& frame);
  void ask_long(Instant now, Slot& slot);
  void end_long(Instant now, Link& link);
  void send_unlink_long(Instant now, Link& link);
  void long_timeouts(Instant now);
  void long_requested(Instant now, Link& link);
  void long_ended(Link& link);
  void long_gone(Instant now, const NodeId& node);
  void long_answer(Instant now, Link& link, const wire::LinkAnswer& frame);
  void empty_slot(Instant now, Slot& slot);
  void draw_soon(Instant now);

  // ring_forward.cc: routing
  void handle_forward(Instant now, Link& link, const wire::Forward& frame);
  void handle_forward_ack(Instant now, Link& link, const wire::ForwardAck& frame);
  void handle_forward_reply(Instant now, Link& link, const wire::ForwardReply& frame);
  void route(Instant now, const wire::Forward& frame, std::vector<RingId> tried,
             std::uint8_t sends);
  void step(Instant now, const wire::Forward& frame, const Link& link, bool nearer,
            std::vector<RingId> tried, std::uint8_t sends);
  void end_of_route(Instant now, const wire::Forward& frame);
  void reply(Instant now, Seen& seen, const wire::ForwardReply& frame);
  void repeat_pending(Instant now);
  void try_another(Instant now, Pending pending);
  void expire_seen(Instant now);
  bool take_token(Instant now, Link& link);
  void own_datagram_failed(std::uint64_t message);

  // ring_upkeep.cc: finds, self-check, suspicion, probes, merging
  void find(Instant now, const Find& request, const Link* via);
  void find_failed(Instant now, std::uint64_t message);
  void give_up(Instant now, const Find& request);
  void find_timeouts(Instant now);
  void handle_found(Instant now, std::uint64_t message, const wire::Found& found);
  bool take_hints(Instant now, const NodeId& node, const std::vector<NodeId>& near_set);
  void self_check(Instant now, const Link* via, Purpose purpose, std::uint64_t context);
  void schedule_check(Instant now);
  const Link* random_link(bool prefer_long, RingId except);
  void suspect(Instant now, Link& link);
  void suspicion_timeouts(Instant now);
  void handle_gone(Instant now, Link& link, const wire::Gone& frame);
  void handle_probe_request(Instant now, Link& link, const wire::ProbeRequest& frame);
  void handle_probe_result(Instant now, Link& link, const wire::ProbeResult& frame);
  void handle_merge(Instant now, const wire::Merge& frame);
  void suspect_split(Instant now, const Link& link);
  void spread_merge(Instant now, std::uint64_t epoch, const NodeId& witness);
  void probe_split(Instant now);
  void probe_split_soon(Instant now);

  Rng* rng_;
  NodeId self_;
  RingId id_;
  Options options_;
  Directory nobody_;
  const Directory* directory_;
  bool left_ = false;
  bool near_stale_ = false;
  bool thin_ = false;
  bool complete_ = false;
  std::array<std::uint64_t, 2> near_reach_{UINT64_MAX, UINT64_MAX};  ///< of the last plan

  LinkTable links_;
  Calls calls_;
  Hints hints_;
  std::vector<Slot> slots_;
  Instant resize_at_{};
  SeenTable seen_;
  PendingTable pending_;
  std::vector<Find> finds_;
  std::vector<SentDatagram> sent_;
  std::vector<ReturnWay> return_ways_;
  std::vector<ProbeAsk> probe_asks_;

  std::size_t boot_cursor_ = 0;
  Duration boot_pause_{};
  Instant boot_at_{};
  Instant check_at_ = Instant::max();
  Duration thin_pause_{};
  Instant near_at_ = Instant::max();  ///< when to look at the near links again
  Instant near_changed_{};
  Instant split_at_ = Instant::max();
  Duration split_pause_{};
  NodeId split_probe_;
  NodeId witness_;  ///< of another ring, to be asked once its session is there
  std::uint64_t witness_epoch_ = 0;
  std::array<std::uint64_t, 8> epochs_{};  ///< of MERGEs that were handled
  std::size_t epoch_count_ = 0;
  Instant suspect_quiet_until_{};
  Instant merge_quiet_until_{};

  std::uint64_t announced_near_ = 0;  ///< digests of what NEIGHBOURS said last
  std::uint64_t announced_all_ = 0;
  Instant announced_{};
  Instant announce_at_ = Instant::max();

  std::vector<Output> outputs_;
  std::size_t output_next_ = 0;
  Instant now_{};
};

template <class F>
void Ring::send(const NodeId& to, const F& frame) {
  ByteVector bytes;
  wire::write_ring_frame(frame, bytes);
  outputs_.emplace_back(Send{to, std::move(bytes)});
}

}  // namespace ipop::overlay
