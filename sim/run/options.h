#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sim/run/scenarios.h"

namespace ipop::sim {

/// What the command line asks for.
struct RunOptions {
  enum class What : std::uint8_t { Play, List, Help };
  What what = What::Play;
  const Scenario* scenario = nullptr;  ///< null: each of them
  std::optional<std::size_t> nodes;    ///< nullopt: as the scenario says
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;
  bool json = false;
  bool twice = false;    ///< each run again, and the traces compared (P14)
  std::string plot_dir;  ///< empty: no pictures
};

inline constexpr std::size_t kNodesMax = 10'000;
inline constexpr std::uint64_t kRunsMax = 1'000'000;

/// Of the words after the program's name. Error: what is wrong with them, in words.
std::expected<RunOptions, std::string> parse_options(std::span<const std::string_view> words);
std::string_view usage();

}  // namespace ipop::sim
