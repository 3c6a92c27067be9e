// simulate [OPTION…]: the door of `./run sim`.
#include <cstdio>
#include <vector>

#include "sim/run/options.h"
#include "sim/run/plots.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

namespace {

void print(std::string_view text, FILE* to = stdout) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

void list() {
  for (const sim::Scenario& s : sim::scenarios()) {
    std::printf("%-12s %3zu  %s\n", std::string(s.name).c_str(), s.nodes,
                std::string(s.about).c_str());
  }
}

sim::Report run_once(const sim::RunOptions& options, const sim::Scenario& scenario,
                     std::uint64_t seed) {
  const std::size_t nodes = options.nodes.value_or(scenario.nodes);
  sim::Report report = sim::play(scenario, nodes, seed);
  if (options.twice) {
    const sim::Report again = sim::play(scenario, nodes, seed);
    report.check(sim::Property::SameSeedSameTrace,
                 again.trace == report.trace ? "" : "the second run had another trace");
  }
  return report;
}

/// Whether every run passed. A single run is told at length.
bool run_all(const sim::RunOptions& options) {
  const bool single = options.scenario != nullptr && options.first_seed == options.last_seed;
  bool passed = true;
  std::size_t runs = 0;
  std::size_t failed = 0;
  if (!single && !options.json) print(sim::report_headline());
  for (const sim::Scenario& scenario : sim::scenarios()) {
    if (options.scenario != nullptr && options.scenario != &scenario) continue;
    if (options.nodes && *options.nodes < scenario.nodes_min) continue;
    for (std::uint64_t seed = options.first_seed;; ++seed) {
      const sim::Report report = run_once(options, scenario, seed);
      ++runs;
      failed += report.passed() ? 0U : 1U;
      passed = passed && report.passed();
      print(options.json ? sim::report_json(report) + "\n"
            : single     ? sim::report_text(report)
                         : sim::report_line(report));
      if (!options.plot_dir.empty() && !sim::write_plots(report, options.plot_dir)) {
        print("cannot write to " + options.plot_dir + "\n", stderr);
        return false;
      }
      if (seed == options.last_seed) break;
    }
  }
  if (!single && !options.json) std::printf("%zu runs, %zu failed\n", runs, failed);
  return passed;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto options = sim::parse_options(words);
  if (!options) {
    print(options.error() + "\n", stderr);
    return 2;
  }
  switch (options->what) {
    case sim::RunOptions::What::List:
      list();
      return 0;
    case sim::RunOptions::What::Help:
      print(sim::usage());
      return 0;
    case sim::RunOptions::What::Play:
      break;
  }
  return run_all(*options) ? 0 : 1;
}
