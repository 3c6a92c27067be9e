#include "sim/world.h"

#include <algorithm>

namespace ipop::sim {
namespace {

constexpr std::uint64_t kWallStart = 1'800'000'000;

bool chance(Rng& rng, double p) {
  return p > 0 && rng.below(1'000'000) < static_cast<std::uint64_t>(p * 1'000'000);
}

bool contains(Bytes bytes, Bytes part) { return !std::ranges::search(bytes, part).empty(); }

}  // namespace

Node& World::add_node() {
  groups_.push_back(0);
  nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), rng_.next_u64()));
  note_place(*nodes_.back());
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
  flights_.push({now_ + after, order_++, from, to.endpoint(), std::move(datagram), std::nullopt});
}

bool World::step(Instant end) {
  const auto is_void = [&](const Timer& timer) {
    const Node& node = *nodes_[timer.second];
    return !node.is_awake() || node.deadline_ != timer.first;
  };
  while (!timers_.empty() && is_void(timers_.top())) timers_.pop();
  const Instant landing = flights_.empty() ? Instant::max() : flights_.top().at;
  const bool is_timer = !timers_.empty() && timers_.top().first < landing;
  const Instant next = is_timer ? timers_.top().first : landing;
  if (next > end) {
    now_ = end;
    return false;
  }
  now_ = std::max(now_, next);
  ++events_;
  trace_.mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  if (is_timer) {
    Node& due = *nodes_[timers_.top().second];
    timers_.pop();
    trace_.mix(due.index());
    due.deadline_ = Instant::max();
    ++due.events_;
    due.engine_->handle_timeout(due.now());
    due.drain();
    return true;
  }
  const Flight flight = flights_.top();
  flights_.pop();
  land(flight);
  return true;
}

void World::land(const Flight& flight) {
  if (flight.kind != Flight::Kind::Datagram) return land_stream(flight);
  Node* to = node_at(flight.to);
  if (to == nullptr) return;
  Way from = flight.from;
  if (const NatBox* nat = to->nat(); nat != nullptr && flight.sender) {
    const auto socket = nat->lets_in(now_, flight.from, flight.to.port);
    if (!socket) {
      ++weather_.filtered;
      return;
    }
    from = Way(flight.from, *socket);
  }
  trace_.mix(to->index());
  trace_.mix(flight.datagram);
  if (!to->is_awake() || !to->has_socket(from.socket())) return;
  sender_ = flight.sender;
  to->deliver(from, flight.datagram);
  sender_.reset();
}

void World::send(Node& from, const Way& way, Bytes datagram) {
  const Endpoint& to = way.endpoint();
  if (tap != nullptr) tap->push_back(to_vector(datagram));
  ++weather_.sent;
  if (!marker.empty() && contains(datagram, marker)) ++marker_leaks_;
  if (way.socket() != kMainSocket && from.nat_ == nullptr) return;
  const Endpoint source =
      from.nat_ ? from.nat_->translate(now_, way.socket(), to) : from.endpoint();
  const Node* target = node_at(to);
  if (target == nullptr) return;
  const Path path = path_between(from.index(), target->index());
  if (path.blocked || path.udp_blocked || path.udp_deaf == target->index() ||
      groups_[from.index()] != groups_[target->index()]) {
    ++weather_.blocked;
    return;
  }
  if (chance(rng_, path.loss)) {
    ++weather_.lost;
    return;
  }
  if (datagram.size() > path.size_max) {
    ++too_big_;
    return;
  }
  const bool twice = chance(rng_, path.duplication);
  if (twice) ++weather_.duplicated;
  for (int copies = twice ? 2 : 1; copies > 0; --copies) {
    launch({now_, 0, source, to, to_vector(datagram), from.index()}, path);
  }
}

void World::launch(Flight flight, const Path& path) {
  Duration delay = path.delay;
  if (path.jitter.count() > 0) {
    delay += Duration(
        static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(path.jitter.count()))));
  }
  if (chance(rng_, path.corruption) && !flight.datagram.empty()) {
    ++weather_.corrupted;
    flight.datagram[rng_.below(flight.datagram.size())] ^= std::byte{1} << rng_.below(8);
  }
  flight.at += delay;
  flight.order = order_++;
  flights_.push(std::move(flight));
}

Path World::path_between(std::size_t a, std::size_t b) const {
  if (!paths_.empty()) {
    if (const auto it = paths_.find(std::minmax(a, b)); it != paths_.end()) return it->second;
  }
  Path path = default_path;
  if (terrain) {
    path.delay = terrain->delay(a, b);
    path.jitter += path.delay / 10;
    path.blocked = terrain->is_blocked(a, b);
  }
  return path;
}

bool World::is_linkable(std::size_t a, std::size_t b) const {
  return groups_[a] == groups_[b] && !path_between(a, b).blocked;
}

Node* World::node_at(const Endpoint& endpoint) {
  if (const auto nat = by_nat_.find(endpoint.address); nat != by_nat_.end()) {
    return nodes_[nat->second].get();
  }
  const auto it = by_endpoint_.find(endpoint);
  return it == by_endpoint_.end() ? nullptr : nodes_[it->second].get();
}

/// A node that moved is where it was no more. Who is behind a NAT is found by its outside alone.
void World::note_place(const Node& node) {
  std::erase_if(by_endpoint_, [&](const auto& place) { return place.second == node.index(); });
  if (node.nat() != nullptr) {
    by_nat_[node.nat()->outside()] = node.index();
  } else {
    by_endpoint_[node.endpoint()] = node.index();
  }
}

void World::note_forward(const wire::Forward& frame, bool arrived) {
  if (arrived && frame.mode == wire::ForwardMode::Exact) {
    const std::size_t hops = wire::kForwardTtlMax - frame.ttl + std::size_t{1};
    forwards_.datagrams_by_hops.resize(std::max(forwards_.datagrams_by_hops.size(), hops + 1));
    ++forwards_.datagrams_by_hops[hops];
  } else if (!arrived && frame.ttl <= 1) {
    ++forwards_.exhausted;
  }
}

void World::note_relayed(Bytes plaintext) {
  if (!marker.empty() && contains(plaintext, marker)) ++marker_leaks_;
}

}  // namespace ipop::sim
