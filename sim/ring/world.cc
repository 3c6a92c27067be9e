#include "sim/ring/world.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "wire/writer.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

constexpr Duration kNoticeMax = 32s;
constexpr Duration kNoticeSuspect = 1s;
constexpr Duration kUnreachable = 6s;
constexpr Duration kIdle = 2s;
/// Outer headers of a control frame: IPv4, UDP, session header, tag.
constexpr std::size_t kOverhead = 60;

double unit(Rng& rng) { return static_cast<double>(rng.next_u64() >> 11U) * 0x1p-53; }

std::uint64_t mixed(std::uint64_t x) {
  x ^= x >> 33U;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33U;
  return x;
}

}  // namespace

RingWorld::RingWorld(const Options& options) : options_(options), rng_(options.seed) {}

std::size_t RingWorld::add_members(std::size_t count) {
  const std::size_t first = nodes_.size();
  std::vector<wire::NodeId> members;
  for (std::size_t i = 0; i < count; ++i) {
    auto node = std::make_unique<Node>();
    rng_.fill(node->id.bytes);
    node->x = unit(rng_);
    node->y = unit(rng_);
    nodes_.push_back(std::move(node));
  }
  for (const auto& node : nodes_) members.push_back(node->id);
  directory_ = overlay::Directory(members);
  circle_.resize(nodes_.size());
  for (std::size_t i = 0; i < circle_.size(); ++i) circle_[i] = i;
  std::sort(circle_.begin(), circle_.end(),
            [&](std::size_t a, std::size_t b) { return nodes_[a]->id < nodes_[b]->id; });
  for (std::size_t i = 0; i < first; ++i) {
    if (!alive(i)) continue;
    nodes_[i]->ring->set_directory(now_, directory_);
    drain(i);
  }
  return first;
}

void RingWorld::start(std::size_t node) {
  Node& n = *nodes_[node];
  check(n.ring == nullptr);
  // Sessions of a former life: the peers do not know yet.
  for (Session& s : n.sessions) s = Session{.peer = s.peer, .generation = s.generation + 1};
  n.rng = std::make_unique<SeededRng>(rng_.next_u64());
  n.ring = std::make_unique<overlay::Ring>(*n.rng, n.id, options_.ring);
  n.wake = Instant::max();
  n.born = n.group;
  n.ring->set_directory(now_, directory_);
  drain(node);
}

void RingWorld::crash(std::size_t node) {
  nodes_[node]->ring.reset();
  for (const Session& s : nodes_[node]->sessions) {
    if (s.up) doom(s.peer, node, drawn(kNoticeMax));
  }
}

void RingWorld::leave(std::size_t node) {
  nodes_[node]->ring->leave(now_);
  drain(node);
  crash(node);
}

void RingWorld::set_group(std::size_t node, unsigned group) {
  nodes_[node]->group = group;
  for (const Session& s : nodes_[node]->sessions) {
    if (!s.up || s.doomed || reachable(node, s.peer)) continue;
    doom(node, s.peer, drawn(kNoticeMax));
    doom(s.peer, node, drawn(kNoticeMax));
  }
}

void RingWorld::start_ring(std::size_t count, unsigned groups) {
  std::vector<std::vector<std::size_t>> rings(groups);
  for (std::size_t i = 0; i < count; ++i) {
    set_group(i, static_cast<unsigned>(i % groups));
    start(i);
  }
  for (const std::size_t i : circle_) {
    if (alive(i)) rings[nodes_[i]->group].push_back(i);
  }
  for (const auto& ring : rings) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      for (std::size_t step = 1; step <= options_.ring.near_per_side; ++step) {
        const std::size_t other = ring[(i + step) % ring.size()];
        const Session* s = session(ring[i], other);
        if (other != ring[i] && (s == nullptr || !s->up)) raise(ring[i], other);
      }
    }
  }
}

void RingWorld::run_for(Duration time) {
  const Instant end = now_ + time;
  while (!queue_.empty() && queue_.front().at <= end) {
    std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
    const Event event = queue_.back();
    queue_.pop_back();
    now_ = event.at;
    ++events_;
    handle(event);
  }
  now_ = end;
}

std::size_t RingWorld::route(std::size_t from, std::size_t to) {
  const std::size_t tag = datagrams_.size();
  datagrams_.push_back({.from = from, .to = to, .sent = now_});
  ByteVector payload;
  wire::Writer(payload).le(static_cast<std::uint64_t>(tag));
  nodes_[from]->ring->send_datagram(now_, id(to), payload);
  drain(from);
  return tag;
}

