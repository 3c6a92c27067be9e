// What a report says of how a run ended.
#include <algorithm>
#include <map>

#include "sim/run/checkers.h"

namespace ipop::sim {
namespace {

void add_figures(Stage& stage) {
  Report& report = stage.report();
  for (const std::size_t i : stage.live()) {
    std::size_t roles = 0;
    std::size_t relayed = 0;
    for (const overlay::Link& link : stage.ring(i).links()) {
      roles += link.established();
      relayed += link.established() && !link.direct;
    }
    report.add("links of a member", "", static_cast<double>(roles));
    if (relayed != 0) report.add("... relayed ones, where there are", "", double(relayed));
  }
  const auto& by_hops = stage.world().forwards().datagrams_by_hops;
  for (std::size_t hops = 0; hops < by_hops.size(); ++hops) {
    for (std::uint64_t n = 0; n < by_hops[hops]; ++n) {
      report.add("hops of routed datagrams", "", static_cast<double>(hops));
    }
  }
  const World::Weather& weather = stage.world().weather();
  report.add("datagrams sent", "", static_cast<double>(weather.sent));
  const auto impairment = [&](const char* name, std::uint64_t count) {
    if (count != 0) report.add(name, "", static_cast<double>(count));
  };
  impairment("... lost", weather.lost);
  impairment("... duplicated", weather.duplicated);
  impairment("... corrupted", weather.corrupted);
  impairment("... stopped by a NAT", weather.filtered);
  impairment("... between those that cannot talk", weather.blocked);
  impairment("deeds of hostile members", stage.villains().deeds());
}

/// The ring by the eyes of its first live member.
void draw_ring(Stage& stage) {
  const std::vector<std::size_t> live = stage.live();
  if (live.empty()) return;
  std::map<wire::NodeId, std::size_t> numbers;
  for (const std::size_t i : live) numbers[stage.self(i)->node] = i;
  std::map<wire::NodeId, std::size_t> places;
  Report& report = stage.report();
  for (const auto& [node, m] : stage.membership(live.front()).members()) {
    places[node] = report.places.size();
    const auto number = numbers.find(node);
    const bool is_live = number != numbers.end();
    report.places.push_back({.turn = static_cast<double>(wire::ring_id(node).value) * 0x1p-64,
                             .name = m.name,
                             .live = is_live,
                             .villain = is_live && !stage.is_honest(number->second),
                             .behind_nat = is_live && stage.node(number->second).nat() != nullptr});
  }
  for (const auto& [node, i] : numbers) {
    for (const overlay::Link& link : stage.ring(i).links()) {
      const auto to = places.find(link.node);
      if (!link.established() || to == places.end() || !(node < link.node)) continue;
      report.lines.push_back({.from = places[node],
                              .to = to->second,
                              .near = link.near == overlay::NearState::Up,
                              .relayed = !link.direct});
    }
  }
}

}  // namespace

void close_report(Stage& stage) {
  Report& report = stage.report();
  const std::uint64_t leaks = stage.world().marker_leaks();
  report.check(Property::OnlyEndsSeeContent,
               leaks == 0 ? "" : std::to_string(leaks) + " datagrams showed what is inside");
  add_figures(stage);
  draw_ring(stage);
  report.trace = stage.world().trace();
  report.events = stage.world().events();
  report.virtual_seconds = stage.seconds();
}

}  // namespace ipop::sim
