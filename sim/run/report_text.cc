// Reports for people.
#include <cinttypes>
#include <cstdio>

#include "sim/run/report.h"

namespace ipop::sim {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char line[400];
  std::snprintf(line, sizeof line, pattern, args...);
  return line;
}

std::string failures(const Report& report) {
  std::string out;
  for (std::size_t p = 1; p <= kPropertyCount; ++p) {
    for (const std::string& example : report.verdict(static_cast<Property>(p)).examples) {
      out += format("  P%zu: %s\n", p, example.c_str());
    }
  }
  if (!out.empty())
    out += "  seed " + std::to_string(report.seed) + ", again by: " + replay_command(report) + "\n";
  return out;
}

}  // namespace

std::string report_text(const Report& report) {
  std::string out = format("%s: %zu nodes, seed %" PRIu64 ", trace %016" PRIx64 "\n",
                           report.scenario.c_str(), report.nodes, report.seed, report.trace);
  out +=
      format("%.0f s of virtual time in %.1f s, %" PRIu64 " events, %.0f kB a node\n\n",
             report.virtual_seconds, report.wall_seconds, report.events, report.kilobytes_a_node);
  out +=
      format("  %-34s %8s %10s %10s %10s %10s\n", "figure", "count", "mean", "p50", "p99", "most");
  for (const Report::Figure& f : report.figures) {
    const Samples& s = f.samples;
    const std::string name = f.unit.empty() ? f.name : f.name + ", " + f.unit;
    out += format("  %-34s %8zu %10.2f %10.2f %10.2f %10.2f\n", name.c_str(), s.size(), s.mean(),
                  s.at(0.5), s.at(0.99), s.most());
  }
  out += "\n";
  for (std::size_t p = 1; p <= kPropertyCount; ++p) {
    const auto property = static_cast<Property>(p);
    const Report::Verdict& v = report.verdict(property);
    const std::string state = v.checks == 0       ? "not checked"
                              : v.violations == 0 ? "held"
                                                  : format("VIOLATED %zu times", v.violations);
    out += format("  P%-3zu %-58s %s\n", p, std::string(property_text(property)).c_str(),
                  state.c_str());
  }
  const std::string wrong = failures(report);
  return wrong.empty() ? out : out + "\n" + wrong;
}

std::string report_headline() {
  return format("%-12s %5s %8s  %-16s %8s %7s %6s %9s %7s  %s\n", "scenario", "nodes", "seed",
                "trace", "virt. s", "real s", "kB/n", "join p99", "settled", "result");
}

std::string report_line(const Report& report) {
  const auto* join = report.find("join to in the ring");
  const auto* settled = report.find("settled after");
  std::string checked;
  for (std::size_t p = 1; p <= kPropertyCount; ++p) {
    const Report::Verdict& v = report.verdict(static_cast<Property>(p));
    if (v.checks != 0) checked += format(" %s%zu", v.violations == 0 ? "P" : "!P", p);
  }
  return format("%-12s %5zu %8" PRIu64 "  %016" PRIx64 " %8.0f %7.1f %6.0f %9.2f %7.1f  %s%s\n",
                report.scenario.c_str(), report.nodes, report.seed, report.trace,
                report.virtual_seconds, report.wall_seconds, report.kilobytes_a_node,
                join == nullptr ? 0.0 : join->samples.at(0.99),
                settled == nullptr ? 0.0 : settled->samples.most(),
                report.passed() ? "ok" : "FAILED", checked.c_str()) +
         failures(report);
}

}  // namespace ipop::sim
