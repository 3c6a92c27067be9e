#include "sim/run/options.h"

#include <charconv>

namespace ipop::sim {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::unexpected<std::string> bad(std::string_view option, std::string_view value,
                                 const std::string& wanted) {
  return std::unexpected(std::string(option) + " " + std::string(value) + ": " + wanted);
}

std::expected<void, std::string> take_value(RunOptions& out, std::string_view option,
                                            std::string_view value) {
  if (option == "--scenario") {
    out.scenario = find_scenario(value);
    if (out.scenario == nullptr) return bad(option, value, "no such scenario; --list names them");
  } else if (option == "--nodes") {
    out.nodes = number(value);
    if (!out.nodes || *out.nodes < 2 || *out.nodes > kNodesMax) {
      return bad(option, value, "a number from 2 to " + std::to_string(kNodesMax) + " is wanted");
    }
  } else if (option == "--seed") {
    const auto seed = number(value);
    if (!seed) return bad(option, value, "a number is wanted");
    out.first_seed = out.last_seed = *seed;
  } else if (option == "--seeds") {
    const auto dots = value.find("..");
    const auto first = number(value.substr(0, dots));
    const auto last =
        dots == std::string_view::npos ? std::nullopt : number(value.substr(dots + 2));
    if (!first || !last || *last < *first || *last - *first >= kRunsMax) {
      return bad(option, value, "FIRST..LAST is wanted, a million at most");
    }
    out.first_seed = *first;
    out.last_seed = *last;
  } else {
    out.plot_dir = value;
  }
  return {};
}

}  // namespace

std::expected<RunOptions, std::string> parse_options(std::span<const std::string_view> words) {
  RunOptions out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--list") {
      out.what = RunOptions::What::List;
    } else if (word == "--help" || word == "-h") {
      out.what = RunOptions::What::Help;
    } else if (word == "--json") {
      out.json = true;
    } else if (word == "--twice") {
      out.twice = true;
    } else if (word == "--scenario" || word == "--nodes" || word == "--seed" || word == "--seeds" ||
               word == "--plot") {
      if (++i == words.size()) return bad(word, "", "a value is missing");
      if (auto taken = take_value(out, word, words[i]); !taken) {
        return std::unexpected(taken.error());
      }
    } else {
      return std::unexpected(std::string(word) + ": no such option; --help names them");
    }
  }
  if (out.scenario != nullptr && out.nodes && *out.nodes < out.scenario->nodes_min) {
    return bad("--nodes", std::to_string(*out.nodes),
               std::string(out.scenario->name) + " needs at least " +
                   std::to_string(out.scenario->nodes_min));
  }
  return out;
}

std::string_view usage() {
  return R"(./run sim [OPTION…]   whole engines in virtual time; the same seed, the same run
  --scenario NAME   one story; without it each, of its usual size
  --nodes N         members at the beginning
  --seed S          one run (1)
  --seeds A..B      a run for each seed, a line each
  --twice           each run again: the traces must be the same
  --json            data instead of a table, an object a line
  --plot DIR        pictures of the last run (SVG)
  --list            the scenarios
Ends with 1 when a property did not hold, 2 when the command line is wrong.
)";
}

}  // namespace ipop::sim
