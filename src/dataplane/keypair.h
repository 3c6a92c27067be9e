#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/packet.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "dataplane/shared.h"
#include "session/noise.h"
#include "session/replay.h"
#include "wire/data.h"

namespace ipop::dataplane {

/// Who seals: control or one of the workers 1 .. n. Each has a key and a counter of its own, which
/// it names in the header (docs/protocol.md, "lanes"), so that senders share nothing. A stock
/// keypair has one key, one counter and one window for all, and an AEAD context for each.
using SenderId = std::uint8_t;
inline constexpr SenderId kControlSender = 0;
/// Workers that any node may have; packets of higher lanes are refused.
inline constexpr SenderId kWorkersMax = 8;

/// AES-256-GCM volume limits of one key (PROTOCOL 14): blocks of 16 bytes, tag block included.
struct BlockLimits {
  std::uint64_t rekey = 1ULL << 35U;
  std::uint64_t reject = 1ULL << 36U;
};

/// Keys, counters and replay windows of one keypair: made once by the control thread, then only
/// referred to by snapshots, so that a rebuilt snapshot can never restart a counter. Deleted only
/// after every worker has passed the last snapshot that names it.
///
/// seal(): any sender, each with its own SenderId. open(): of each lane, one worker only.
class Keypair {
 public:
  struct Options {
    SessionIndex local;
    SessionIndex remote;
    crypto::Suite suite;
    wire::Framing framing = wire::Framing::Native;
    SenderId workers = 1;  ///< our own; <= kWorkersMax
    BlockLimits limits{};
    crypto::Backend backend = crypto::Backend::Openssl;
  };
  Keypair(const Options& options, session::TransportKeys keys);

  SessionIndex local() const { return options_.local; }
  SessionIndex remote() const { return options_.remote; }
  crypto::Suite suite() const { return options_.suite; }
  wire::Framing framing() const { return options_.framing; }

  /// Makes `datagram` = header room (16) || plaintext || tag room (16) a datagram, in place.
  /// Error Busy when the lane's message or block limit is reached (nothing was written). Requires:
  /// no flags on a stock pair, whose padding is the caller's.
  Result<void> seal(SenderId sender, std::uint8_t flags, MutableBytes datagram);
  /// The same around a packet, which grows at both ends.
  Result<void> seal(SenderId sender, std::uint8_t flags, Packet& packet);
  /// The same for a control frame; returns the datagram.
  Result<ByteVector> seal_control(Bytes plaintext);

  /// Checks window and tag, in place: the view `datagram` becomes the plaintext and the counter is
  /// committed. Errors: Truncated (no DATA header), NotFound (another index or framing, or a lane
  /// that no worker can have), Busy (limit), BadValue (replayed or too old), Denied (tag); after
  /// Denied the sealed part is zero.
  Result<wire::Data> open(MutableBytes& datagram);

  /// True once the rekey limit is passed on any lane.
  bool wants_rekey() const;
  /// True once in the keypair's life, when wants_rekey() has become true.
  bool take_rekey_report();
  KeypairWords& words() const { return words_; }
  /// Packets sealed by one sender, for tests and limits. Any thread.
  std::atomic<std::uint64_t>& counter_of(SenderId sender) { return words_of(sender).counter; }

 private:
  struct SendLane {
    std::unique_ptr<crypto::Aead> sealer;
    LaneWords words;
  };
  struct ReceiveLane {
    std::unique_ptr<crypto::Aead> opener;
    session::ReplayWindow window;
    LaneWords words;
  };

  LaneWords& words_of(SenderId sender) {
    return sending_[options_.framing == wire::Framing::Stock ? 0 : sender]->words;
  }
  Result<Counter> next_counter(LaneWords& lane, std::size_t plaintext_size);
  bool above_block_limit(const LaneWords& lane, std::uint64_t more) const;
  void note_blocks(LaneWords& lane, std::uint64_t blocks);
  /// Most peers send on few lanes, and only what is used costs memory.
  ReceiveLane& receive_lane(std::uint8_t queue);

  Options options_;
  mutable KeypairWords words_;
  crypto::Secret<32> receive_key_;
  std::vector<std::unique_ptr<SendLane>> sending_;  // by SenderId
  std::array<std::unique_ptr<ReceiveLane>, kWorkersMax + 1> receiving_;
};

}  // namespace ipop::dataplane
