#include "nat/port_pattern.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace ipop::nat {
namespace {

std::vector<Witness> witnesses_of(std::span<const PortSample> samples) {
  std::vector<Witness> out;
  for (const PortSample& s : samples) {
    if (!std::ranges::count(out, s.witness)) out.push_back(s.witness);
  }
  return out;
}

std::vector<PortSample> without(std::span<const PortSample> samples, Witness witness) {
  std::vector<PortSample> out;
  std::ranges::copy_if(samples, std::back_inserter(out),
                       [&](const PortSample& s) { return s.witness != witness; });
  return out;
}

/// The mappings of the newest burst in the order of their creation; a port that was seen twice is
/// one mapping.
std::vector<PortSample> newest_burst(std::span<const PortSample> samples) {
  std::vector<PortSample> out;
  for (const PortSample& s : samples) {
    out.insert(std::ranges::upper_bound(out, s.created, {}, &PortSample::created), s);
  }
  std::size_t begin = out.empty() ? 0 : out.size() - 1;
  while (begin > 0 && out[begin].created - out[begin - 1].created <= kPortBurst) --begin;
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(begin));
  std::vector<PortSample> once;
  for (const PortSample& s : out) {
    if (!std::ranges::count(once, s.port, &PortSample::port)) once.push_back(s);
  }
  return once;
}

std::optional<PortStep> step_of(std::span<const PortSample> ordered) {
  if (ordered.size() < 3 || witnesses_of(ordered).size() < 2) return std::nullopt;
  int step = 0;
  std::vector<int> differences;
  for (std::size_t i = 1; i < ordered.size(); ++i) {
    const int d = int{ordered[i].port} - int{ordered[i - 1].port};
    const bool turns = !differences.empty() && (d > 0) != (differences.front() > 0);
    if (std::abs(d) > kPortStepReach || turns) return std::nullopt;
    differences.push_back(d);
    step = std::gcd(step, d);
  }
  if (differences.front() < 0) step = -step;
  if (2 * std::ranges::count(differences, step) < std::ssize(differences)) return std::nullopt;
  return PortStep{step, ordered.back().port};
}

PortSpan span_of(std::span<const PortSample> samples) {
  const auto [low, high] = std::ranges::minmax_element(samples, {}, &PortSample::port);
  return {low->port, high->port};
}

int width(const PortSpan& span) { return int{span.highest} - int{span.lowest} + 1; }

}  // namespace

std::optional<PortStep> find_port_step(std::span<const PortSample> samples) {
  const std::vector<PortSample> burst = newest_burst(samples);
  if (const auto step = step_of(burst)) return step;
  for (const Witness w : witnesses_of(burst)) {
    if (const auto step = step_of(without(burst, w))) return step;
  }
  return std::nullopt;
}

std::optional<PortSpan> find_port_span(std::span<const PortSample> samples) {
  if (samples.empty()) return std::nullopt;
  const PortSpan all = span_of(samples);
  const std::vector<Witness> witnesses = witnesses_of(samples);
  if (witnesses.size() < 4) return all;
  PortSpan least = all;
  for (const Witness w : witnesses) {
    const PortSpan rest = span_of(without(samples, w));
    if (width(rest) < width(least)) least = rest;
  }
  return 2 * width(least) < width(all) ? least : all;
}

}  // namespace ipop::nat
