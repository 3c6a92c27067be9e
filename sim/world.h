#pragma once

#include <map>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "sim/node.h"

/// A deterministic world of whole nodes: the daemon's engine and packet pipeline, one virtual
/// clock, one seed. The same seed gives the same run, datagram by datagram.
namespace ipop::sim {

/// How datagrams travel between two nodes.
struct Path {
  Duration delay = std::chrono::milliseconds(10);
  Duration jitter{};  ///< uniform addition: reorders
  double loss = 0;    ///< of datagrams, 0..1
  double duplication = 0;
  bool blocked = false;
  /// Larger datagrams are dropped without a word: a black hole.
  std::size_t size_max = 65535;
};

class World {
 public:
  explicit World(std::uint64_t seed) : rng_(seed) {}

  /// Starts a node with address 198.18.0.<n> and the shipped default port of nobody: 40000 + n.
  Node& add_node();
  Node& node(std::size_t i) { return *nodes_[i]; }
  std::size_t size() const { return nodes_.size(); }

  /// All pairs without one of their own.
  Path default_path;
  void set_path(const Node& a, const Node& b, const Path& path);

  Instant at() const { return now_; }
  Rng& rng() { return rng_; }
  Now now() const;
  /// Moves everybody's wall clock.
  void shift_wall_clock(std::int64_t seconds) { wall_shift_ += seconds; }

  /// Lets time pass, event by event, until `done()` or the limit; returns whether it was done.
  template <class Predicate>
  bool run_until(Predicate done, Duration limit) {
    const Instant end = now_ + limit;
    while (!done()) {
      if (!step(end)) return done();
    }
    return true;
  }
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }
  /// A datagram from nowhere (attacker, garbage).
  void inject(const Endpoint& from, Node& to, ByteVector datagram, Duration after = Duration(0));
  /// How many datagrams were dropped for their size.
  std::size_t too_big() const { return too_big_; }
  /// Every datagram that passed between nodes, for adversaries that replay.
  std::vector<ByteVector>* tap = nullptr;

 private:
  friend class Node;
  struct Flight {
    Instant at;
    std::uint64_t order;
    Endpoint from;
    Endpoint to;
    ByteVector datagram;
    bool operator>(const Flight& o) const {
      return std::pair(at, order) > std::pair(o.at, o.order);
    }
  };
  bool step(Instant end);
  void send(const Node& from, const Endpoint& to, Bytes datagram);
  const Path& path_between(std::size_t a, std::size_t b) const;
  Node* node_at(const Endpoint& endpoint);

  SeededRng rng_;
  Instant now_{std::chrono::hours(1)};
  std::int64_t wall_shift_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::pair<std::size_t, std::size_t>, Path> paths_;
  std::priority_queue<Flight, std::vector<Flight>, std::greater<>> flights_;
  std::uint64_t order_ = 0;
  std::size_t too_big_ = 0;
};

}  // namespace ipop::sim
