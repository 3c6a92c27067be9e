#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/id.h"
#include "base/random.h"
#include "base/time.h"
#include "wire/relay_frames.h"

namespace ipop::overlay {

/// Draws the labels under which this node receives relayed packets: random, never 0, each in use
/// once. One per daemon; bounded by its circuits.
class LabelTable {
 public:
  explicit LabelTable(Rng& rng) : rng_(&rng) {}
  RelayLabel allocate();
  void release(RelayLabel label) { used_.erase(label); }
  std::size_t size() const { return used_.size(); }

 private:
  Rng* rng_;
  std::unordered_set<RelayLabel> used_;
};

/// Agrees with other members on who carries packets for whom: as an end, that wants to reach a
/// member or is asked to be reached, and as the relay in the middle. The packets themselves pass
/// through the workers. docs/protocol.md, "relay".
///
/// End:    want() --RELAY_OPEN to two candidates--> opening --RELAY_OK--> up (Up is put out)
///         --RELAY_CLOSE, session down, handle_lost()--> gone (Down); another candidate is asked
/// Middle: RELAY_OPEN (carry) --allowed--> asking the far end --its RELAY_OK--> up, RELAY_OK
///         --RELAY_CLOSE, session down, not used for 5 min--> gone
///
/// What others can make it hold is bounded by Options and by kAccepted*. No I/O, no clock; drain
/// poll_output() after each call.
class Relays {
 public:
  struct Options {
    bool enabled = true;                   ///< carry for others at all
    std::size_t circuits_per_member = 32;  ///< of which it is either end
    std::size_t circuits_per_pair = 4;     ///< in one direction of asking; the oldest makes room
    std::size_t circuits_total = 512;
    double asks_per_second = 2;  ///< of a member, after the first ones
    double asks_burst = 16;
    Duration idle = std::chrono::minutes(5);
  };
  /// Offers that we accept as the end: of one relay, for one pair of relay and far end, in all.
  static constexpr std::size_t kAcceptedPerHop = 64;
  static constexpr std::size_t kAcceptedPerFar = 2;
  static constexpr std::size_t kAcceptedTotal = 512;
  /// Circuits wanted to one member, by different relays: one that works and a warm one.
  static constexpr std::size_t kWanted = 2;
  static constexpr Duration kRepeatFirst = std::chrono::milliseconds(250);
  static constexpr Duration kGiveUp = std::chrono::seconds(6);

  /// The far end is reached through `hop`: what we send on its session under `outgoing` arrives,
  /// what comes on it under `incoming` is from there.
  struct Up {
    wire::NodeId far;
    wire::NodeId hop;
    RelayLabel outgoing;
    RelayLabel incoming;
  };
  struct Down {
    wire::NodeId far;
    wire::NodeId hop;
    RelayLabel outgoing;
    RelayLabel incoming;
  };
  /// On the proven session with `to`.
  struct Send {
    wire::NodeId to;
    wire::RelayFrame frame;
  };
  /// circuits() changed.
  struct CircuitsChanged {};
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Up, Down, Send, CircuitsChanged, WaitUntil>;

  /// `labels` outlives it.
  Relays(const Options& options, Rng& rng, LabelTable& labels)
      : options_(options),
        labels_(&labels),
        // At random, so that a restarted node does not repeat the requests of its former life.
        next_request_(static_cast<std::uint32_t>(rng.next_u64())) {}
  ~Relays();
  Relays(const Relays&) = delete;
  Relays& operator=(const Relays&) = delete;

  /// The members besides ourselves, whenever that changed. Who is none any more loses everything.
  void set_members(Instant now, const wire::NodeId& self, const std::vector<wire::NodeId>& members);
  /// A proven session exists, and whether its path is direct; again when that changes.
  void handle_up(Instant now, const wire::NodeId& node, bool direct);
  void handle_down(Instant now, const wire::NodeId& node);
  /// Requires: it came on a proven session with `from`.
  void handle_frame(Instant now, const wire::NodeId& from, const wire::RelayFrame& frame);
  void handle_timeout(Instant now);
  Output poll_output();

  // --- as an end ---
  /// `far` is to be reached through others, of `candidates` the first ones that can; again when
  /// these change.
  void want(Instant now, const wire::NodeId& far, std::vector<wire::NodeId> candidates);
  /// No longer. What is up stays until it was idle for long.
  void unwant(const wire::NodeId& far);
  /// What went out on it was not answered: gives it up for another one.
  void handle_lost(Instant now, const wire::NodeId& hop, RelayLabel outgoing);
  /// The peer is not reached by what is up: the same for all that is up for a while.
  void handle_unreachable(Instant now, const wire::NodeId& far);

