#pragma once

#include <cstdint>
#include <optional>

namespace ipop::dataplane {

/// Explicit congestion notification bits of an IP header (RFC 3168).
enum class Ecn : std::uint8_t { NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3 };

/// The inner mark after a tunnel's end, RFC 6040 section 4.2; nullopt where the packet must be
/// dropped: the path marked a packet whose ends would not see the mark. At the tunnel's beginning
/// the inner mark is copied out ("normal mode", section 4.1).
std::optional<Ecn> merge_ecn(Ecn inner, Ecn outer);

}  // namespace ipop::dataplane
