#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sim/run/stage.h"

namespace ipop::sim {

/// A story that is told to a network of whole engines, and what must be true at its end.
struct Scenario {
  std::string_view name;
  std::string_view about;
  std::size_t nodes;      ///< unless said otherwise
  std::size_t nodes_min;  ///< fewer make no sense
  void (*play)(Stage&);
};

std::span<const Scenario> scenarios();
/// Null: there is none of that name.
const Scenario* find_scenario(std::string_view name);

/// Plays it from its beginning to its end. Requires: nodes >= nodes_min.
Report play(const Scenario& scenario, std::size_t nodes, std::uint64_t seed);

// growth.cc: networks that come into being.
/// What most begin with: all join, two a second and in large networks more, and it settles.
void grow(Stage& stage);
void play_join(Stage& stage);
void play_unlinkable(Stage& stage);
void play_nat(Stage& stage);
void play_weather(Stage& stage);
void play_skew(Stage& stage);
void play_idle(Stage& stage);
// failures.cc: members that come and go.
void play_churn(Stage& stage);
void play_deaths(Stage& stage);
void play_sleep(Stage& stage);
void play_partition(Stage& stage);
// hostility.cc: members against members.
void play_kick(Stage& stage);
void play_malice(Stage& stage);
// swarm.cc: anything, at once.
void play_swarm(Stage& stage);

}  // namespace ipop::sim
