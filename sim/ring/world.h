#pragma once

#include <deque>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

#include "overlay/ring.h"

/// Many rings in virtual time, without engines: what a session does is modelled, what a ring does
/// is the shipped code, and every frame is encoded and decoded by wire/.
///
/// Model: a session takes one round trip to come up if both ends are alive and not parted, three if
/// the pair cannot link directly (then it is relayed; that a relay exists is assumed). It ends when
/// neither side holds it. A death or a cut is noticed after up to 32 s, or within 1 s of Suspect.
/// One-way delay is 5 ms and 67 ms per unit between random points of a square, 10 % jitter.
namespace ipop::sim {

class RingWorld {
 public:
  struct Options {
    std::uint64_t seed = 1;
    double loss = 0;
    double unlinkable = 0;  ///< share of pairs
    overlay::Ring::Options ring;
  };
  /// One datagram that a test routes.
  struct Datagram {
    std::size_t from = 0;
    std::size_t to = 0;
    bool arrived = false;
    bool undeliverable = false;
    unsigned hops = 0;
    Instant sent{};
    Instant arrival{};
  };
  enum class Malice : std::uint8_t { None, DropsForwards, LiesAndDrops };

  explicit RingWorld(const Options& options);

  /// Members that exist, not yet online; returns the index of the first. Their directory is the one
  /// of all members.
  std::size_t add_members(std::size_t count);
  std::size_t size() const { return nodes_.size(); }
  const overlay::Directory& directory() const { return directory_; }
  Instant now() const { return now_; }

  void start(std::size_t node);
  void crash(std::size_t node);
  void leave(std::size_t node);
  bool alive(std::size_t node) const { return nodes_[node]->ring != nullptr; }
  void set_malice(std::size_t node, Malice malice) { nodes_[node]->malice = malice; }
  /// Parts the world: members reach those of their own group only. Sessions across are noticed to
  /// be dead as those with a crashed member are, unless their ends come together before.
  void set_group(std::size_t node, unsigned group);
  /// Starts the first `count` members in turn in each of `groups` groups that are parted from each
  /// other, with sessions to their neighbours: rings without joining.
  void start_ring(std::size_t count, unsigned groups = 1);
  overlay::Ring& ring(std::size_t node) { return *nodes_[node]->ring; }
  const wire::NodeId& id(std::size_t node) const { return nodes_[node]->id; }
  /// The members in ring order.
  const std::vector<std::size_t>& circle() const { return circle_; }

  void run_for(Duration time);
  /// Runs until `holds()`, tested every `every`; false after `limit`.
  template <class Predicate>
  bool run_until(Predicate holds, Duration limit, Duration every = std::chrono::milliseconds(250)) {
    const Instant end = now_ + limit;
    while (!holds()) {
      if (now_ >= end) return false;
      run_for(every);
    }
    return true;
  }

  /// Index of the datagram in datagrams().
  std::size_t route(std::size_t from, std::size_t to);
  const std::vector<Datagram>& datagrams() const { return datagrams_; }

  /// Online members whose near links are not exactly the nearest online ones of their group, on
  /// both ends (P1, P2, I3).
  std::size_t wrong_near() const;
  /// The same of one member, to both sides.
  bool is_right(std::size_t node) const;
  /// Sessions between members that started in different groups of start_ring().
  std::size_t mixed_links() const;
  std::size_t links_max() const;
  double links_mean() const;
  std::uint64_t events() const { return events_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t frames() const { return frames_; }
  std::uint64_t frames_lost() const { return frames_lost_; }
  std::uint64_t trace() const { return trace_; }

 private:
  enum class Kind : std::uint8_t { Wake, Frame, Up, Unreachable, Down, Idle };
  struct Event {
    Instant at;
    std::uint64_t order;
    Kind kind;
    std::uint32_t node;
    std::uint32_t peer;
    std::uint64_t detail;  ///< Frame: its place; Down: the session's generation
    friend bool operator>(const Event& a, const Event& b) {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  /// One side's view of a session.
  struct Session {
    std::uint32_t peer = 0;
    bool up = false;
    bool held = false;
    bool calling = false;
    bool doomed = false;  ///< its end will be noticed
    std::uint32_t generation = 0;
  };
  struct Node {
    wire::NodeId id;
    std::unique_ptr<SeededRng> rng;
    std::unique_ptr<overlay::Ring> ring;
    double x = 0;
    double y = 0;
    unsigned group = 0;
    unsigned born = 0;  ///< the group at the start
    Malice malice = Malice::None;
    Instant wake = Instant::max();
    std::vector<Session> sessions;  ///< ascending by peer
  };

  std::uint32_t index_of(const wire::NodeId& id) const;
  Session* session(std::size_t node, std::size_t peer);
  Session& session_or_new(std::size_t node, std::size_t peer);
  bool reachable(std::size_t a, std::size_t b) const;
  bool linkable(std::size_t a, std::size_t b) const;
  Duration delay(std::size_t a, std::size_t b);
  Duration drawn(Duration most);
  void push(Duration after, Kind kind, std::size_t node, std::size_t peer, std::uint64_t detail);
  void handle(const Event& event);
  void drain(std::size_t node);
  void carry_out(std::size_t node, overlay::Ring::Output output);
  void send(std::size_t node, const wire::NodeId& to, ByteVector frame);
  void arrive(const Event& event);
  void raise(std::size_t a, std::size_t b);
  void doom(std::size_t node, std::size_t peer, Duration after);
  void close_if_idle(std::size_t a, std::size_t b);
  void mix(std::uint64_t value);

  Options options_;
  SeededRng rng_;
  Instant now_{};
  overlay::Directory directory_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::size_t> circle_;
  std::vector<Event> queue_;  ///< a heap, the earliest first
  std::vector<ByteVector> frames_in_flight_;
  std::vector<std::uint32_t> free_frames_;
  std::vector<Datagram> datagrams_;
  std::uint64_t order_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t frames_lost_ = 0;
  std::uint64_t trace_ = 0xcbf29ce484222325ULL;
};

}  // namespace ipop::sim
