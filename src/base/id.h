#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace ipop {

/// A number that names something: no arithmetic, no implicit conversion; ids with different tags
/// do not compare.
template <class Tag, class T = std::uint32_t>
struct StrongId {
  T value{};
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

/// Names one keypair at the side that drew it; travels in every DATA header (WireGuard "index").
using SessionIndex = StrongId<struct SessionIndexTag>;
/// Transport packet counter, which is the AEAD nonce.
using Counter = StrongId<struct CounterTag, std::uint64_t>;
/// Epoch of the network secret (docs/protocol.md, "network secret").
using Epoch = StrongId<struct EpochTag>;
/// A network of this daemon: index into the engine's table, never on the wire.
using NetworkSlot = StrongId<struct NetworkSlotTag>;
/// A peer of this daemon, over all its networks: never reused while the daemon runs, never sent.
using PeerHandle = StrongId<struct PeerHandleTag>;
/// A UDP socket of this daemon: 0 is the one port that others know, every other one a spare socket
/// (engine/spare_sockets.h). Never reused while the daemon runs, never sent.
using SocketId = StrongId<struct SocketIdTag>;
inline constexpr SocketId kMainSocket{};
/// Marks the packets of one relayed way on one session; chosen by who receives them, never 0.
using RelayLabel = StrongId<struct RelayLabelTag>;

}  // namespace ipop

template <class Tag, class T>
struct std::hash<ipop::StrongId<Tag, T>> {
  std::size_t operator()(ipop::StrongId<Tag, T> id) const noexcept {
    return std::hash<T>{}(id.value);
  }
};
