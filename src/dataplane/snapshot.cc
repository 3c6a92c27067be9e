#include "dataplane/snapshot.h"

namespace ipop::dataplane {

// Why enter() and publish() are sequentially consistent: a worker stores the generation it saw and
// then loads the snapshot; control replaces the snapshot and then loads what the workers stored. If
// a worker got the old snapshot, its load came before the replacement, so its store came before
// control's load, and what it stored is an older generation than the replacement's. Either order
// weakened, both sides could miss each other.

struct SnapshotSlot::Retired {
  std::uint64_t generation = 0;  ///< workers that run under it, or a later one, have passed
  std::unique_ptr<const Snapshot> snapshot;
  Garbage garbage;  ///< what `snapshot` was the last one to name
};

const NetworkEntry* Snapshot::network(NetworkSlot slot) const {
  // A daemon has a handful of networks, and nearly always one.
  for (const NetworkEntry& entry : networks) {
    if (entry.slot == slot) return &entry;
  }
  return nullptr;
}

bool is_leg(const PeerRoute& peer) {
  return peer.send != nullptr && peer.way && peer.way->is_leg() && !peer.is_device;
}

SnapshotSlot::SnapshotSlot(std::size_t workers)
    : current_(std::make_unique<const Snapshot>().release()), workers_(workers) {}

SnapshotSlot::~SnapshotSlot() {
  for (const Quiescent& worker : workers_) check(worker.epoch.load() == 0);
  const std::unique_ptr<const Snapshot> last(current_.load());
}

void SnapshotSlot::publish(std::unique_ptr<const Snapshot> next, Garbage garbage) {
  check(next != nullptr);
  std::unique_ptr<const Snapshot> old(current_.exchange(next.release()));
  const std::uint64_t generation = generation_.fetch_add(1) + 1;
  retired_.push_back({generation, std::move(old), std::move(garbage)});
  collect();
}

std::size_t SnapshotSlot::collect() {
  std::uint64_t oldest = UINT64_MAX;
  for (const Quiescent& worker : workers_) {
    const std::uint64_t epoch = worker.epoch.load();
    if (epoch != 0) oldest = std::min(oldest, epoch);
  }
  std::erase_if(retired_, [oldest](const Retired& r) { return r.generation <= oldest; });
  return retired_.size();
}

const Snapshot* SnapshotSlot::enter(std::size_t worker) {
  workers_[worker].epoch.store(generation_.load());
  return current_.load();
}

void SnapshotSlot::leave(std::size_t worker) {
  // Release: control may free what the batch used as soon as it sees this.
  workers_[worker].epoch.store(0, std::memory_order_release);
}

}  // namespace ipop::dataplane
