#include "sim/run/report.h"

#include <algorithm>

namespace ipop::sim {
namespace {

constexpr std::size_t kExamplesMax = 5;

}  // namespace

std::string_view property_text(Property property) {
  switch (property) {
    case Property::NearestAreLinked:
      return "everybody links its four nearest on either side";
    case Property::LinksAreMutual:
      return "both ends say the same of a link";
    case Property::DegreeIsBounded:
      return "nobody has more links than allowed";
    case Property::PacketsArrive:
      return "packets between members arrive in time";
    case Property::NoRoutingLoop:
      return "no routed datagram runs out of hops at rest";
    case Property::OneRingAfterHealing:
      return "parted rings become one in time";
    case Property::MembershipIsAgreed:
      return "all agree on the members in time";
    case Property::RevokedAreCutOff:
      return "a kicked member reaches nobody any more";
    case Property::AtMostOnce:
      return "no packet is delivered twice, to another, or as another's";
    case Property::OneOwnerOfAnAddress:
      return "each address and name has one owner";
    case Property::OnlyEndsSeeContent:
      return "content is seen by neither wires nor relays";
    case Property::IdleIsCheap:
      return "idle members send little";
    case Property::MemoryIsBounded:
      return "hostile members do not fill others' memory";
    case Property::SameSeedSameTrace:
      return "the same seed gives the same trace";
  }
  return "";
}

void Report::add(std::string_view name, std::string_view unit, double value) {
  auto figure = std::ranges::find(figures, name, &Figure::name);
  if (figure == figures.end()) {
    figures.push_back({std::string(name), std::string(unit), {}});
    figure = std::prev(figures.end());
  }
  figure->samples.add(value);
}

const Report::Figure* Report::find(std::string_view name) const {
  const auto figure = std::ranges::find(figures, name, &Figure::name);
  return figure == figures.end() ? nullptr : &*figure;
}

void Report::check(Property property, const std::string& wrong) {
  Verdict& verdict = verdicts_[static_cast<std::size_t>(property)];
  ++verdict.checks;
  if (wrong.empty()) return;
  ++verdict.violations;
  if (verdict.examples.size() < kExamplesMax) verdict.examples.push_back(wrong);
}

bool Report::passed() const {
  return std::ranges::all_of(verdicts_, [](const Verdict& v) { return v.violations == 0; });
}

std::string replay_command(const Report& report) {
  return "./run sim --scenario " + report.scenario + " --nodes " + std::to_string(report.nodes) +
         " --seed " + std::to_string(report.seed);
}

}  // namespace ipop::sim