void RingWorld::handle(const Event& event) {
  Node& node = *nodes_[event.node];
  switch (event.kind) {
    case Kind::Wake:
      if (node.ring == nullptr || event.at != node.wake) return;
      node.wake = Instant::max();
      node.ring->handle_timeout(now_);
      return drain(event.node);
    case Kind::Frame:
      return arrive(event);
    case Kind::Up: {
      Session& s = session_or_new(event.node, event.peer);
      if (!s.calling || s.generation != event.detail || node.ring == nullptr) return;
      if (reachable(event.node, event.peer)) return raise(event.node, event.peer);
      return push(kUnreachable, Kind::Unreachable, event.node, event.peer, s.generation);
    }
    case Kind::Unreachable: {
      Session& s = session_or_new(event.node, event.peer);
      if (!s.calling || s.generation != event.detail || node.ring == nullptr) return;
      s.calling = false;
      s.held = false;
      node.ring->handle_unreachable(now_, id(event.peer));
      return drain(event.node);
    }
    case Kind::Down: {
      Session* s = session(event.node, event.peer);
      if (s == nullptr || !s->up || s->generation != event.detail || node.ring == nullptr) return;
      Session* other = session(event.peer, event.node);
      if (reachable(event.node, event.peer) && other != nullptr && other->up) {
        s->doomed = false;
        return;
      }
      *s = Session{.peer = s->peer, .generation = s->generation + 1};
      // The other side has a session with nobody now.
      if (other != nullptr && other->up && !other->doomed) {
        doom(event.peer, event.node, drawn(kNoticeMax));
      }
      node.ring->handle_down(now_, id(event.peer));
      return drain(event.node);
    }
    case Kind::Idle:
      return close_if_idle(event.node, event.peer);
  }
}

void RingWorld::drain(std::size_t node) {
  Node& n = *nodes_[node];
  while (n.ring != nullptr) {
    auto output = n.ring->poll_output();
    if (const auto* wait = std::get_if<overlay::Ring::WaitUntil>(&output)) {
      if (wait->at == n.wake) return;
      n.wake = wait->at;
      if (wait->at != Instant::max()) {
        push(std::max(wait->at - now_, Duration{}), Kind::Wake, node, 0, 0);
        n.wake = std::max(wait->at, now_);
      }
      return;
    }
    carry_out(node, std::move(output));
  }
}

void RingWorld::carry_out(std::size_t node, overlay::Ring::Output output) {
  if (auto* out = std::get_if<overlay::Ring::Send>(&output)) {
    send(node, out->to, std::move(out->frame));
  } else if (const auto* out_connect = std::get_if<overlay::Ring::Connect>(&output)) {
    const std::uint32_t peer = index_of(out_connect->node);
    Session& s = session_or_new(node, peer);
    s.held = true;
    if (s.up || s.calling) return;
    s.calling = true;
    const int trips = linkable(node, peer) ? 2 : 6;
    push(trips * delay(node, peer), Kind::Up, node, peer, s.generation);
  } else if (const auto* out_release = std::get_if<overlay::Ring::Release>(&output)) {
    const std::uint32_t peer = index_of(out_release->node);
    Session& s = session_or_new(node, peer);
    s.held = false;
    if (s.calling) {
      s.calling = false;
      ++s.generation;
    }
    if (s.up) push(kIdle, Kind::Idle, node, peer, 0);
  } else if (const auto* out_deliver = std::get_if<overlay::Ring::Deliver>(&output)) {
    const std::uint64_t tag = wire::Reader(out_deliver->datagram).le<std::uint64_t>();
    if (tag >= datagrams_.size() || datagrams_[tag].to != node) return;
    datagrams_[tag].arrived = true;
    datagrams_[tag].arrival = now_;
  } else if (const auto* out_not = std::get_if<overlay::Ring::Undeliverable>(&output)) {
    for (Datagram& d : datagrams_) {
      if (d.from == node && id(d.to) == out_not->destination && !d.arrived) d.undeliverable = true;
    }
  } else if (const auto* out_suspect = std::get_if<overlay::Ring::Suspect>(&output)) {
    const std::uint32_t peer = index_of(out_suspect->node);
    const Session* there = session(peer, node);
    const bool hears = reachable(node, peer) && there != nullptr && there->up;
    if (!hears) doom(node, peer, drawn(kNoticeSuspect));
  }
}

