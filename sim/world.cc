#include "sim/world.h"

#include <algorithm>

namespace ipop::sim {
namespace {

constexpr std::uint64_t kWallStart = 1'800'000'000;

bool chance(Rng& rng, double p) {
  return p > 0 && rng.below(1'000'000) < static_cast<std::uint64_t>(p * 1'000'000);
}

}  // namespace

Node& World::add_node() {
  nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), rng_.next_u64()));
  return *nodes_.back();
}

void World::set_path(const Node& a, const Node& b, const Path& path) {
  paths_[std::minmax(a.index(), b.index())] = path;
}

Now World::now() const {
  const auto passed = now_ - Instant(std::chrono::hours(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(passed);
  const auto wall = static_cast<std::int64_t>(kWallStart) + seconds.count() + wall_shift_;
  return {now_, UnixTime{static_cast<std::uint64_t>(wall)},
          static_cast<std::uint32_t>((passed - seconds).count())};
}

void World::inject(const Endpoint& from, Node& to, ByteVector datagram, Duration after) {
  flights_.push({now_ + after, order_++, from, to.endpoint(), std::move(datagram)});
}

bool World::step(Instant end) {
  Instant next = flights_.empty() ? Instant::max() : flights_.top().at;
  Node* due = nullptr;
  for (const auto& node : nodes_) {
    if (node->is_running() && node->deadline_ < next) {
      next = node->deadline_;
      due = node.get();
    }
  }
  if (next > end) {
    now_ = end;
    return false;
  }
  now_ = std::max(now_, next);
  if (due != nullptr) {
    ++due->events_;
    due->engine_->handle_timeout(now());
    due->drain();
    return true;
  }
  const Flight flight = flights_.top();
  flights_.pop();
  Node* to = node_at(flight.to);
  if (to != nullptr && to->is_running()) to->deliver(flight.from, flight.datagram);
  return true;
}

void World::send(const Node& from, const Endpoint& to, Bytes datagram) {
  if (tap != nullptr) tap->push_back(to_vector(datagram));
  const Node* target = node_at(to);
  if (target == nullptr) return;
  const Path& path = path_between(from.index(), target->index());
  if (path.blocked || chance(rng_, path.loss)) return;
  if (datagram.size() > path.size_max) {
    ++too_big_;
    return;
  }
  const int copies = chance(rng_, path.duplication) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Duration delay = path.delay;
    if (path.jitter.count() > 0) {
      delay += Duration(
          static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(path.jitter.count()))));
    }
    flights_.push({now_ + delay, order_++, from.endpoint(), to, to_vector(datagram)});
  }
}

const Path& World::path_between(std::size_t a, std::size_t b) const {
  const auto it = paths_.find(std::minmax(a, b));
  return it == paths_.end() ? default_path : it->second;
}

Node* World::node_at(const Endpoint& endpoint) {
  for (const auto& node : nodes_) {
    if (node->endpoint() == endpoint) return node.get();
  }
  return nullptr;
}

}  // namespace ipop::sim
