#include "nat/port_search.h"

#include <algorithm>

#include "wire/candidate.h"

namespace ipop::nat {
namespace {

constexpr int kPortMin = 1024;
constexpr int kPortMax = 65535;
/// Ports that a provider's NAT gives one customer (RFC 6431, RFC 7422: some hundreds).
constexpr int kBlock = 512;

bool is_port(int port) { return port >= kPortMin && port <= kPortMax; }

/// The port that the next flow gets, and the one after; then those of flows before the newest.
std::vector<std::uint16_t> by_steps(const PortHint& hint) {
  std::vector<std::uint16_t> out;
  const auto add = [&](int steps) {
    const int port = int{hint.newest.port} + steps * hint.step;
    if (is_port(port)) out.push_back(static_cast<std::uint16_t>(port));
  };
  for (int k = 1; k <= PortSearch::kStepsAhead; ++k) {
    add(k);
    if (k <= PortSearch::kStepsBehind) add(-k);
  }
  return out;
}

/// All of the span in any order, and behind these its surroundings: the block is likely larger than
/// what was seen of it.
std::vector<std::uint16_t> by_span(const PortHint& hint, Rng& rng) {
  const int width = int{hint.span.highest} - int{hint.span.lowest} + 1;
  const bool is_wide = width > PortSearch::kSpanMax;
  if (width < 1 || (is_wide && hint.sockets < PortSearch::kSocketsMin)) return {};
  const auto shuffled = [&](int low, int high) {
    std::vector<std::uint16_t> ports;
    for (int port = std::max(low, kPortMin); port <= std::min(high, kPortMax); ++port) {
      ports.push_back(static_cast<std::uint16_t>(port));
    }
    for (std::size_t i = ports.size(); i > 1; --i) std::swap(ports[i - 1], ports[rng.below(i)]);
    return ports;
  };
  auto out = shuffled(hint.span.lowest, hint.span.highest);
  if (is_wide) return out;  // more than any budget
  // Of four ports drawn from a block the span is 3/5 of it on average, and often less than half.
  const int reach = std::max(width, kBlock);
  auto around = shuffled(hint.span.lowest - reach, hint.span.lowest - 1);
  const auto above = shuffled(hint.span.highest + 1, hint.span.highest + reach);
  around.insert(around.end(), above.begin(), above.end());
  for (std::size_t i = around.size(); i > 1; --i) std::swap(around[i - 1], around[rng.below(i)]);
  out.insert(out.end(), around.begin(), around.end());
  return out;
}

}  // namespace

bool PortSearch::start(Instant now, const PortHint& hint) {
  stop();
  if (!wire::is_candidate(hint.newest) || !may_start(now)) return false;
  auto ports = hint.step != 0 ? by_steps(hint) : by_span(hint, *rng_);
  ports.resize(std::min(ports.size(), budget_.left(now)));
  if (ports.empty()) return false;
  std::ranges::reverse(ports);
  address_ = hint.newest.address;
  ports_ = std::move(ports);
  send_burst(now);
  return true;
}

void PortSearch::stop() {
  ports_.clear();
  next_ = Instant::max();
}

Duration PortSearch::lasts() const {
  return kInterval * static_cast<std::int64_t>(ports_.size() / kBurst + 1);
}

void PortSearch::handle_timeout(Instant now) {
  if (next_ <= now) send_burst(now);
}

PortSearch::Output PortSearch::poll_output() {
  if (!outputs_.empty()) {
    const Probe first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  return WaitUntil{next_};
}

void PortSearch::send_burst(Instant now) {
  for (std::size_t i = 0; i < kBurst && !ports_.empty(); ++i) {
    outputs_.push_back({{address_, ports_.back()}});
    ports_.pop_back();
    budget_.spend(1);
  }
  next_ = ports_.empty() ? Instant::max() : now + kInterval;
}

}  // namespace ipop::nat
