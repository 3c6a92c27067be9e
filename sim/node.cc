#include "sim/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/overload.h"
#include "sim/villains.h"
#include "sim/world.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

/// The daemon compares its clocks (daemon.cc).
constexpr Duration kDaemonNoticesSleep = 60s;
/// Behind each NAT a network of its own, 10.x.y.0/24; outside it is 198.19.x.y.
constexpr std::uint32_t kInsides = 0x0a000000;
constexpr std::uint32_t kOutsides = 0xc6130001;
/// IPv4 and UDP.
constexpr std::size_t kOuterHeaders = 28;

bool names(const dataplane::Snapshot& snapshot, SocketId socket) {
  return std::ranges::any_of(snapshot.peers, [&](const dataplane::PeerRoute& route) {
    return route.way && route.way->is_direct() && route.way->socket() == socket;
  });
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

Now Node::now() const {
  Now now = world_->now();
  now.wall.seconds += static_cast<std::uint64_t>(clock_skew);
  return now;
}

void Node::set_deadline(Instant at) {
  if (std::exchange(deadline_, at) != at) world_->note_deadline(index_, at);
}

void Node::crash() {
  world_->drop_streams(*this);
  engine_.reset();
  snapshot_.reset();
  garbage_ = {};
  deadline_ = Instant::max();
  asleep_ = false;
  spares_.clear();
  adopted_.clear();
}

void Node::sleep() {
  check(is_awake());
  asleep_ = true;
  asleep_since_ = world_->at();
  deadline_ = Instant::max();
}

void Node::wake() {
  check(is_running() && asleep_);
  asleep_ = false;
  if (world_->at() - asleep_since_ >= kDaemonNoticesSleep) engine_->handle_clock_jump(now());
  engine_->handle_timeout(now());
  drain();
}

void Node::start() {
  engine_ = std::make_unique<engine::Engine>(
      rng_, log_, engine::Engine::Options{.port = endpoint_.port, .streams = {stream_port}});
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
    if (!restored) engine_->hold(name, restored.error());
    drain();
  }
}

void Node::move_to(const Endpoint& endpoint) {
  endpoint_ = endpoint;
  world_->note_place(*this);
  engine_->handle_local_network(now(), {{endpoint.address}, {}});
  drain();
}

void Node::move_behind(NatKind kind, Duration mapping_lifetime) {
  const auto number = static_cast<std::uint32_t>(index_);
  nat_ = std::make_unique<NatBox>(Ipv4{kOutsides + number}, kind, mapping_lifetime,
                                  world_->rng().next_u64());
  move_to({Ipv4{kInsides + (number << 8U) + 2}, endpoint_.port});
}

void Node::drain() {
  for (;;) {
    engine::Output output = engine_->poll_output();
    if (const auto* wait = std::get_if<engine::WaitUntil>(&output)) {
      set_deadline(wait->at);
      return;
    }
    std::visit(engine::Overload{
                   [&](engine::TakeIn& o) { deliver(o.from, o.datagram); },
                   [&](engine::Transmit& o) { transmit(o.to, o.datagram); },
                   [&](engine::OpenSocket& o) {
                     check(spares_.insert(o.socket).second);
                     spares_max_ = std::max(spares_max_, spares_.size());
                   },
                   [&](engine::AdoptSocket& o) {
                     check(spares_.contains(o.socket) && adopted_.insert(o.socket).second);
                   },
                   [&](engine::CloseSocket& o) {
                     check(spares_.erase(o.socket) == 1);
                     adopted_.erase(o.socket);
                     check(!names(*snapshot_, o.socket));
                   },
                   [&](engine::Store& o) {
                     ++stores_[o.kind];
                     if (!disk_full) disk_[o.network][o.kind] = std::move(o.bytes);
                     engine_->handle_stored(now(), o.ticket, !disk_full, "No space left on device");
                   },
                   [&](engine::Forget& o) { disk_.erase(o.network); },
                   [&](engine::Publish& o) {
                     snapshot_ = std::move(o.snapshot);
                     for (const dataplane::PeerRoute& route : snapshot_->peers) {
                       check(!route.way || !route.way->is_direct() ||
                             route.way->socket() == kMainSocket ||
                             adopted_.contains(route.way->socket()));
                     }
                     garbage_ = std::move(o.garbage);
                   },
                   [&](engine::InterfaceUp& o) { engine_->handle_interface(o.slot, {"sim0"}); },
                   [](engine::InterfaceDown&) {},
                   [&](engine::QueryPathMtu& o) { engine_->handle_path_mtu(o.to, 1500); },
                   [&](engine::OpenStream& o) { world_->open_stream(*this, o.to); },
                   [&](engine::CloseStream& o) { world_->close_stream(*this, o.to); },
                   [](engine::AskRouter&) {},  // no router here speaks UPnP
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
  Villains* villains = world_->villains;
  if (villains != nullptr && from.is_direct()) villains->notice(*this, datagram);
  ByteVector buffer = to_vector(datagram);
  MutableBytes view(buffer);
  const auto verdict = dataplane::inbound(*snapshot_, now().at, from, dataplane::Ecn::NotEct, view);
  const ByteVector plain = to_vector(view);
  // At once, since what the reports bring about may replace the snapshot that the verdict is of.
  if (const auto* next = std::get_if<dataplane::RelayOn>(&verdict.action)) {
    world_->note_relayed(plain);
    if (villains != nullptr && !villains->relays(*this)) return;
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
                 [&](const dataplane::ControlFrame& v) { hand_up_frame(v.session, from, plain); },
                 [&](const dataplane::ToEngine&) { handle(dataplane::DatagramEvent{from, plain}); },
                 [&](const dataplane::Dropped& v) { ++drops_[static_cast<std::size_t>(v.reason)]; },
             },
             verdict.action);
}

void Node::hand_up_frame(SessionIndex session, const Way& from, ByteVector plaintext) {
  if (!plaintext.empty() && unknown_frames.contains(plaintext[0])) return;
  note_forward(plaintext);
  if (world_->villains != nullptr && from.is_direct() && world_->sender() &&
      !world_->villains->may_pass(*world_, *this, *world_->sender(), plaintext)) {
    return;
  }
  handle(dataplane::FrameEvent{session, from, std::move(plaintext)});
}

/// Where a routed datagram is now: at its destination, on its way, or at the end of its time.
void Node::note_forward(Bytes plaintext) const {
  if (plaintext.empty()) return;
  const auto type = static_cast<wire::FrameType>(plaintext[0]);
  if (type != wire::FrameType::Forward) return;
  const auto frame = wire::parse_frame(plaintext);
  const auto* forward = frame ? std::get_if<wire::Forward>(&*frame) : nullptr;
  if (forward == nullptr) return;
  bool here = false;
  for (const auto& [slot, network] : engine_->networks()) {
    here |= network->self() != nullptr && network->self()->node == forward->destination;
  }
  world_->note_forward(*forward, here);
}

void Node::transmit(const Way& to, Bytes datagram) {
  if (to.is_stream()) return world_->send_streamed(*this, to.endpoint(), datagram);
  if (world_->refused_.contains({index_, to.endpoint()})) {
    return engine_->handle_unsent(to.endpoint(), wire::TestOutcome::Refused);
  }
  if (!has_socket(to.socket())) return;
  ++datagrams_sent_;
  bytes_sent_ += datagram.size() + kOuterHeaders;
  world_->send(*this, to, datagram);
}

std::vector<std::string> Node::folders() const {
  std::vector<std::string> out;
  for (const auto& [name, files] : disk_) out.push_back(name);
  return out;
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

}  // namespace ipop::sim
