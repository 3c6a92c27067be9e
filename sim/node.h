#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/packet.h"
#include "base/random.h"
#include "dataplane/drop.h"
#include "dataplane/pipeline.h"
#include "engine/engine.h"
#include "sim/nat_box.h"

namespace ipop::sim {

class World;

/// One machine: an engine, what the worker does, a disk.
///
///   running --crash()--> off --start()--> running --sleep()--> asleep --wake()--> running
class Node {
 public:
  Node(World& world, std::size_t index, std::uint64_t seed);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  engine::Engine& engine() { return *engine_; }
  std::size_t index() const { return index_; }
  Endpoint endpoint() const { return endpoint_; }
  Now now() const;

  /// What its own clock shows ahead of the others', in seconds.
  std::int64_t clock_skew = 0;
  /// TCP port at which it takes TLS connections from its next start on; 0: it takes none.
  std::uint16_t stream_port = 0;

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
  /// With 28 bytes of IPv4 and UDP each.
  std::uint64_t bytes_sent() const { return bytes_sent_; }
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
  /// The lid closes: nothing happens here until wake(), and what arrives is lost. Requires: awake.
  void sleep();
  /// As the daemon does: keys from before a minute of sleep are dropped. Requires: asleep.
  void wake();
  bool is_awake() const { return is_running() && !asleep_; }
  /// The disk is gone, too. Requires: off.
  void lose_disk() { disk_.clear(); }
  /// Gets a new address, as a laptop that changes networks.
  void move_to(const Endpoint& endpoint);
  /// Puts it behind a NAT with a private address of its own.
  void move_behind(NatKind kind, Duration mapping_lifetime);
  const NatBox* nat() const { return nat_.get(); }
  NatBox* nat() { return nat_.get(); }
  /// Open now. Those besides the main one are of use behind a NAT only: without, they have no port.
  bool has_socket(SocketId socket) const {
    return socket == kMainSocket || spares_.contains(socket);
  }
  /// Those besides the main one that are open now, and the most there were at a time.
  std::size_t spares() const { return spares_.size(); }
  std::size_t spares_max() const { return spares_max_; }
  /// The folders of networks on the disk.
  std::vector<std::string> folders() const;
  /// As a user's copy of one beside it. Requires: off.
  void copy_folder(const std::string& from, const std::string& to) { disk_[to] = disk_[from]; }
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
  void transmit(const Way& to, Bytes datagram);
  void carry_out(const dataplane::OutboundVerdict& verdict, Packet& packet);
  void handle(const dataplane::Event& event);
  void hand_up_frame(SessionIndex session, const Way& from, ByteVector plaintext);
  void note_forward(Bytes plaintext) const;
  void set_deadline(Instant at);

  World* world_;
  std::size_t index_;
  SeededRng rng_;
  NullLogger log_;
  Endpoint endpoint_;
  std::unique_ptr<NatBox> nat_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<const dataplane::Snapshot> snapshot_;
  dataplane::Garbage garbage_;
  Instant deadline_ = Instant::max();
  bool asleep_ = false;
  Instant asleep_since_{};
  std::map<std::string, std::map<engine::FileKind, ByteVector>> disk_;
  std::array<std::uint64_t, dataplane::kDropCount> drops_{};
  std::uint64_t datagrams_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t events_ = 0;
  std::map<engine::FileKind, std::uint64_t> stores_;
  std::set<SocketId> spares_;
  std::size_t spares_max_ = 0;
  std::set<SocketId> adopted_;
};

}  // namespace ipop::sim
