#include "sim/nat_box.h"

#include <algorithm>

namespace ipop::sim {

Endpoint NatBox::translate(Instant now, SocketId socket, const Endpoint& to) {
  std::erase_if(mappings_, [&](const Mapping& m) { return now - m.used > lifetime_; });
  const auto wanted = kind_ == NatKind::Symmetric ? std::optional(to) : std::nullopt;
  auto mapping = std::ranges::find_if(
      mappings_, [&](const Mapping& m) { return m.socket == socket && m.only_to == wanted; });
  if (mapping == mappings_.end()) {
    const auto is_taken = [&](std::uint16_t port) {
      return std::ranges::any_of(mappings_, [&](const Mapping& m) { return m.port == port; });
    };
    auto port = static_cast<std::uint16_t>(1024 + rng_.below(64512));
    while (is_taken(port)) port = static_cast<std::uint16_t>(1024 + rng_.below(64512));
    mappings_.push_back({.socket = socket, .only_to = wanted, .port = port});
    mapping = std::prev(mappings_.end());
  }
  mapping->used = now;
  if (mapping->sent_to.insert_or_assign(to, now).second) {
    flows_[to.address].push_back(now);
    std::erase_if(mapping->sent_to, [&](const auto& s) { return now - s.second > lifetime_; });
  }
  return {outside_, mapping->port};
}

std::optional<SocketId> NatBox::lets_in(Instant now, const Endpoint& from,
                                        std::uint16_t port) const {
  const auto mapping = std::ranges::find_if(mappings_, [&](const Mapping& m) {
    if (m.port != port || now - m.used > lifetime_) return false;
    if (kind_ == NatKind::FullCone) return true;
    const auto sent = m.sent_to.find(from);
    return sent != m.sent_to.end() && now - sent->second <= lifetime_;
  });
  return mapping == mappings_.end() ? std::nullopt : std::optional(mapping->socket);
}

}  // namespace ipop::sim
