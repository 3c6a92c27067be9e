#pragma once

#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/node.h"
#include "sim/terrain.h"
#include "sim/trace.h"
#include "wire/ring_frames.h"

/// A deterministic world of whole nodes: the daemon's engine and packet pipeline, one virtual
/// clock, one seed. The same seed gives the same run, datagram by datagram.
namespace ipop::sim {

/// How datagrams travel between two nodes.
struct Path {
  Duration delay = std::chrono::milliseconds(10);
  Duration jitter{};  ///< uniform addition: reorders
  double loss = 0;    ///< of datagrams, 0..1
  double duplication = 0;
  double corruption = 0;  ///< one bit is another
  bool blocked = false;
  std::optional<std::size_t> udp_deaf{};  ///< this node sends UDP and hears none
  bool udp_blocked = false;               ///< what TLS connections carry passes all the same
  /// Larger datagrams are dropped without a word: a black hole.
  std::size_t size_max = 65535;
};

class Villains;

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
  /// From now on default_path is of this map: delays and 10 % jitter besides its own come from it,
  /// and so does who cannot talk to whom.
  std::optional<Terrain> terrain;
  /// Between nodes of different groups nothing passes. All are in group 0 at first.
  void set_group(const Node& node, unsigned group) { groups_[node.index()] = group; }
  unsigned group(std::size_t node) const { return groups_[node]; }
  /// Whether a datagram from one to the other could arrive, NATs apart.
  bool is_linkable(std::size_t a, std::size_t b) const;

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
  /// What was done to datagrams.
  struct Weather {
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t filtered = 0;  ///< by the receiver's NAT
    std::uint64_t blocked = 0;   ///< between nodes that cannot talk
  };
  const Weather& weather() const { return weather_; }
  /// TLS connections that are up.
  std::size_t streams() const { return streams_.size(); }
  /// How often any was dialled, in vain or not.
  std::size_t dials() const { return dials_; }
  /// What was seen of FORWARDs where they arrived.
  struct Forwards {
    std::vector<std::uint64_t> datagrams_by_hops;  ///< at their destinations
    std::uint64_t exhausted = 0;                   ///< still on their way with a ttl of 1
  };
  const Forwards& forwards() const { return forwards_; }
  /// How many datagrams were dropped for their size.
  std::size_t too_big() const { return too_big_; }
  /// Of everything that happened so far (P14).
  std::uint64_t trace() const { return trace_.hash(); }
  std::uint64_t events() const { return events_; }
  /// Every datagram that passed between nodes, for adversaries that replay.
  std::vector<ByteVector>* tap = nullptr;
  /// Members that turned hostile; none if null.
  Villains* villains = nullptr;
  /// What must be seen at neither a relay nor on the wire; nothing if empty (P11).
  ByteVector marker;
  std::uint64_t marker_leaks() const { return marker_leaks_; }

 private:
  friend class Node;
  struct Flight {
    Instant at;
    std::uint64_t order;
    Endpoint from;
    Endpoint to;
    ByteVector datagram;
    std::optional<std::size_t> sender;  ///< nullopt: injected
    /// A datagram, or something about a TLS connection, of which `from` is the end at the sender.
    enum class Kind : std::uint8_t { Datagram, Streamed, StreamUp, StreamDown };
    Kind kind = Kind::Datagram;
    bool operator>(const Flight& o) const {
      return std::pair(at, order) > std::pair(o.at, o.order);
    }
  };
  /// When a node wants its time; void if its deadline is another one by then.
  using Timer = std::pair<Instant, std::size_t>;

  bool step(Instant end);
  void send(Node& from, const Way& way, Bytes datagram);
  void launch(Flight flight, const Path& path);
  /// TLS connections: one that dials names itself by a port of its own. They lose nothing.
  void open_stream(Node& from, const Endpoint& to);
  void close_stream(Node& from, const Endpoint& to);
  void drop_streams(const Node& of);
  void send_streamed(Node& from, const Endpoint& remote, Bytes datagram);
  void tell_stream(std::size_t node, const Endpoint& remote, Flight::Kind kind, Duration after);
  void land_stream(const Flight& flight);
  void land(const Flight& flight);
  Path path_between(std::size_t a, std::size_t b) const;
  Node* node_at(const Endpoint& endpoint);
  void note_place(const Node& node);
  void note_deadline(std::size_t node, Instant at) { timers_.emplace(at, node); }
  void note_forward(const wire::Forward& frame, bool arrived);
  void note_relayed(Bytes plaintext);
  /// Who sent the datagram that is being delivered.
  std::optional<std::size_t> sender() const { return sender_; }

  SeededRng rng_;
  Instant now_{std::chrono::hours(1)};
  std::int64_t wall_shift_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<unsigned> groups_;
  std::unordered_map<Endpoint, std::size_t> by_endpoint_;
  std::unordered_map<IpAddress, std::size_t> by_nat_;
  std::map<std::pair<std::size_t, std::size_t>, Path> paths_;
  std::set<std::pair<std::size_t, Endpoint>> refused_;
  std::priority_queue<Flight, std::vector<Flight>, std::greater<>> flights_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::uint64_t order_ = 0;
  std::size_t too_big_ = 0;
  std::optional<std::size_t> sender_;
  struct Stream {
    std::size_t dialler;
    std::size_t server;
    Endpoint dialled;
    Endpoint source;  ///< of the dialling end
  };
  std::vector<Stream> streams_;
  std::size_t dials_ = 0;
  std::uint16_t next_stream_port_ = 50000;
  Weather weather_;
  Forwards forwards_;
  Trace trace_;
  std::uint64_t events_ = 0;
  std::uint64_t marker_leaks_ = 0;
};

}  // namespace ipop::sim
