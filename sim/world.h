#pragma once

#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/packet.h"
#include "base/random.h"
#include "dataplane/drop.h"
#include "dataplane/pipeline.h"
#include "engine/engine.h"

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

class World;

/// One machine: an engine, what the worker does, a disk.
class Node {
 public:
  Node(World& world, std::size_t index, std::uint64_t seed);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  engine::Engine& engine() { return *engine_; }
  std::size_t index() const { return index_; }
  Endpoint endpoint() const { return endpoint_; }
  Now now() const;

  /// Carries out what the engine wants after a command. handle_*() of the world do it themselves.
  void drain();
  /// An application sends this IP packet into the network's interface.
  void send_ip(NetworkSlot network, Bytes packet);
  /// IP packets that came out of the interface.
  std::vector<ByteVector> received;
  std::vector<engine::CommandUpdate> updates;
  std::uint64_t dropped(dataplane::Drop reason) const {
    return drops_[static_cast<std::size_t>(reason)];
  }
  std::uint64_t datagrams_sent() const { return datagrams_sent_; }
  /// That its engine was told of: packets, frames, timeouts.
  std::uint64_t events() const { return events_; }
  /// How often such a file was written.
  std::uint64_t stores(engine::FileKind kind) const {
    const auto it = stores_.find(kind);
    return it == stores_.end() ? 0 : it->second;
  }

  /// kill -9: everything but the disk is gone.
  void crash();
  /// Starts again from the disk.
  void start();
  bool is_running() const { return engine_ != nullptr; }
  /// Gets a new address, as a laptop that changes networks.
  void move_to(const Endpoint& endpoint);
  /// A file of a network as it is on the disk; empty: there is none.
  Bytes file(const std::string& network, engine::FileKind kind) const;
  /// Puts another one in its place while the node is off.
  void replace_file(const std::string& network, engine::FileKind kind, Bytes bytes) {
    disk_[network][kind] = to_vector(bytes);
  }
  /// What a worker sees now; until the next thing that happens to the node.
  const dataplane::Snapshot& snapshot() const { return *snapshot_; }
  /// First bytes of control frames that it does not know, as an older version would not.
  std::set<std::byte> unknown_frames;
  /// From now on nothing can be saved.
  bool disk_full = false;

  /// The only network's status, or the one of that name.
  engine::NetworkStatus status(std::string_view network = {}) const;
  bool is_online_with(std::string_view member) const;

 private:
  friend class World;
  void deliver(const Way& from, Bytes datagram);
  void transmit(const Endpoint& to, Bytes datagram);
  void carry_out(const dataplane::OutboundVerdict& verdict, Packet& packet);
  void handle(const dataplane::Event& event);

  World* world_;
  std::size_t index_;
  SeededRng rng_;
  NullLogger log_;
  Endpoint endpoint_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<const dataplane::Snapshot> snapshot_;
  dataplane::Garbage garbage_;
  Instant deadline_ = Instant::max();
  std::map<std::string, std::map<engine::FileKind, ByteVector>> disk_;
  std::array<std::uint64_t, dataplane::kDropCount> drops_{};
  std::uint64_t datagrams_sent_ = 0;
  std::uint64_t events_ = 0;
  std::map<engine::FileKind, std::uint64_t> stores_;
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
  /// The node's own system refuses to send there, as a local firewall does.
  void refuse_to_send(const Node& from, const Endpoint& to) { refused_.insert({from.index(), to}); }
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
  std::set<std::pair<std::size_t, Endpoint>> refused_;
  std::priority_queue<Flight, std::vector<Flight>, std::greater<>> flights_;
  std::uint64_t order_ = 0;
  std::size_t too_big_ = 0;
};

}  // namespace ipop::sim
