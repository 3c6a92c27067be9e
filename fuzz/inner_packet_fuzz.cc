// Any bytes may come out of a TUN interface or a peer's session. What the parser takes must lie
// within the input, and what we make of it must parse again, with right checksums where they were
// right.

#include "base/check.h"
#include "dataplane/icmp.h"
#include "dataplane/inner_packet.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

bool same_parse(const InnerPacket& a, const InnerPacket& b) {
  return a.source == b.source && a.destination == b.destination && a.protocol == b.protocol &&
         a.fragment == b.fragment && a.size == b.size && a.transport == b.transport;
}

std::uint16_t transport_sum(Bytes packet, const InnerPacket& inner) {
  return test::slow_transport_sum(inner.source, inner.destination, inner.protocol,
                                  packet.first(inner.size).subspan(inner.transport));
}

std::size_t bytes_that_differ(Bytes a, Bytes b) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < a.size(); ++i) n += a[i] != b[i] ? 1U : 0U;
  return n;
}

void check_ecn(Bytes input, const InnerPacket& inner) {
  for (unsigned bits = 0; bits < 4; ++bits) {
    ByteVector packet = to_vector(input);
    set_ecn(packet, static_cast<Ecn>(bits));
    const auto again = parse_inner(packet);
    check(again && same_parse(*again, inner) && again->ecn == static_cast<Ecn>(bits));
    check(bytes_that_differ(input, packet) <= 3);
    if (!inner.source.is_v6()) {
      const std::size_t header = (std::to_integer<std::size_t>(input[0]) & 15U) * 4;
      // One's complement has two zeros, 0 and 0xffff: an update may turn one into the other.
      check(test::slow_sum(input.first(header)) % 0xffff ==
            test::slow_sum(Bytes(packet).first(header)) % 0xffff);
    }
  }
}

void check_clamp(Bytes input, const InnerPacket& inner, std::uint16_t mtu) {
  ByteVector packet = to_vector(input);
  const bool changed = clamp_mss(packet, inner, mtu);
  const auto again = parse_inner(packet);
  check(again && same_parse(*again, inner));
  check(bytes_that_differ(input, packet) <= 4);
  check(changed || equal_bytes(packet, input));
  if (changed) {
    check(transport_sum(packet, inner) % 0xffff == transport_sum(input, inner) % 0xffff);
    check(!clamp_mss(packet, inner, mtu));
  }
}

void check_completion(Bytes input, const InnerPacket& inner) {
  ByteVector packet = to_vector(input);
  if (!complete_checksum(packet, inner)) {
    check(equal_bytes(packet, input));
    return;
  }
  check(transport_sum(packet, inner) == 0xffff);
  check(bytes_that_differ(input, packet) <= 2);
}

void check_too_big(Bytes input, const InnerPacket& inner, std::uint16_t mtu) {
  const auto packet = test::packet_of(input);
  if (!replace_by_too_big(*packet, inner, {.mtu = mtu})) {
    check(equal_bytes(packet->data(), input));
    return;
  }
  const Bytes answer = packet->data();
  const auto parsed = parse_inner(answer);
  check(parsed && parsed->size == answer.size());
  check(parsed->source == inner.destination && parsed->destination == inner.source);
  check(answer.size() <= (inner.source.is_v6() ? 1280U : 576U));
  const Bytes icmp = answer.subspan(parsed->transport);
  if (inner.source.is_v6()) {
    check(parsed->protocol == kProtocolIcmpV6 && transport_sum(answer, *parsed) == 0xffff);
  } else {
    check(parsed->protocol == kProtocolIcmp && test::slow_sum(icmp) == 0xffff);
    check(test::slow_sum(answer.first(20)) == 0xffff);
  }
  check(equal_bytes(icmp.subspan(8), input.first(icmp.size() - 8)));
  const auto second = test::packet_of(answer);
  check(!replace_by_too_big(*second, *parsed, {.mtu = mtu}));  // errors are never answered
}

void run(Bytes input) {
  if (input.size() < 2) return;
  const auto mtu = static_cast<std::uint16_t>(test::get16(input, 0));
  input = input.subspan(2);
  input = input.first(std::min(input.size(), Packet::kPayloadMax));
  const auto inner = parse_inner(input);
  if (!inner) return;
  check(inner->size <= input.size() && inner->transport <= inner->size);
  check(inner->transport >= 20 && inner->transport <= 40 + kExtensionBytesMax);
  check(inner->source.is_v6() == inner->destination.is_v6());
  const auto trimmed = parse_inner(input.first(inner->size));
  check(trimmed && same_parse(*trimmed, *inner));
  check_ecn(input, *inner);
  check_clamp(input, *inner, mtu);
  check_completion(input, *inner);
  check_too_big(input, *inner, mtu);
}

}  // namespace
}  // namespace ipop::dataplane

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ipop::dataplane::run(std::as_bytes(std::span(bytes, size)));
  return 0;
}
