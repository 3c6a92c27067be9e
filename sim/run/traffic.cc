#include "sim/run/traffic.h"

#include <algorithm>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

constexpr std::size_t kHeaders = 28;
constexpr std::size_t kNumberSize = 8;
constexpr std::size_t kSourceAt = 12;

std::string pair_text(const Traffic::Packet& p) {
  return "m" + std::to_string(p.from) + " to m" + std::to_string(p.to);
}

}  // namespace

std::optional<std::size_t> Traffic::send(std::size_t from, std::size_t to) {
  Node& sender = world_->node(from);
  const member::Member* self = self_of(sender);
  const member::Member* other = self_of(world_->node(to));
  if (self == nullptr || other == nullptr || !self->v4 || !other->v4) return std::nullopt;
  const std::size_t number = packets_.size();
  packets_.push_back({from, to, *self->v4, world_->at(), std::nullopt});
  const Ipv4 destination = *other->v4;
  const auto size = static_cast<std::uint16_t>(kHeaders + world_->marker.size() + kNumberSize);
  ByteVector packet = ip_packet(*self->v4, destination, size);
  copy_bytes(MutableBytes(packet).subspan(kHeaders), world_->marker);
  for (std::size_t i = 0; i < kNumberSize; ++i) {
    packet[size - 1 - i] = static_cast<std::byte>(number >> (8 * i) & 0xffU);
  }
  sender.send_ip(sender.engine().networks().begin()->first, packet);
  return number;
}

void Traffic::collect() {
  for (std::size_t i = 0; i < world_->size(); ++i) {
    auto& received = world_->node(i).received;
    for (const ByteVector& packet : received) judge(i, packet);
    received.clear();
  }
}

/// Answers of the node's own, as ICMP, have no marker.
void Traffic::judge(std::size_t at, Bytes packet) {
  const std::size_t marked = kHeaders + world_->marker.size();
  if (packet.size() != marked + kNumberSize ||
      !equal_bytes(packet.subspan(kHeaders, world_->marker.size()), world_->marker)) {
    return;
  }
  std::uint64_t number = 0;
  for (const std::byte b : packet.subspan(marked)) {
    number = number << 8U | std::to_integer<std::uint64_t>(b);
  }
  if (number >= packets_.size()) {
    return report_->check(Property::AtMostOnce, "a packet that nobody sent");
  }
  Packet& sent = packets_[number];
  std::string wrong;
  if (at != sent.to) wrong = pair_text(sent) + ": delivered to m" + std::to_string(at);
  if (sent.arrived) wrong = pair_text(sent) + ": delivered twice";
  if (!equal_bytes(packet.subspan(kSourceAt, 4), sent.source.to_bytes())) {
    wrong = pair_text(sent) + ": delivered as another's";
  }
  report_->check(Property::AtMostOnce, wrong);
  sent.arrived = world_->at();
}

std::size_t Traffic::arrived_from(std::size_t node) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      packets_, [node](const Packet& p) { return p.from == node && p.arrived.has_value(); }));
}

}  // namespace ipop::sim
