// Reports for programs.
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sim/run/report.h"

namespace ipop::sim {
namespace {

using nlohmann::json;

json figures_of(const Report& report) {
  json out = json::object();
  for (const Report::Figure& f : report.figures) {
    out[f.name] = {
        {"unit", f.unit},           {"count", f.samples.size()}, {"mean", f.samples.mean()},
        {"p50", f.samples.at(0.5)}, {"p99", f.samples.at(0.99)}, {"most", f.samples.most()}};
  }
  return out;
}

json properties_of(const Report& report) {
  json out = json::object();
  for (std::size_t p = 1; p <= kPropertyCount; ++p) {
    const Report::Verdict& v = report.verdict(static_cast<Property>(p));
    out["P" + std::to_string(p)] = {{"text", property_text(static_cast<Property>(p))},
                                    {"checks", v.checks},
                                    {"violations", v.violations},
                                    {"examples", v.examples}};
  }
  return out;
}

}  // namespace

std::string report_json(const Report& report) {
  char trace[17];
  std::snprintf(trace, sizeof trace, "%016" PRIx64, report.trace);
  json moments = json::array();
  for (const Report::Moment& m : report.moments) {
    moments.push_back(
        {{"seconds", m.seconds}, {"live", m.live}, {"right", m.right}, {"aware", m.aware}});
  }
  const json out = {{"scenario", report.scenario},
                    {"nodes", report.nodes},
                    {"seed", report.seed},
                    {"trace", trace},
                    {"passed", report.passed()},
                    {"replay", replay_command(report)},
                    {"virtual_seconds", report.virtual_seconds},
                    {"wall_seconds", report.wall_seconds},
                    {"events", report.events},
                    {"kilobytes_a_node", report.kilobytes_a_node},
                    {"figures", figures_of(report)},
                    {"properties", properties_of(report)},
                    {"moments", std::move(moments)}};
  return out.dump();
}

}  // namespace ipop::sim
