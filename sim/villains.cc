#include "sim/villains.h"

#include <algorithm>

#include "sim/scenario.h"
#include "sim/world.h"

namespace ipop::sim {
namespace {

constexpr std::size_t kCaughtMax = 64;
constexpr std::size_t kReplaysAtOnce = 10;
constexpr std::size_t kFloodAtOnce = 40;
constexpr std::size_t kFalseLinks = 12;

/// A frame of `villain`'s, handed up at `listener` on a session of theirs. False: there is none
/// with a direct path.
bool speak(Node& villain, Node& listener, const wire::Frame& frame) {
  const member::Member* self = self_of(villain);
  if (self == nullptr || self_of(listener) == nullptr || &villain == &listener) return false;
  for (const auto& [index, session] : listener.snapshot().sessions) {
    if (!session.proven || session.source6 != self->v6 || !session.way ||
        !session.way->is_direct()) {
      continue;
    }
    ByteVector plaintext;
    wire::write_frame(frame, plaintext);
    const dataplane::FrameEvent event{index, *session.way, std::move(plaintext)};
    listener.engine().handle_event(listener.now(), event);
    listener.drain();
    return true;
  }
  return false;
}

Node& any_node(World& world, Rng& rng) { return world.node(rng.below(world.size())); }

bool is_of_statements(const wire::Frame& frame) {
  return std::holds_alternative<wire::StatementFrame>(frame) ||
         std::holds_alternative<wire::Recon>(frame) ||
         std::holds_alternative<wire::ReconRanges>(frame) ||
         std::holds_alternative<wire::SecretFrame>(frame) ||
         std::holds_alternative<wire::Part>(frame) || std::holds_alternative<wire::Bye>(frame);
}

}  // namespace

const char* vice_name(Vice vice) {
  switch (vice) {
    case Vice::Drop:
      return "drop";
    case Vice::Misroute:
      return "misroute";
    case Vice::Lie:
      return "lie";
    case Vice::Replay:
      return "replay";
    case Vice::Flood:
      return "flood";
    case Vice::Deaf:
      return "deaf";
  }
  return "";
}

bool Villains::may_pass(World& world, Node& at, std::size_t from, ByteVector& plaintext) {
  const auto receiver = vices_.find(at.index());
  const auto sender = vices_.find(from);
  const bool lies = sender != vices_.end() && sender->second == Vice::Lie;
  if (receiver == vices_.end() && !lies) return true;
  const ByteVector copy = plaintext;  // the frame borrows from it
  const auto frame = wire::parse_frame(copy);
  if (!frame) return true;
  if (lies && lie(world, *frame, plaintext)) ++deeds_;
  if (receiver == vices_.end()) return true;
  if (receiver->second == Vice::Deaf && is_of_statements(*frame)) {
    ++deeds_;
    return false;
  }
  const auto* forward = std::get_if<wire::Forward>(&*frame);
  return forward == nullptr || !mishandle(world, at, from, receiver->second, *forward);
}

bool Villains::relays(const Node& node) const {
  const auto it = vices_.find(node.index());
  return it == vices_.end() || (it->second != Vice::Drop && it->second != Vice::Misroute);
}

void Villains::notice(const Node& at, Bytes datagram) {
  const auto it = vices_.find(at.index());
  if (it == vices_.end() || it->second != Vice::Replay) return;
  auto& caught = caught_[at.index()];
  if (caught.size() == kCaughtMax) caught.pop_front();
  caught.push_back(to_vector(datagram));
}

void Villains::act(World& world) {
  for (const auto& [index, vice] : vices_) {
    Node& villain = world.node(index);
    if (self_of(villain) == nullptr) continue;
    if (vice == Vice::Flood) flood(world, villain);
    if (vice == Vice::Replay) replay(world, villain);
  }
}

/// True: the engine does not see it.
bool Villains::mishandle(World& world, Node& at, std::size_t from, Vice vice,
                         const wire::Forward& forward) {
  if (vice != Vice::Drop && vice != Vice::Misroute) return false;
  const member::Member* self = self_of(at);
  const bool is_datagram = forward.mode == wire::ForwardMode::Exact;
  if (self == nullptr || (is_datagram && forward.destination == self->node)) return false;
  ++deeds_;
  speak(at, world.node(from), wire::ForwardAck{wire::ForwardAck::What::Forward, forward.message});
  if (vice == Vice::Drop || forward.ttl <= 1) return true;
  wire::Forward astray = forward;
  --astray.ttl;
  for (int tries = 0; tries < 8; ++tries) {
    Node& other = any_node(world, rng_);
    if (other.index() != from && speak(at, other, astray)) break;
  }
  return true;
}

bool Villains::lie(World& world, const wire::Frame& frame, ByteVector& plaintext) {
  ByteVector changed;
  if (std::holds_alternative<wire::Neighbours>(frame)) {
    wire::Neighbours claim{.size_log2_256 = 63 * 256};
    for (std::size_t i = 0; i < kFalseLinks; ++i) {
      const member::Member* other = self_of(any_node(world, rng_));
      if (other == nullptr) continue;
      claim.links.push_back({.id = wire::ring_id(other->node),
                             .near = rng_.below(2) == 0,
                             .distant = true,
                             .rtt_4ms = 1});
    }
    std::ranges::sort(claim.links, {}, &wire::Neighbour::id);
    const auto repeated = std::ranges::unique(claim.links, {}, &wire::Neighbour::id);
    claim.links.erase(repeated.begin(), repeated.end());
    wire::write_frame(claim, changed);
  } else if (const auto* peers = std::get_if<wire::Peers>(&frame)) {
    wire::Peers claim = *peers;
    for (wire::PeerHint& hint : claim.peers) {
      for (Endpoint& e : hint.candidates) e = any_node(world, rng_).endpoint();
    }
    wire::write_frame(claim, changed);
  } else {
    return false;
  }
  plaintext = std::move(changed);
  return true;
}

void Villains::flood(World& world, Node& villain) {
  const std::vector<std::byte> junk(1000, std::byte{0x55});
  wire::StatementId high;
  high.bytes.fill(std::byte{0xff});
  for (std::size_t i = 0; i < kFloodAtOnce; ++i) {
    const member::Member* other = self_of(any_node(world, rng_));
    if (other == nullptr) continue;
    wire::Forward forward{
        .message = rng_.next_u64(), .source = self_of(villain)->node, .destination = other->node};
    wire::Frame frame = wire::Recon{wire::Recon::Kind::Have, {}, high, {}};
    if (i % 4 == 1) {
      forward.payload = junk;
      frame = forward;
    } else if (i % 4 == 2) {
      forward.mode = wire::ForwardMode::Successor;
      frame = forward;
    } else if (i % 4 == 3) {
      frame = wire::ProbeRequest{wire::ring_id(other->node)};
    }
    if (speak(villain, any_node(world, rng_), frame)) ++deeds_;
  }
}

void Villains::replay(World& world, Node& villain) {
  const auto& caught = caught_[villain.index()];
  for (std::size_t i = 0; i < kReplaysAtOnce && !caught.empty(); ++i) {
    Node& other = any_node(world, rng_);
    if (other.nat() != nullptr) continue;
    world.inject(villain.endpoint(), other, caught[rng_.below(caught.size())]);
    ++deeds_;
  }
}

}  // namespace ipop::sim
