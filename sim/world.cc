#include "sim/world.h"

#include <algorithm>

#include "base/check.h"
#include "dataplane/pipeline.h"
#include "engine/overload.h"

namespace ipop::sim {
namespace {

constexpr std::uint64_t kWallStart = 1'800'000'000;

bool chance(Rng& rng, double p) {
  return p > 0 && rng.below(1'000'000) < static_cast<std::uint64_t>(p * 1'000'000);
}

}  // namespace

Node::Node(World& world, std::size_t index, std::uint64_t seed)
    : world_(&world),
      index_(index),
      rng_(seed),
      endpoint_{Ipv4{0xc6120000U + static_cast<std::uint32_t>(index) + 1},
                static_cast<std::uint16_t>(40001 + index)} {
  start();
}

Now Node::now() const { return world_->now(); }

void Node::crash() {
  engine_.reset();
  snapshot_.reset();
  garbage_ = {};
  deadline_ = Instant::max();
}

void Node::start() {
  engine_ =
      std::make_unique<engine::Engine>(rng_, log_, engine::Engine::Options{.port = endpoint_.port});
  engine_->handle_local_network(now(), {{endpoint_.address}, {}});
  drain();
  const auto disk = disk_;
  for (const auto& [name, files] : disk) {
    const auto file = [&files](engine::FileKind kind) {
      const auto it = files.find(kind);  // NOLINT(clang-analyzer-core.CallAndMessage): bound above
      return it == files.end() ? ByteVector() : it->second;
    };
    if (file(engine::FileKind::Identity).empty()) continue;
    const auto restored =
        engine_->restore(now(), name,
                         {file(engine::FileKind::Identity), file(engine::FileKind::Secrets),
                          file(engine::FileKind::Statements), file(engine::FileKind::Peers),
                          file(engine::FileKind::Clock), file(engine::FileKind::Devices)});
    check(restored.has_value());
    drain();
  }
}

void Node::move_to(const Endpoint& endpoint) {
  endpoint_ = endpoint;
  engine_->handle_local_network(now(), {{endpoint.address}, {}});
  drain();
}

void Node::drain() {
  for (;;) {
    engine::Output output = engine_->poll_output();
    if (const auto* wait = std::get_if<engine::WaitUntil>(&output)) {
      deadline_ = wait->at;
      return;
    }
    std::visit(engine::Overload{
                   [&](engine::TakeIn& o) { deliver(o.from, o.datagram); },
                   [&](engine::Transmit& o) { transmit(o.to, o.datagram); },
                   [&](engine::Store& o) {
                     ++stores_[o.kind];
                     if (!disk_full) disk_[o.network][o.kind] = std::move(o.bytes);
                     engine_->handle_stored(now(), o.ticket, !disk_full, "No space left on device");
                   },
                   [&](engine::Forget& o) { disk_.erase(o.network); },
                   [&](engine::Publish& o) {
                     snapshot_ = std::move(o.snapshot);
                     garbage_ = std::move(o.garbage);
                   },
                   [&](engine::InterfaceUp& o) { engine_->handle_interface(o.slot, "sim0", ""); },
                   [](engine::InterfaceDown&) {},
                   [&](engine::QueryPathMtu& o) { engine_->handle_path_mtu(o.to, 1500); },
                   [&](engine::CommandUpdate& o) { updates.push_back(std::move(o)); },
                   [](engine::WaitUntil&) {},
               },
               output);
  }
}

void Node::handle(const dataplane::Event& event) {
  ++events_;
  engine_->handle_event(now(), event);
  drain();
}

void Node::send_ip(NetworkSlot network, Bytes bytes) {
  const auto packet = std::make_unique<Packet>();
  copy_bytes(packet->read_area(), bytes);
  packet->resize(bytes.size());
  const auto verdict = dataplane::outbound(*snapshot_, network, 1, now().at, {}, *packet);
  carry_out(verdict, *packet);
}

void Node::carry_out(const dataplane::OutboundVerdict& verdict, Packet& packet) {
  std::visit(engine::Overload{
                 [&](const dataplane::SendDatagram& v) {
                   transmit(v.to, packet.data());
                   const dataplane::SendReports& r = v.reports;
                   if (r.first_ip) handle(dataplane::IpSentEvent{r.session});
                   if (r.rekey_limit) handle(dataplane::LimitEvent{r.session});
                 },
                 [](const dataplane::SendSegments&) { check(false); },
                 [&](const dataplane::NeedsSession& v) {
                   handle(dataplane::UnroutedEvent{v.peer, to_vector(packet.data())});
                 },
                 [&](const dataplane::AnswerToTun& v) {
                   ++drops_[static_cast<std::size_t>(v.counted)];
                   received.push_back(to_vector(packet.data()));
                 },
                 [&](const dataplane::Dropped& v) { ++drops_[static_cast<std::size_t>(v.reason)]; },
             },
             verdict);
}

void Node::deliver(const Way& from, Bytes datagram) {
  if (snapshot_ == nullptr) return;
  ByteVector buffer = to_vector(datagram);
  MutableBytes view(buffer);
  const auto verdict = dataplane::inbound(*snapshot_, now().at, from, dataplane::Ecn::NotEct, view);
  const ByteVector plain = to_vector(view);
  // At once, since what the reports bring about may replace the snapshot that the verdict is of.
  if (const auto* next = std::get_if<dataplane::RelayOn>(&verdict.action)) {
    if (const auto to = dataplane::relay(*snapshot_, *next, 1, buffer)) transmit(*to, buffer);
  }
  if (verdict.report) handle(dataplane::ReceivedEvent{*verdict.report, from});
  if (verdict.rekey_limit) handle(dataplane::LimitEvent{*verdict.rekey_limit});
  std::visit(engine::Overload{
                 [&](const dataplane::WriteToTun&) { received.push_back(plain); },
                 [&](const dataplane::ForwardIp& v) {
                   const auto packet = std::make_unique<Packet>();
                   copy_bytes(packet->read_area(), plain);
                   packet->resize(plain.size());
                   carry_out(dataplane::forward(*snapshot_, v, 1, now().at, *packet), *packet);
                 },
                 [](const dataplane::RelayOn&) {},
                 [&](const dataplane::Relayed& v) { deliver(v.from, plain); },
                 [&](const dataplane::ControlFrame& v) {
                   if (!plain.empty() && unknown_frames.contains(plain[0])) return;
                   handle(dataplane::FrameEvent{v.session, from, plain});
                 },
                 [&](const dataplane::ToEngine&) { handle(dataplane::DatagramEvent{from, plain}); },
                 [&](const dataplane::Dropped& v) { ++drops_[static_cast<std::size_t>(v.reason)]; },
             },
             verdict.action);
}

void Node::transmit(const Endpoint& to, Bytes datagram) {
  if (world_->refused_.contains({index_, to})) {
    return engine_->handle_unsent(to, wire::TestOutcome::Refused);
  }
  ++datagrams_sent_;
  world_->send(*this, to, datagram);
}

Bytes Node::file(const std::string& network, engine::FileKind kind) const {
  const auto files = disk_.find(network);
  if (files == disk_.end()) return {};
  const auto file = files->second.find(kind);
  return file == files->second.end() ? Bytes() : Bytes(file->second);
}

engine::NetworkStatus Node::status(std::string_view network) const {
  auto status = engine_->status_of(now(), network);
  check(status.has_value());
  return std::move(*status);
}

bool Node::is_online_with(std::string_view member) const {
  const auto status = engine_->status_of(now(), {});
  if (!status) return false;
  return std::any_of(status->members.begin(), status->members.end(),
                     [&](const engine::MemberStatus& m) { return m.name == member && m.online; });
}

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