void RingWorld::send(std::size_t node, const wire::NodeId& to, ByteVector frame) {
  const std::uint32_t peer = index_of(to);
  const Session* s = session(node, peer);
  if (s == nullptr || !s->up) return;
  if (nodes_[node]->malice == Malice::LiesAndDrops &&
      frame[0] == static_cast<std::byte>(wire::FrameType::Neighbours)) {
    // It claims to be linked with everybody that fits.
    wire::Neighbours lie{.size_log2_256 = 16000};
    const std::size_t first = rng_.below(circle_.size());
    for (std::size_t i = 0; i < std::min(circle_.size(), wire::kNeighboursMax); ++i) {
      const std::size_t at = (first + i * circle_.size() / wire::kNeighboursMax) % circle_.size();
      lie.links.push_back({.id = wire::ring_id(id(circle_[at])), .near = true});
    }
    std::sort(lie.links.begin(), lie.links.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    lie.links.erase(std::unique(lie.links.begin(), lie.links.end()), lie.links.end());
    frame.clear();
    wire::write_ring_frame(lie, frame);
  }
  ++frames_;
  bytes_ += frame.size() + kOverhead;
  if (unit(rng_) < options_.loss || !reachable(node, peer)) {
    ++frames_lost_;
    return;
  }
  std::uint32_t slot = 0;
  if (free_frames_.empty()) {
    slot = static_cast<std::uint32_t>(frames_in_flight_.size());
    frames_in_flight_.emplace_back();
  } else {
    slot = free_frames_.back();
    free_frames_.pop_back();
  }
  frames_in_flight_[slot] = std::move(frame);
  const int legs = linkable(node, peer) ? 1 : 2;
  push(legs * delay(node, peer), Kind::Frame, peer, node, slot);
}

void RingWorld::arrive(const Event& event) {
  const ByteVector bytes = std::move(frames_in_flight_[event.detail]);
  free_frames_.push_back(static_cast<std::uint32_t>(event.detail));
  Node& node = *nodes_[event.node];
  const Session* s = session(event.node, event.peer);
  if (node.ring == nullptr || s == nullptr || !s->up) return;
  mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  mix(event.node + (static_cast<std::uint64_t>(event.peer) << 32U));
  for (const std::byte b : bytes) mix(static_cast<std::uint64_t>(b));
  const auto frame = wire::parse_frame(bytes);
  check(frame.has_value());
  if (const auto* f = std::get_if<wire::Forward>(&*frame)) {
    const bool datagram = f->mode == wire::ForwardMode::Exact;
    if (datagram && f->destination == node.id) {
      const std::uint64_t tag = wire::Reader(f->payload).le<std::uint64_t>();
      if (tag < datagrams_.size() && datagrams_[tag].hops == 0) {
        datagrams_[tag].hops = 33U - f->ttl;
      }
    } else if (node.malice != Malice::None) {
      ByteVector ack;
      wire::write_ring_frame(wire::ForwardAck{.message = f->message}, ack);
      return send(event.node, id(event.peer), std::move(ack));
    }
  }
  node.ring->handle_frame(now_, id(event.peer), *frame);
  drain(event.node);
}

/// A session comes up on both sides.
void RingWorld::raise(std::size_t a, std::size_t b) {
  for (const auto& [node, peer] : {std::pair(a, b), std::pair(b, a)}) {
    Session& s = session_or_new(node, peer);
    s.up = true;
    s.calling = false;
    s.doomed = false;
    ++s.generation;
  }
  const bool direct = linkable(a, b);
  const overlay::LinkQuality quality{direct, (direct ? 2 : 4) * delay(a, b)};
  for (const auto& [node, peer] : {std::pair(a, b), std::pair(b, a)}) {
    nodes_[node]->ring->handle_up(now_, id(peer), quality);
    drain(node);
  }
  push(kIdle, Kind::Idle, a, b, 0);
}

/// `node` will notice that its session with `peer` is dead.
void RingWorld::doom(std::size_t node, std::size_t peer, Duration after) {
  Session* s = session(node, peer);
  if (s == nullptr || !s->up) return;
  s->doomed = true;
  push(after, Kind::Down, node, peer, s->generation);
}

void RingWorld::close_if_idle(std::size_t a, std::size_t b) {
  Session* ours = session(a, b);
  Session* theirs = session(b, a);
  if (ours == nullptr || !ours->up || ours->held) return;
  if (theirs != nullptr && theirs->up && theirs->held) return;
  for (const auto& [node, peer] : {std::pair(a, b), std::pair(b, a)}) {
    Session* s = session(node, peer);
    if (s == nullptr || !s->up) continue;
    *s = Session{.peer = s->peer, .generation = s->generation + 1};
    if (nodes_[node]->ring == nullptr) continue;
    nodes_[node]->ring->handle_down(now_, id(peer));
    drain(node);
  }
}

std::uint32_t RingWorld::index_of(const wire::NodeId& node) const {
  const auto it =
      std::lower_bound(circle_.begin(), circle_.end(), node,
                       [&](std::size_t i, const wire::NodeId& n) { return nodes_[i]->id < n; });
  check(it != circle_.end() && nodes_[*it]->id == node);
  return static_cast<std::uint32_t>(*it);
}

RingWorld::Session* RingWorld::session(std::size_t node, std::size_t peer) {
  auto& all = nodes_[node]->sessions;
  const auto it = std::lower_bound(all.begin(), all.end(), peer,
                                   [](const Session& s, std::size_t p) { return s.peer < p; });
  return it != all.end() && it->peer == peer ? &*it : nullptr;
}

RingWorld::Session& RingWorld::session_or_new(std::size_t node, std::size_t peer) {
  auto& all = nodes_[node]->sessions;
  const auto it = std::lower_bound(all.begin(), all.end(), peer,
                                   [](const Session& s, std::size_t p) { return s.peer < p; });
  if (it != all.end() && it->peer == peer) return *it;
  return *all.insert(it, Session{.peer = static_cast<std::uint32_t>(peer)});
}

bool RingWorld::reachable(std::size_t a, std::size_t b) const {
  return alive(a) && alive(b) && nodes_[a]->group == nodes_[b]->group;
}

bool RingWorld::linkable(std::size_t a, std::size_t b) const {
  if (options_.unlinkable == 0) return true;
  const std::uint64_t pair = std::min(a, b) * 0x1000003ULL + std::max(a, b);
  const std::uint64_t drawn = mixed(pair * 0x9e3779b97f4a7c15ULL + options_.seed);
  return static_cast<double>(drawn >> 11U) * 0x1p-53 >= options_.unlinkable;
}

Duration RingWorld::delay(std::size_t a, std::size_t b) {
  const double length = std::hypot(nodes_[a]->x - nodes_[b]->x, nodes_[a]->y - nodes_[b]->y);
  const double ms = (5 + 67 * length) * (0.9 + 0.2 * unit(rng_));
  return Duration(static_cast<std::int64_t>(ms * 1e6));
}

Duration RingWorld::drawn(Duration most) {
  return Duration(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(most.count()))));
}

