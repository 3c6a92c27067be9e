#include <utility>

#include "overlay/ring.h"
#include "overlay/router.h"

/// Routing over the links of a Ring: FORWARD hop by hop with acknowledgements, answers on the way
/// back (docs/protocol.md).
namespace ipop::overlay {
namespace {

/// What one link may make us forward: bounds what one member costs everybody.
constexpr std::uint16_t kTokensMax = 400;
constexpr Duration kTokenEvery = std::chrono::milliseconds(5);
constexpr std::uint8_t kSendsMax = 8;
constexpr std::size_t kSentMax = 64;
constexpr std::size_t kReturnWaysMax = 32;
/// Datagrams that go back the way of one that came: the source is not authenticated, so a false one
/// must not draw what is meant for the true one for long.
constexpr std::uint8_t kReturnUses = 8;

}  // namespace

void Ring::send_datagram(Instant now, const NodeId& destination, Bytes datagram) {
  if (left_ || destination == self_ || datagram.empty() ||
      datagram.size() > wire::kForwardPayloadMax) {
    return;
  }
  now_ = now;
  for (ReturnWay& way : return_ways_) {
    if (way.source != destination || way.until <= now || way.uses == kReturnUses ||
        links_.find(destination) != nullptr) {
      continue;
    }
    Seen* seen = seen_.find(way.message);
    const Link* link = seen == nullptr ? nullptr : links_.find(seen->previous);
    if (link == nullptr || link->suspect) break;
    // Every second one goes by FORWARD, whatever came from there last: the source of what came may
    // be false, and then the true one must be reached all the same.
    if (std::exchange(way.turn, !way.turn)) break;
    ++way.uses;
    send(link->node, wire::ForwardReply{way.message, wire::ReturnedDatagram{datagram}});
    return;
  }
  wire::Forward frame;
  frame.message = rng_->next_u64();
  frame.source = self_;
  frame.destination = destination;
  frame.payload = datagram;
  expire_seen(now);
  seen_.add(now, {.message = frame.message, .own = true});
  if (sent_.size() == kSentMax) sent_.erase(sent_.begin());
  sent_.push_back({frame.message, destination});
  route(now, frame, {}, 1);
}

void Ring::handle_forward(Instant now, Link& link, const wire::Forward& frame) {
  if (!take_token(now, link)) return;
  expire_seen(now);
  const bool find = frame.mode != wire::ForwardMode::Exact;
  const bool here = !find && frame.destination == self_;
  const Seen* seen = seen_.find(frame.message);
  // A copy, unless the hop that we chose sends it back because it knows nobody nearer.
  const bool back =
      seen != nullptr && seen->next == link.id &&
      std::find(frame.visited.begin(), frame.visited.end(), id_) != frame.visited.end();
  const bool loop = seen != nullptr && !back && !here && seen->previous != link.id;
  using What = wire::ForwardAck::What;
  send(link.node, wire::ForwardAck{loop ? What::Loop : What::Forward, frame.message});
  if (frame.source == self_ || (seen != nullptr && !back)) return;
  if (seen == nullptr) {
    seen_.add(now, {.message = frame.message, .previous = link.id, .find = find});
  }
  if (here) {
    bool turn = false;
    std::erase_if(return_ways_, [&](const ReturnWay& w) {
      if (w.until > now && w.source == frame.source) turn = w.turn;
      return w.until <= now || w.source == frame.source;
    });
    if (return_ways_.size() == kReturnWaysMax) return_ways_.erase(return_ways_.begin());
    return_ways_.push_back({frame.source, frame.message, now + SeenTable::kLife, 0, turn});
    outputs_.emplace_back(Deliver{frame.source, link.node, to_vector(frame.payload)});
    return;
  }
  route(now, frame, {}, 1);
}

/// Chooses the next hop, or ends here.
void Ring::route(Instant now, const wire::Forward& frame, std::vector<RingId> tried,
                 std::uint8_t sends) {
  RouteQuery query{self_, frame.mode, frame.source, frame.destination, frame.visited, tried};
  Hop hop = next_hop(query, links_);
  if (hop.link == nullptr && !tried.empty()) {
    // Everybody else was tried: perhaps an acknowledgement was lost.
    query.tried = {};
    hop = next_hop(query, links_);
  }
  if (hop.link == nullptr || frame.ttl <= 1 || sends > kSendsMax) {
    return end_of_route(now, frame);
  }
  step(now, frame, *hop.link, hop.nearer, std::move(tried), sends);
}

void Ring::step(Instant now, const wire::Forward& frame, const Link& link, bool nearer,
                std::vector<RingId> tried, std::uint8_t sends) {
  wire::Forward next = frame;
  const bool own = frame.source == self_;
  if (!own) --next.ttl;
  const bool listed =
      std::find(next.visited.begin(), next.visited.end(), id_) != next.visited.end();
  if (!nearer && !own && !listed) {
    if (next.visited.size() == wire::kForwardVisitedMax) return end_of_route(now, frame);
    next.visited.push_back(id_);
  }
  if (Seen* seen = seen_.find(frame.message)) seen->next = link.id;
  Pending pending;
  pending.message = frame.message;
  pending.to = link.node;
  wire::write_ring_frame(frame, pending.frame);
  pending.tried = std::move(tried);
  pending.sent = now;
  pending.deadline = now + link.timeout();
  pending.sends = sends;
  pending_.add(std::move(pending));
  send(link.node, next);
}

/// Nobody is nearer. A FIND has its answer here; a datagram cannot go on.
void Ring::end_of_route(Instant now, const wire::Forward& frame) {
  Seen* seen = seen_.find(frame.message);
  if (seen == nullptr) return;
  const bool find = frame.mode != wire::ForwardMode::Exact;
  if (seen->own) {
    return find ? find_failed(now, frame.message) : own_datagram_failed(frame.message);
  }
  wire::ForwardReply answer{frame.message, {}};
  if (find && frame.ttl > 1) {
    answer.body = wire::Found{self_, near_set_of(self_, links_, options_.near_per_side)};
  } else {
    answer.body = wire::NoRoute{self_};
  }
  reply(now, *seen, answer);
}

/// One hop back. Answers are repeated until acknowledged, datagrams are not.
void Ring::reply(Instant now, Seen& seen, const wire::ForwardReply& frame) {
  const Link* link = links_.find(seen.previous);
  if (link == nullptr) return;
  if (!std::holds_alternative<wire::ReturnedDatagram>(frame.body)) {
    seen.answered = true;
    Pending pending;
    pending.message = frame.message;
    pending.of_reply = true;
    pending.to = link->node;
    wire::write_ring_frame(frame, pending.frame);
    pending.sent = now;
    pending.deadline = now + link->timeout();
    pending_.add(std::move(pending));
  }
  send(link->node, frame);
}

void Ring::handle_forward_ack(Instant now, Link& link, const wire::ForwardAck& frame) {
  Pending pending;
  const bool of_reply = frame.what == wire::ForwardAck::What::Reply;
  if (!pending_.take(frame.message, of_reply, link.node, pending)) return;
  // A repeated one measures nothing (Karn).
  if (pending.sends == 1) link.note_rtt(now - pending.sent);
  if (frame.what != wire::ForwardAck::What::Loop) return;
  // A FIND that got there another way is answered from there, or asked again by its source.
  const Seen* seen = seen_.find(frame.message);
  if (seen != nullptr && !seen->find) try_another(now, std::move(pending));
}

/// The next best hop for what did not get through this one.
void Ring::try_another(Instant now, Pending pending) {
  const auto frame = wire::parse_frame(pending.frame);
  const auto* forward = frame ? std::get_if<wire::Forward>(&*frame) : nullptr;
  if (forward == nullptr) return;
  pending.tried.push_back(ring_id(pending.to));
  route(now, *forward, std::move(pending.tried), static_cast<std::uint8_t>(pending.sends + 1));
}

void Ring::handle_forward_reply(Instant now, Link& link, const wire::ForwardReply& frame) {
  const auto* datagram = std::get_if<wire::ReturnedDatagram>(&frame.body);
  if (datagram == nullptr)
    send(link.node, wire::ForwardAck{wire::ForwardAck::What::Reply, frame.message});
  Seen* seen = seen_.find(frame.message);
  if (seen == nullptr || seen->next != link.id) return;
  if (datagram != nullptr) {
    if (seen->returned == SeenTable::kReturnedMax || !take_token(now, link)) return;
    ++seen->returned;
    if (!seen->own) return reply(now, *seen, frame);
    const auto sent = std::find_if(sent_.begin(), sent_.end(), [&](const SentDatagram& s) {
      return s.message == frame.message;
    });
    if (sent != sent_.end()) {
      outputs_.emplace_back(Deliver{sent->destination, link.node, to_vector(datagram->payload)});
    }
    return;
  }
  if (seen->answered) return;
  seen->answered = true;
  const auto* found = std::get_if<wire::Found>(&frame.body);
  if (found != nullptr) link.unanswered = 0;
  if (!seen->own) return reply(now, *seen, frame);
  if (found != nullptr) return handle_found(now, frame.message, *found);
  seen->find ? find_failed(now, frame.message) : own_datagram_failed(frame.message);
}

/// What was not acknowledged in time: the next best hop, and a doubt about this one.
void Ring::repeat_pending(Instant now) {
  for (Pending& pending : pending_.take_due(now)) {
    Link* link = links_.find(pending.to);
    if (link != nullptr) suspect(now, *link);
    if (pending.of_reply) {
      if (link == nullptr || pending.sends >= kSendsMax) continue;
      ++pending.sends;
      pending.deadline = now + link->timeout() * pending.sends;
      outputs_.emplace_back(Send{pending.to, pending.frame});
      pending_.add(std::move(pending));
      continue;
    }
    try_another(now, std::move(pending));
  }
}

/// Forgets old FORWARDs; a hop whose FINDs were not answered is believed less.
void Ring::expire_seen(Instant now) {
  for (const RingId silent : seen_.expire(now)) {
    Link* hop = links_.find(silent);
    if (hop != nullptr && hop->unanswered < 255) ++hop->unanswered;
  }
}

bool Ring::take_token(Instant now, Link& link) {
  const auto fresh = (now - link.refilled) / kTokenEvery;
  if (fresh > 0) {
    link.tokens =
        static_cast<std::uint16_t>(std::min<std::int64_t>(link.tokens + fresh, kTokensMax));
    link.refilled = now;
  }
  if (link.tokens == 0) return false;
  --link.tokens;
  return true;
}

void Ring::own_datagram_failed(std::uint64_t message) {
  const auto sent = std::find_if(sent_.begin(), sent_.end(),
                                 [&](const SentDatagram& s) { return s.message == message; });
  if (sent == sent_.end()) return;
  outputs_.emplace_back(Undeliverable{sent->destination});
  sent_.erase(sent);
}

}  // namespace ipop::overlay
