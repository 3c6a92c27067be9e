#include "dataplane/keypair.h"

namespace ipop::dataplane {
namespace {

/// REKEY_AFTER_MESSAGES of the WireGuard paper, section 6.1.
constexpr std::uint64_t kRekeyAfterMessages = 1ULL << 60U;

/// AES blocks of one packet: the text's, and the one that masks the tag.
std::uint64_t blocks_of(std::size_t text_size) { return (text_size + 15) / 16 + 1; }

}  // namespace

Keypair::Keypair(const Options& options, const session::TransportKeys& keys) : options_(options) {
  for (std::size_t sender = 0; sender <= options.workers; ++sender) {
    sealers_.push_back(crypto::open_aead(options.suite, keys.send));
  }
  opener_ = crypto::open_aead(options.suite, keys.receive);
}

Result<void> Keypair::seal(SenderId sender, std::uint8_t flags, Packet& packet) {
  check(sender < sealers_.size());
  const auto counter = next_counter(packet.size());
  if (!counter) return std::unexpected(counter.error());
  packet.push_front(wire::kDataHeaderSize);
  packet.resize(packet.size() + crypto::kTagSize);
  seal_into(sender, {.flags = flags, .receiver = options_.remote, .counter = *counter},
            packet.data());
  return {};
}

Result<ByteVector> Keypair::seal_control(Bytes plaintext) {
  const auto counter = next_counter(plaintext.size());
  if (!counter) return std::unexpected(counter.error());
  ByteVector out(plaintext.size() + wire::kDataOverhead);
  copy_bytes(MutableBytes(out).subspan(wire::kDataHeaderSize), plaintext);
  seal_into(kControlSender, {.receiver = options_.remote, .counter = *counter}, out);
  return out;
}

Result<wire::Data> Keypair::open(Packet& packet) {
  const auto header = wire::parse_data(packet.data());
  if (!header) return std::unexpected(Error{Errc::Truncated, header.error().what});
  if (header->receiver != options_.local) return fail(Errc::NotFound, "session index");
  if (!window_.would_accept(header->counter)) return fail(Errc::BadValue, "counter replayed");
  const std::uint64_t blocks = blocks_of(packet.size() - wire::kDataOverhead);
  if (above_block_limit(blocks)) return fail(Errc::Busy, "block limit");

  const Bytes aad = packet.data().first(wire::kDataHeaderSize);
  const MutableBytes sealed = packet.data().subspan(wire::kDataHeaderSize);
  const auto nonce = crypto::nonce_of(options_.suite, header->counter.value);
  const auto text = opener_->open(nonce, aad, sealed);
  if (!text) return std::unexpected(text.error());
  check(window_.commit(header->counter));
  words_.blocks.fetch_add(blocks, std::memory_order_relaxed);
  packet.pop_front(wire::kDataHeaderSize);
  packet.resize(text->size());
  return *header;
}

bool Keypair::wants_rekey() const {
  if (words_.send_counter.load(std::memory_order_relaxed) >= kRekeyAfterMessages) return true;
  return options_.suite == crypto::Suite::Aes256Gcm &&
         words_.blocks.load(std::memory_order_relaxed) >= options_.limits.rekey;
}

bool Keypair::take_rekey_report() {
  return wants_rekey() && !words_.limit_reported.load(std::memory_order_relaxed) &&
         !words_.limit_reported.exchange(true, std::memory_order_relaxed);
}

bool Keypair::above_block_limit(std::uint64_t more) const {
  return options_.suite == crypto::Suite::Aes256Gcm &&
         words_.blocks.load(std::memory_order_relaxed) + more > options_.limits.reject;
}

Result<Counter> Keypair::next_counter(std::size_t plaintext_size) {
  // Both limits are tested before the counter moves, so that refused packets cannot wrap it round;
  // senders that pass the test at one moment overshoot by one packet each, far below the slack.
  const std::uint64_t blocks = blocks_of(plaintext_size);
  if (words_.send_counter.load(std::memory_order_relaxed) >= session::ReplayWindow::kRejectFrom) {
    return fail(Errc::Busy, "message limit");
  }
  if (above_block_limit(blocks)) return fail(Errc::Busy, "block limit");
  words_.blocks.fetch_add(blocks, std::memory_order_relaxed);
  return Counter{words_.send_counter.fetch_add(1, std::memory_order_relaxed)};
}

void Keypair::seal_into(SenderId sender, const wire::Data& header, MutableBytes datagram) {
  wire::write_data_header(header, datagram);
  sealers_[sender]->seal(crypto::nonce_of(options_.suite, header.counter.value),
                         datagram.first(wire::kDataHeaderSize),
                         datagram.subspan(wire::kDataHeaderSize));
}

}  // namespace ipop::dataplane