  /// One way through another member, by the label under which we receive.
  struct End {
    wire::NodeId far;
    wire::NodeId hop;
    std::uint32_t request = 0;
    bool ours = false;  ///< opened by us
    bool up = false;
    RelayLabel outgoing;  ///< 0 until it is up
    Instant since{};      ///< when it was begun; when it came up
    Instant repeat_at = Instant::max();
    int repeats = 0;
  };
  const std::map<RelayLabel, End>& ends() const { return ends_; }

  // --- in the middle ---
  struct Side {
    wire::NodeId node;
    std::uint32_t request = 0;
    RelayLabel incoming;  ///< under which we receive from it
    RelayLabel outgoing;  ///< under which we send to it; 0 until it has answered
  };
  struct Circuit {
    Side asker;
    Side far;
    bool up = false;
    Instant since{};
    Instant used{};
    Instant repeat_at = Instant::max();
    int repeats = 0;
  };
  /// By a number that is never used again. Those that are not up carry nothing.
  const std::map<std::uint64_t, Circuit>& circuits() const { return circuits_; }
  /// Packets passed through it at that time.
  void note_used(std::uint64_t circuit, Instant at);

 private:
  struct Wish {
    std::vector<wire::NodeId> candidates;
    std::map<wire::NodeId, Instant> rests;  ///< candidates that are left alone until then
  };
  struct Budget {
    double tokens = 0;
    Instant at{};
  };
  using Ends = std::map<RelayLabel, End>;
  using Circuits = std::map<std::uint64_t, Circuit>;

  bool is_member(const wire::NodeId& node) const { return members_.contains(node); }
  bool is_direct(const wire::NodeId& node) const { return direct_.contains(node); }
  void send(const wire::NodeId& to, const wire::RelayFrame& frame);
  static Instant next_repeat(Instant now, int& repeats);

  // relays_end.cc
  void fulfil(Instant now, const wire::NodeId& far, Wish& wish);
  void fulfil_all(Instant now);
  void open(Instant now, const wire::NodeId& far, const wire::NodeId& hop);
  void handle_offer(Instant now, const wire::NodeId& hop, const wire::RelayOpen& open);
  bool handle_ok_of_end(Instant now, const wire::NodeId& hop, const wire::RelayOk& ok);
  bool handle_no_of_end(Instant now, const wire::NodeId& hop, const wire::RelayNo& no);
  bool handle_close_of_end(Instant now, const wire::NodeId& hop, RelayLabel outgoing);
  void rest(Instant now, const End& end, Duration time);
  Ends::iterator drop_end(Ends::iterator it, bool tell);
  void end_timeouts(Instant now);
  Instant end_deadline() const;

  // relays_middle.cc
  void handle_carry(Instant now, const wire::NodeId& from, const wire::RelayOpen& open);
  std::optional<wire::RelayRefusal> refusal_of(Instant now, const wire::NodeId& from,
                                               const wire::NodeId& far);
  void make_room_in_pair(const wire::NodeId& from, const wire::NodeId& far);
  bool take_ask(Instant now, const wire::NodeId& from);
  void ask(Instant now, Circuit& circuit);
  void handle_ok_of_circuit(Instant now, const wire::NodeId& from, const wire::RelayOk& ok);
  void handle_no_of_circuit(const wire::NodeId& from, const wire::RelayNo& no);
  void handle_close_of_circuit(const wire::NodeId& from, RelayLabel outgoing);
  Circuits::iterator drop_circuit(Circuits::iterator it, bool tell_asker, bool tell_far);
  void circuit_timeouts(Instant now);
  Instant circuit_deadline() const;

  Options options_;
  LabelTable* labels_;
  wire::NodeId self_;
  std::set<wire::NodeId> members_;
  std::set<wire::NodeId> sessions_;
  std::set<wire::NodeId> direct_;  ///< of the sessions
  std::uint32_t next_request_;

  std::map<wire::NodeId, Wish> wishes_;
  Ends ends_;

  Circuits circuits_;
  std::uint64_t next_circuit_ = 1;
  std::map<wire::NodeId, Budget> asks_;

  std::vector<Output> outputs_;
};

}  // namespace ipop::overlay
