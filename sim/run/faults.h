#pragma once

#include "sim/run/stage.h"

/// What befalls members, one call each.
namespace ipop::sim {

/// All nodes but the open ones get a NAT of their own: 13 % full cones, a quarter symmetric, the
/// others port-restricted; their mappings live 30 to 180 s.
void put_behind_nats(Stage& stage, std::size_t open);
/// kill -9 of so many random live ones; the last open one stays.
void crash_some(Stage& stage, std::size_t count);
/// So many random live ones sleep; the last open one stays.
void sleep_some(Stage& stage, std::size_t count);
void wake_all(Stage& stage);
/// Those that are off start from their disks.
void start_all(Stage& stage);
/// One that is off has lost its disk and joins again, as somebody else. False: none is off.
bool reinstall_one(Stage& stage);
/// One leaves the network for good; m0 never does. False: there is nobody else.
bool part_with_one(Stage& stage);
/// Everybody's clock is off by up to this much, either way.
void skew_clocks(Stage& stage, std::chrono::seconds most);

}  // namespace ipop::sim
