#pragma once

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

/// Who seals: each has an AEAD context of its own per keypair, so that none is shared by threads;
/// all draw from the one counter. Workers are 1 .. n.
using SenderId = std::uint8_t;
inline constexpr SenderId kControlSender = 0;

/// AES-256-GCM volume limits (PROTOCOL 14): blocks of 16 bytes, tag block included.
struct BlockLimits {
  std::uint64_t rekey = 1ULL << 35U;
  std::uint64_t reject = 1ULL << 36U;
};

/// Keys, counter and replay window of one keypair: made once by the control thread, then only
/// referred to by snapshots, so that a rebuilt snapshot can never restart a counter. Deleted only
/// after every worker has passed the last snapshot that names it.
///
/// seal(): any sender, each with its own SenderId. open(): one worker (the one that owns the
/// queue).
class Keypair {
 public:
  struct Options {
    SessionIndex local;
    SessionIndex remote;
    crypto::Suite suite;
    SenderId workers = 1;
    BlockLimits limits{};
  };
  Keypair(const Options& options, const session::TransportKeys& keys);

  SessionIndex local() const { return options_.local; }
  SessionIndex remote() const { return options_.remote; }
  crypto::Suite suite() const { return options_.suite; }

  /// Puts header and tag around packet.data() in place: `packet` becomes the datagram.
  /// Error Busy when the reject limit is reached (nothing was sealed).
  Result<void> seal(SenderId sender, std::uint8_t flags, Packet& packet);

  /// The same for a control frame; returns the datagram.
  Result<ByteVector> seal_control(Bytes plaintext);

  /// Checks window and tag and strips header and tag in place: `packet` becomes the plaintext and
  /// the counter is committed. Errors: Truncated (no DATA header), NotFound (another index), Busy
  /// (limit), BadValue (replayed or too old), Denied (tag); after Denied the sealed part is zero.
  Result<wire::Data> open(Packet& packet);

  /// True once the rekey limit is passed.
  bool wants_rekey() const;
  /// True once in the keypair's life, when wants_rekey() has become true.
  bool take_rekey_report();
  KeypairWords& words() const { return words_; }

 private:
  Result<Counter> next_counter(std::size_t plaintext_size);
  bool above_block_limit(std::uint64_t more) const;
  /// `datagram` has the plaintext where the ciphertext goes.
  void seal_into(SenderId sender, const wire::Data& header, MutableBytes datagram);

  Options options_;
  mutable KeypairWords words_;
  std::vector<std::unique_ptr<crypto::Aead>> sealers_;  // by SenderId
  std::unique_ptr<crypto::Aead> opener_;
  session::ReplayWindow window_;
};

}  // namespace ipop::dataplane
