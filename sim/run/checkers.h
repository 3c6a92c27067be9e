#pragma once

#include "sim/run/stage.h"

/// What must hold of a network of whole engines (docs/scale.md lists the properties). Each writes
/// into the stage's report.
namespace ipop::sim {

/// Live members whose nearest live ones are linked, at both ends.
std::size_t count_right(Stage& stage);
/// P1, P2, P3, P7, P10 at this moment.
void check_state(Stage& stage);

/// How long things may be other than they are to be.
struct Settling {
  Duration ring = std::chrono::seconds(60);        ///< P1
  Duration membership = std::chrono::seconds(30);  ///< P7; at most as long
};
/// The network must come to rest: ring and membership as they are to be, or it is a violation. How
/// long it took is the figure "settled after".
void settle(Stage& stage, const Settling& within = {});

struct Reach {
  std::size_t pairs_max = 500;  ///< all, or so many random ones
  Duration patience = std::chrono::seconds(3);
  /// Where packets are lost on the way the same is tried again after this; zero: never.
  Duration again{};
};
/// Where the weather loses packets.
inline constexpr Reach kPatient{.patience = std::chrono::seconds(10),
                                .again = std::chrono::seconds(1)};
/// P4: members that are live and honest send each other a packet, pair by pair.
void check_reach(Stage& stage, const Reach& how);

/// What a network that has settled is asked for: quiet for a minute, still right, all reach each
/// other, and no routed datagram runs out of hops meanwhile (P5).
void check_rest(Stage& stage, const Reach& how);

/// P11 and P9 of the whole run, and the figures and the picture of how it ended.
void close_report(Stage& stage);

}  // namespace ipop::sim
