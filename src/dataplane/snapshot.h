#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/id.h"
#include "base/way.h"
#include "dataplane/allowance.h"
#include "dataplane/keypair.h"

namespace ipop::dataplane {

/// Where packets for one peer go.
struct PeerRoute {
  PeerHandle peer;
  NetworkSlot network;
  Keypair* send = nullptr;  ///< null: no proven session; packets go to control, which queues
  /// A proven one; null: as above. A worker takes a leg, or one through a relay that itself
  /// is_leg(); packets for any other go to control.
  std::optional<Way> way;
  std::uint32_t hop = 0;   ///< index of the relay's route, where the way is through one
  std::uint16_t mtu = 0;   ///< largest inner packet on this path
  bool is_device = false;  ///< a stock device hosted here: others' packets go on to it
  PeerWords* words = nullptr;
};

/// Whether relayed packets may travel on the session: it is proven and its own path leads through
/// nobody.
bool is_leg(const PeerRoute& peer);

/// Relayed packets for another member, for whom they are sealed again.
struct LabelForward {
  std::uint32_t peer = 0;  ///< index into peers: the other leg
  RelayLabel label;        ///< under which that one receives
  CircuitWords* circuit = nullptr;
  AllowanceWords* allowance = nullptr;
  BitsPerSecond limit = 0;  ///< of the pair; 0: none
};
/// Relayed packets for us.
struct LabelEnd {
  Way from;  ///< by which the datagrams in them are taken to have come
};
/// What is meant by a label under which relayed packets come in.
struct LabelEntry {
  PeerHandle from;  ///< on whose sessions alone the label counts
  std::variant<LabelEnd, LabelForward> to;
};

/// What may come in on one keypair.
struct SessionEntry {
  Keypair* keypair = nullptr;
  PeerHandle peer;
  NetworkSlot network;
  bool proven = false;     ///< else control frames only
  bool is_device = false;  ///< a stock device hosted here: its packets go on to others
  /// The inner sources it may use, besides those whose route leads to it: the addresses of devices
  /// that it hosts.
  std::optional<Ipv4> source4;
  Ipv6 source6;
  std::optional<Way> way;  ///< by which its packets are expected; another one is reported
  PeerWords* words = nullptr;
};

/// One network's interface and addressing.
struct NetworkEntry {
  NetworkSlot slot;
  std::optional<Ipv4> self4;
  Ipv6 self6;
  std::optional<Prefix4> pool;
  std::uint16_t mtu = 0;                                ///< of the interface
  std::unordered_map<IpAddress, std::uint32_t> routes;  ///< inner destination -> index into peers
};

/// Everything a worker needs for a batch: built by the control thread, then immutable. The pointers
/// are to objects that control owns and keeps until all workers have passed.
struct Snapshot {
  std::vector<NetworkEntry> networks;
  std::vector<PeerRoute> peers;
  std::unordered_map<SessionIndex, SessionEntry> sessions;
  std::unordered_map<RelayLabel, LabelEntry> labels;

  const NetworkEntry* network(NetworkSlot slot) const;
};

/// Keypairs and counters (also of circuits) that no newer snapshot names; destroyed with the old
/// snapshot.
struct Garbage {
  std::vector<std::unique_ptr<Keypair>> keypairs;
  std::vector<std::unique_ptr<PeerWords>> peers;
  std::vector<std::unique_ptr<CircuitWords>> circuits;
  std::vector<std::unique_ptr<AllowanceWords>> allowances;
};

/// The one current snapshot, exchanged without locks; an empty one at first. Control publishes and
/// collects; a worker acquires one per batch and says when it is between batches.
///
/// Freeing rule (quiescent states, as in userspace RCU): an old snapshot is freed when every worker
/// has entered a later batch, or is idle, since the exchange.
class SnapshotSlot {
 public:
  explicit SnapshotSlot(std::size_t workers);
  ~SnapshotSlot();
  SnapshotSlot(const SnapshotSlot&) = delete;
  SnapshotSlot& operator=(const SnapshotSlot&) = delete;

  /// Control thread: `garbage` lives until no worker can see the snapshot that is replaced.
  void publish(std::unique_ptr<const Snapshot> next, Garbage garbage);
  /// Control thread: frees what no worker can see any more; returns how many generations wait.
  std::size_t collect();

  /// Worker: the snapshot for this batch, valid until leave() or the next enter(). Never null.
  const Snapshot* enter(std::size_t worker);
  /// Worker: between batches (before it blocks).
  void leave(std::size_t worker);

 private:
  struct Retired;
  struct alignas(kCacheLineSize) Quiescent {
    std::atomic<std::uint64_t> epoch{0};  ///< generation a batch runs under; 0 = idle
  };
  std::atomic<const Snapshot*> current_;
  std::atomic<std::uint64_t> generation_{1};
  std::vector<Quiescent> workers_;
  std::vector<Retired> retired_;
};

}  // namespace ipop::dataplane
