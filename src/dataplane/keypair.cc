#include "dataplane/keypair.h"

#include "crypto/hkdf.h"

namespace ipop::dataplane {
namespace {

/// REKEY_AFTER_MESSAGES of the WireGuard paper, section 6.1.
constexpr std::uint64_t kRekeyAfterMessages = 1ULL << 60U;

/// AES blocks of one packet: the text's, and the one that masks the tag.
std::uint64_t blocks_of(std::size_t text_size) { return (text_size + 15) / 16 + 1; }

/// The key of one lane (docs/protocol.md): "ipop queue " and one digit. Stock has no lanes.
crypto::Secret<32> lane_key(wire::Framing framing, const crypto::Secret<32>& direction,
                            std::uint8_t queue) {
  static_assert(kWorkersMax < 10);
  if (framing == wire::Framing::Stock) return direction.clone();
  std::array<char, 12> label{'i', 'p', 'o', 'p', ' ', 'q', 'u', 'e', 'u', 'e', ' '};
  label.back() = static_cast<char>('0' + queue);
  return crypto::derive_key(direction, std::string_view(label.data(), label.size()));
}

}  // namespace

Keypair::Keypair(const Options& options, session::TransportKeys keys)
    : options_(options), receive_key_(std::move(keys.receive)) {
  check(options.workers <= kWorkersMax);
  for (std::uint8_t sender = 0; sender <= options.workers; ++sender) {
    auto lane = std::make_unique<SendLane>();
    lane->sealer = crypto::open_aead(options.backend, options.suite,
                                     lane_key(options.framing, keys.send, sender));
    sending_.push_back(std::move(lane));
  }
}

Result<void> Keypair::seal(SenderId sender, std::uint8_t flags, MutableBytes datagram) {
  check(sender < sending_.size() && datagram.size() >= wire::kDataOverhead);
  const auto counter = next_counter(words_of(sender), datagram.size() - wire::kDataOverhead);
  if (!counter) return std::unexpected(counter.error());
  const bool stock = options_.framing == wire::Framing::Stock;
  wire::write_data_header({.framing = options_.framing,
                           .queue = stock ? std::uint8_t{0} : sender,
                           .flags = flags,
                           .receiver = options_.remote,
                           .counter = *counter},
                          datagram);
  sending_[sender]->sealer->seal(crypto::nonce_of(options_.suite, counter->value),
                                 wire::data_aad(options_.framing, datagram),
                                 datagram.subspan(wire::kDataHeaderSize));
  return {};
}

Result<void> Keypair::seal(SenderId sender, std::uint8_t flags, Packet& packet) {
  const std::size_t text_size = packet.size();
  packet.push_front(wire::kDataHeaderSize);
  packet.resize(text_size + wire::kDataOverhead);
  const auto sealed = seal(sender, flags, packet.data());
  if (!sealed) {
    packet.pop_front(wire::kDataHeaderSize);
    packet.resize(text_size);
  }
  return sealed;
}

Result<ByteVector> Keypair::seal_control(Bytes plaintext) {
  ByteVector out(plaintext.size() + wire::kDataOverhead);
  copy_bytes(MutableBytes(out).subspan(wire::kDataHeaderSize), plaintext);
  if (const auto sealed = seal(kControlSender, 0, MutableBytes(out)); !sealed) {
    return std::unexpected(sealed.error());
  }
  return out;
}

Result<wire::Data> Keypair::open(MutableBytes& datagram) {
  const auto header = wire::parse_data(datagram);
  if (!header) return std::unexpected(Error{Errc::Truncated, header.error().what});
  if (header->receiver != options_.local || header->framing != options_.framing) {
    return fail(Errc::NotFound, "session index");
  }
  if (header->queue > kWorkersMax) return fail(Errc::NotFound, "lane");
  ReceiveLane& lane = receive_lane(header->queue);
  if (!lane.window.would_accept(header->counter)) return fail(Errc::BadValue, "counter replayed");
  const std::uint64_t blocks = blocks_of(datagram.size() - wire::kDataOverhead);
  if (above_block_limit(lane.words, blocks)) return fail(Errc::Busy, "block limit");

  const auto text = lane.opener->open(crypto::nonce_of(options_.suite, header->counter.value),
                                      wire::data_aad(options_.framing, datagram),
                                      datagram.subspan(wire::kDataHeaderSize));
  if (!text) return std::unexpected(text.error());
  check(lane.window.commit(header->counter));
  note_blocks(lane.words, blocks);
  datagram = *text;
  return *header;
}

bool Keypair::wants_rekey() const { return words_.limit_passed.load(std::memory_order_relaxed); }

bool Keypair::take_rekey_report() {
  return wants_rekey() && !words_.limit_reported.load(std::memory_order_relaxed) &&
         !words_.limit_reported.exchange(true, std::memory_order_relaxed);
}

bool Keypair::above_block_limit(const LaneWords& lane, std::uint64_t more) const {
  return options_.suite == crypto::Suite::Aes256Gcm &&
         lane.blocks.load(std::memory_order_relaxed) + more > options_.limits.reject;
}

void Keypair::note_blocks(LaneWords& lane, std::uint64_t blocks) {
  const std::uint64_t before = lane.blocks.fetch_add(blocks, std::memory_order_relaxed);
  if (options_.suite == crypto::Suite::Aes256Gcm && before + blocks >= options_.limits.rekey) {
    words_.limit_passed.store(true, std::memory_order_relaxed);
  }
}

Result<Counter> Keypair::next_counter(LaneWords& lane, std::size_t plaintext_size) {
  // Both limits are tested before the counter moves, so that refused packets cannot wrap it round.
  const std::uint64_t blocks = blocks_of(plaintext_size);
  if (lane.counter.load(std::memory_order_relaxed) >= session::ReplayWindow::kRejectFrom) {
    return fail(Errc::Busy, "message limit");
  }
  if (above_block_limit(lane, blocks)) return fail(Errc::Busy, "block limit");
  note_blocks(lane, blocks);
  const std::uint64_t counter = lane.counter.fetch_add(1, std::memory_order_relaxed);
  if (counter + 1 >= kRekeyAfterMessages) {
    words_.limit_passed.store(true, std::memory_order_relaxed);
  }
  return Counter{counter};
}

Keypair::ReceiveLane& Keypair::receive_lane(std::uint8_t queue) {
  std::unique_ptr<ReceiveLane>& lane = receiving_[queue];
  if (lane == nullptr) {
    lane = std::make_unique<ReceiveLane>();
    lane->opener = crypto::open_aead(options_.backend, options_.suite,
                                     lane_key(options_.framing, receive_key_, queue));
  }
  return *lane;
}

}  // namespace ipop::dataplane