void RingWorld::push(Duration after, Kind kind, std::size_t node, std::size_t peer,
                     std::uint64_t detail) {
  queue_.push_back({now_ + after, order_++, kind, static_cast<std::uint32_t>(node),
                    static_cast<std::uint32_t>(peer), detail});
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
}

std::size_t RingWorld::wrong_near() const {
  std::size_t wrong = 0;
  std::unordered_map<unsigned, std::vector<std::size_t>> groups;
  for (const std::size_t i : circle_) {
    if (alive(i)) groups[nodes_[i]->group].push_back(i);
  }
  for (const auto& [group, members] : groups) {
    const std::size_t n = members.size();
    const std::size_t each = std::min(options_.ring.near_per_side, n - 1);
    for (std::size_t i = 0; i < n; ++i) {
      bool right = true;
      for (std::size_t step = 1; step <= each; ++step) {
        const std::size_t other = members[(i + step) % n];
        for (const auto& [a, b] : {std::pair(members[i], other), std::pair(other, members[i])}) {
          const overlay::Link* link = std::as_const(nodes_[a]->ring->links()).find(id(b));
          right &= link != nullptr && link->near == overlay::NearState::Up;
        }
      }
      wrong += right ? 0U : 1U;
    }
  }
  return wrong;
}

bool RingWorld::is_right(std::size_t node) const {
  const auto at = static_cast<std::size_t>(
      std::lower_bound(circle_.begin(), circle_.end(), node,
                       [&](std::size_t a, std::size_t b) { return id(a) < id(b); }) -
      circle_.begin());
  for (const std::size_t forward : {std::size_t{1}, circle_.size() - 1}) {
    std::size_t found = 0;
    for (std::size_t i = (at + forward) % circle_.size();
         i != at && found < options_.ring.near_per_side; i = (i + forward) % circle_.size()) {
      const std::size_t other = circle_[i];
      if (!reachable(node, other)) continue;
      ++found;
      for (const auto& [a, b] : {std::pair(node, other), std::pair(other, node)}) {
        const overlay::Link* link = std::as_const(nodes_[a]->ring->links()).find(id(b));
        if (link == nullptr || link->near != overlay::NearState::Up) return false;
      }
    }
  }
  return true;
}

std::size_t RingWorld::mixed_links() const {
  std::size_t mixed = 0;
  for (const auto& node : nodes_) {
    for (const Session& s : node->sessions) {
      mixed += s.up && nodes_[s.peer]->born != node->born ? 1U : 0U;
    }
  }
  return mixed;
}

std::size_t RingWorld::links_max() const {
  std::size_t most = 0;
  for (const auto& node : nodes_) {
    if (node->ring != nullptr) most = std::max(most, node->ring->links().size());
  }
  return most;
}

double RingWorld::links_mean() const {
  std::size_t sum = 0;
  std::size_t count = 0;
  for (const auto& node : nodes_) {
    if (node->ring == nullptr) continue;
    sum += node->ring->links().size();
    ++count;
  }
  return count == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(count);
}

void RingWorld::mix(std::uint64_t value) { trace_ = (trace_ ^ value) * 0x100000001b3ULL; }

}  // namespace ipop::sim
