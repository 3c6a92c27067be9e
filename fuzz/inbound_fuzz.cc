// Two ways in: bytes from anybody, which must never get anywhere, and a plaintext that an
// authenticated member chose, which may reach our TUN only as a whole packet of its own for us.
//
// Input: u8 mode | u8 outer ECN and flags | bytes. Mode bit 0: the bytes are sealed by the member;
// else they are the datagram. Mode bit 1: the session is proven. Mode bit 2: ChaCha20-Poly1305.
// Mode bit 3: stock WireGuard.

#include <algorithm>

#include "base/check.h"
#include "dataplane/inner_packet.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

using test::TwoNodes;

/// Under which bob receives through alice.
constexpr RelayLabel kLabel{0x01010101};
const Way kRelayWay = Way::relay(PeerHandle{9}, RelayLabel{5});

void run_stranger(const TwoNodes& nodes, Bytes datagram, Ecn ecn) {
  const auto packet = test::packet_of(datagram);
  const auto verdict =
      test::receive(nodes.bob.snapshot, test::at_second(1), nodes.alice.endpoint, ecn, *packet);
  check(!std::holds_alternative<WriteToTun>(verdict.action));
  check(!std::holds_alternative<ControlFrame>(verdict.action));
  check(!verdict.report && !verdict.rekey_limit);
  if (std::holds_alternative<ToEngine>(verdict.action)) {
    check(equal_bytes(packet->data(), datagram));
  }
}

void run_member(TwoNodes& nodes, Bytes plaintext, Ecn ecn, std::uint8_t flags, bool proven) {
  std::unique_ptr<Packet> packet;
  const auto verdict = nodes.deliver(plaintext, packet, ecn, flags);
  check(!std::holds_alternative<ToEngine>(verdict.action));
  if (std::holds_alternative<Relayed>(verdict.action)) {
    // What was inside, whole, by the way that the label stands for; and never as if from a relay.
    check(proven && flags == 0 && nodes.bob.keypair->framing() == wire::Framing::Native);
    check(equal_bytes(packet->data(), plaintext.subspan(wire::kRelayedHeaderSize)));
    packet = test::packet_of(plaintext);
    check(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    const auto again =
        test::receive(nodes.bob.snapshot, test::at_second(5), kRelayWay, ecn, *packet);
    check(std::get_if<Dropped>(&again.action)->reason == Drop::NestedRelay);
  }
  if (std::holds_alternative<ControlFrame>(verdict.action)) {
    check(equal_bytes(packet->data(), plaintext));
    check(plaintext.empty() || nodes.bob.keypair->framing() == wire::Framing::Native);
    check(plaintext.empty() || std::to_integer<unsigned>(plaintext[0]) < 0x40);
  }
  if (!std::holds_alternative<WriteToTun>(verdict.action)) return;
  check(proven && packet->size() <= plaintext.size());
  const auto inner = parse_inner(packet->data());
  check(inner && inner->size == packet->size());
  const bool is_v6 = inner->source.is_v6();
  check(inner->source == (is_v6 ? IpAddress(nodes.alice.ip6) : IpAddress(nodes.alice.ip4)));
  check(inner->destination == (is_v6 ? IpAddress(nodes.bob.ip6) : IpAddress(nodes.bob.ip4)));
  check(ecn != Ecn::Ce || inner->ecn == Ecn::Ce);
  check(std::get<WriteToTun>(verdict.action).checksum_partial == (flags != 0));
  if (flags != 0) {
    check(complete_checksum(packet->data(), *inner).has_value());
    const Bytes segment = packet->data().subspan(inner->transport);
    check(test::slow_transport_sum(inner->source, inner->destination, inner->protocol, segment) ==
          0xffff);
  }
}

/// Makes it likely that mutated addresses are still the right ones: only what follows them, or a
/// byte that the mutation marks, is arbitrary.
ByteVector with_addresses(const TwoNodes& nodes, Bytes bytes) {
  ByteVector out = to_vector(bytes);
  if (out.empty()) return out;
  const unsigned version = std::to_integer<unsigned>(out[0]) >> 4U;
  if (version == 4 && out.size() >= 20) {
    copy_bytes(MutableBytes(out).subspan(12), nodes.alice.ip4.to_bytes());
    copy_bytes(MutableBytes(out).subspan(16), nodes.bob.ip4.to_bytes());
  } else if (version == 6 && out.size() >= 40) {
    copy_bytes(MutableBytes(out).subspan(8), nodes.alice.ip6.bytes);
    copy_bytes(MutableBytes(out).subspan(24), nodes.bob.ip6.bytes);
  }
  return out;
}

void run(Bytes input) {
  if (input.size() < 2) return;
  const auto mode = std::to_integer<unsigned>(input[0]);
  const auto ecn = static_cast<Ecn>(std::to_integer<unsigned>(input[1]) & 3U);
  const bool stock = (mode & 8U) != 0;
  const auto flags =
      static_cast<std::uint8_t>(stock ? 0 : std::to_integer<unsigned>(input[1]) >> 7U);
  const bool proven = (mode & 2U) != 0;
  TwoNodes nodes({.suite = stock || (mode & 4U) != 0 ? crypto::Suite::ChaCha20Poly1305
                                                     : crypto::Suite::Aes256Gcm,
                  .proven = proven,
                  .framing = stock ? wire::Framing::Stock : wire::Framing::Native});
  nodes.bob.snapshot.labels[kLabel] = {PeerHandle{9}, LabelEnd{kRelayWay}};
  const Bytes bytes = input.subspan(2, std::min<std::size_t>(input.size() - 2, 60000));
  if ((mode & 1U) == 0) {
    run_stranger(nodes, bytes, ecn);
    return;
  }
  run_member(nodes, bytes, ecn, flags, proven);
  run_member(nodes, with_addresses(nodes, bytes), ecn, flags, proven);
}

}  // namespace
}  // namespace ipop::dataplane

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ipop::dataplane::run(std::as_bytes(std::span(bytes, size)));
  return 0;
}
