#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/device.h"
#include "base/id.h"
#include "base/packet.h"
#include "base/time.h"
#include "dataplane/codel.h"
#include "dataplane/ecn.h"

namespace ipop::dataplane {

/// What our kernel gave and what is still to be sealed, of one worker: short, and not first come,
/// first served. Flows take turns by bytes; one that has not used up a turn goes before those that
/// have, so that a game, a name or a keystroke does not wait behind a download; a flow whose
/// packets wait for long here, or fill the queue, is told to slow down by an ECN mark or a loss
/// (FQ-CoDel, RFC 8290). Packets of a flow keep their order; those of fragments are a flow of their
/// own. What finds no room stays in the kernel's queue, first come, first served.
///
/// All memory is allocated once. The worker's own thread.
class SendQueue {
 public:
  /// Bytes from which on the largest flow is told, once a kPause: 2 ms at 5 Gbit/s. Much more than
  /// a local path holds, as on a busy machine a worker waits that long for its processor.
  static constexpr std::size_t kBytesEnough = 1280 * 1024;
  /// Longer than a local path's round trip, in which what was told cannot be seen yet.
  static constexpr Duration kPause = std::chrono::milliseconds(10);
  /// Bytes from which on nothing more is read: what a beginning TCP sends until it is told.
  static constexpr std::size_t kBytesMax = 2048 * 1024;
  /// Packets that may wait or be taken. A slot whose packet was large stays resident, and the
  /// latest freed is used first: with downloads alone kBytesMax, with small packets among them up
  /// to all.
  static constexpr std::size_t kSlots = 96;
  /// Bytes of a turn: a whole large packet, or as many of 1400 bytes as fill one send.
  static constexpr std::int32_t kTurnBytes = 64 * 1024;

  class Waiting {
    friend class SendQueue;  // whose words stand first, beside the packet's beginning
    Instant since_;
    Ecn ecn_ = Ecn::NotEct;
    std::uint8_t flow_ = 0;
    std::uint8_t next_ = 0;

   public:
    Offload left;  ///< what the kernel left undone on it
    /// It stands for many, and the first of these is to be lost, as its sender sends too much: that
    /// tells it as much as the loss of all, and costs it a fortieth.
    bool lose_first = false;
    NetworkSlot network;  ///< whose interface it came by
    Packet packet;
  };

  /// `seed` keeps others from choosing flows that share their turns with somebody's.
  explicit SendQueue(std::uint64_t seed);

  /// Read no more until some are taken and released.
  bool is_full() const { return free_ == kNone || bytes_ >= kBytesMax; }
  bool is_empty() const { return waiting_ == 0; }
  /// Where to read the next packet into. Requires: !is_full().
  Packet& room() { return slots_[free_].packet; }
  /// What stands in room() waits from `now` on. Requires: !is_full().
  void push(Instant now, NetworkSlot network, const Offload& left);
  /// Whose turn it is; null: nobody's. The packet is the caller's until release().
  Waiting* take(Instant now);
  /// Frees all that take() gave.
  void release();
  /// How many take() has thrown away since the last call, to tell their senders.
  std::size_t take_lost();

 private:
  using SlotIndex = std::uint8_t;
  static constexpr SlotIndex kNone = 0xff;
  static_assert(kSlots < kNone);
  /// Flows are told apart by a hash; two that share one share their turns.
  static constexpr std::size_t kFlows = 256;

  /// A chain through Waiting::next_.
  struct Chain {
    SlotIndex head = kNone;
    SlotIndex tail = kNone;
  };
  struct Flow {
    Chain chain;
    std::uint8_t next = 0;  ///< in the list, which ends at its last
    bool listed = false;
    std::int32_t deficit = kTurnBytes;  ///< left of this turn
    std::uint32_t bytes = 0;
    Codel codel;
  };
  /// Flows in the order of their turns.
  struct List {
    std::uint8_t head = 0;
    std::uint8_t tail = 0;
    bool empty = true;
  };

  void classify(Waiting& waiting) const;
  void append(List& list, std::uint8_t flow);
  std::uint8_t pop_front(List& list);
  SlotIndex pop(Flow& flow);
  /// The next packet of the flow that is not wholly lost to congestion.
  SlotIndex pop_uncongested(Flow& flow, Instant now);
  bool is_too_much(const Flow& flow, Instant now);
  void free(SlotIndex slot);

  std::unique_ptr<Waiting[]> slots_;
  SlotIndex free_ = kNone;  ///< a chain; the latest freed is used first, its memory being warm
  Chain taken_;
  std::uint64_t seed_;
  std::array<Flow, kFlows> flows_{};
  List new_;  ///< those that have not used up a turn
  List old_;
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;
  Instant paused_until_;
  std::size_t lost_ = 0;
};

}  // namespace ipop::dataplane
