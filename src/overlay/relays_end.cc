// Relays as an end: reaching a member through others, and being reached.

#include <algorithm>

#include "overlay/relays.h"

namespace ipop::overlay {
namespace {

using namespace std::chrono_literals;

/// How long a candidate is left alone that did not serve.
constexpr Duration kRestAfterLoss = 10s;
constexpr Duration kRestAfterClose = 5s;
constexpr Duration rest_after(wire::RelayRefusal reason) {
  switch (reason) {
    case wire::RelayRefusal::NotConnected:
      return 10s;
    case wire::RelayRefusal::Quota:
      return 30s;
    case wire::RelayRefusal::Refused:
      return 60s;
    case wire::RelayRefusal::Disabled:
      break;
  }
  return 300s;
}

/// Within it a circuit that just came up is given the time to prove itself.
constexpr Duration kTrial = 5s;

}  // namespace

void Relays::want(Instant now, const wire::NodeId& far, std::vector<wire::NodeId> candidates) {
  if (!is_member(far)) return;
  Wish& wish = wishes_[far];
  wish.candidates = std::move(candidates);
  fulfil(now, far, wish);
}

void Relays::unwant(const wire::NodeId& far) {
  if (wishes_.erase(far) == 0) return;
  for (auto it = ends_.begin(); it != ends_.end();) {
    const End& end = it->second;
    it = end.far == far && end.ours && !end.up ? drop_end(it, true) : std::next(it);
  }
}

void Relays::handle_lost(Instant now, const wire::NodeId& hop, RelayLabel outgoing) {
  for (auto it = ends_.begin(); it != ends_.end(); ++it) {
    if (it->second.hop != hop || !it->second.up || it->second.outgoing != outgoing) continue;
    rest(now, it->second, kRestAfterLoss);
    drop_end(it, true);
    return fulfil_all(now);
  }
}

void Relays::handle_unreachable(Instant now, const wire::NodeId& far) {
  for (auto it = ends_.begin(); it != ends_.end();) {
    const End& end = it->second;
    if (end.far != far || !end.up || now < end.since + kTrial) {
      ++it;
      continue;
    }
    rest(now, end, kRestAfterLoss);
    it = drop_end(it, true);
  }
  fulfil_all(now);
}

/// Circuits by different relays, the best candidates first. One that the far end opened counts.
void Relays::fulfil(Instant now, const wire::NodeId& far, Wish& wish) {
  std::erase_if(wish.rests, [&](const auto& r) { return r.second <= now; });
  std::set<wire::NodeId> hops;
  for (const auto& [label, end] : ends_) {
    if (end.far == far) hops.insert(end.hop);
  }
  for (const wire::NodeId& hop : wish.candidates) {
    if (hops.size() >= kWanted) return;
    if (hop == far || !is_member(hop) || !is_direct(hop) || wish.rests.contains(hop)) continue;
    if (hops.insert(hop).second) open(now, far, hop);
  }
}

void Relays::fulfil_all(Instant now) {
  for (auto& [far, wish] : wishes_) fulfil(now, far, wish);
}

void Relays::open(Instant now, const wire::NodeId& far, const wire::NodeId& hop) {
  End end{.far = far, .hop = hop, .request = next_request_++, .ours = true, .since = now};
  end.repeat_at = next_repeat(now, end.repeats);
  const RelayLabel incoming = labels_->allocate();
  send(hop, wire::RelayOpen{wire::RelayOpen::Role::Carry, end.request, far, incoming});
  ends_.emplace(incoming, end);
}

/// The consent: whoever is a member may reach us.
void Relays::handle_offer(Instant now, const wire::NodeId& hop, const wire::RelayOpen& open) {
  std::size_t of_hop = 0;
  std::size_t of_far = 0;
  auto oldest = ends_.end();
  for (auto it = ends_.begin(); it != ends_.end(); ++it) {
    const End& end = it->second;
    if (end.ours || end.hop != hop) continue;
    if (end.request == open.request) {
      if (end.far == open.far && end.outgoing == open.label) {
        send(hop, wire::RelayOk{open.request, it->first});
      }
      return;
    }
    ++of_hop;
    if (end.far != open.far) continue;
    ++of_far;
    if (oldest == ends_.end() || end.since < oldest->second.since) oldest = it;
  }
  if (!is_direct(hop)) {
    return send(hop, wire::RelayNo{open.request, wire::RelayRefusal::NotConnected});
  }
  if (!is_member(hop) || !is_member(open.far) || open.far == hop) {
    return send(hop, wire::RelayNo{open.request, wire::RelayRefusal::Refused});
  }
  if (!take_ask(now, hop)) {
    return send(hop, wire::RelayNo{open.request, wire::RelayRefusal::Quota});
  }
  if (of_far >= kAcceptedPerFar) {
    // Its ends have forgotten it, or its relay has: the newest is what they know of.
    drop_end(oldest, true);
  } else if (of_hop >= kAcceptedPerHop || ends_.size() >= kAcceptedTotal) {
    return send(hop, wire::RelayNo{open.request, wire::RelayRefusal::Quota});
  }
  const RelayLabel incoming = labels_->allocate();
  ends_.emplace(incoming, End{.far = open.far,
                              .hop = hop,
                              .request = open.request,
                              .ours = false,
                              .up = true,
                              .outgoing = open.label,
                              .since = now});
  send(hop, wire::RelayOk{open.request, incoming});
  outputs_.emplace_back(Up{open.far, hop, open.label, incoming});
}

bool Relays::handle_ok_of_end(Instant now, const wire::NodeId& hop, const wire::RelayOk& ok) {
  const auto it = std::find_if(ends_.begin(), ends_.end(), [&](const auto& e) {
    return e.second.ours && e.second.hop == hop && e.second.request == ok.request;
  });
  if (it == ends_.end()) return false;
  End& end = it->second;
  if (end.up) return true;
  end.up = true;
  end.outgoing = ok.label;
  end.since = now;
  end.repeat_at = Instant::max();
  outputs_.emplace_back(Up{end.far, hop, end.outgoing, it->first});
  return true;
}

bool Relays::handle_no_of_end(Instant now, const wire::NodeId& hop, const wire::RelayNo& no) {
  const auto it = std::find_if(ends_.begin(), ends_.end(), [&](const auto& e) {
    return e.second.ours && e.second.hop == hop && e.second.request == no.request;
  });
  if (it == ends_.end()) return false;
  if (it->second.up) return true;  // overtaken by a RELAY_OK, which a RELAY_CLOSE would undo
  rest(now, it->second, rest_after(no.reason));
  drop_end(it, false);
  fulfil_all(now);
  return true;
}

bool Relays::handle_close_of_end(Instant now, const wire::NodeId& hop, RelayLabel outgoing) {
  const auto it = std::find_if(ends_.begin(), ends_.end(), [&](const auto& e) {
    return e.second.up && e.second.hop == hop && e.second.outgoing == outgoing;
  });
  if (it == ends_.end()) return false;
  rest(now, it->second, kRestAfterClose);
  drop_end(it, false);
  fulfil_all(now);
  return true;
}

void Relays::rest(Instant now, const End& end, Duration time) {
  const auto wish = wishes_.find(end.far);
  if (wish != wishes_.end()) wish->second.rests[end.hop] = now + time;
}

/// `tell`: the relay hears of it. Its label is free at once: what is still under way to it meets a
/// label that nobody has, or one of another session, and is dropped either way.
Relays::Ends::iterator Relays::drop_end(Ends::iterator it, bool tell) {
  const auto& [incoming, end] = *it;
  if (tell) send(end.hop, wire::RelayClose{incoming});
  if (end.up) outputs_.emplace_back(Down{end.far, end.hop, end.outgoing, incoming});
  labels_->release(incoming);
  return ends_.erase(it);
}

void Relays::end_timeouts(Instant now) {
  bool dropped = false;
  for (auto it = ends_.begin(); it != ends_.end();) {
    End& end = it->second;
    if (end.repeat_at > now) {
      ++it;
    } else if (now < end.since + kGiveUp) {
      send(end.hop, wire::RelayOpen{wire::RelayOpen::Role::Carry, end.request, end.far, it->first});
      end.repeat_at = std::min(next_repeat(now, end.repeats), end.since + kGiveUp);
      ++it;
    } else {
      rest(now, end, kRestAfterLoss);
      it = drop_end(it, true);
      dropped = true;
    }
  }
  bool rested = false;
  for (const auto& [far, wish] : wishes_) {
    for (const auto& [hop, until] : wish.rests) rested |= until <= now;
  }
  if (dropped || rested) fulfil_all(now);
}

Instant Relays::end_deadline() const {
  Instant at = Instant::max();
  for (const auto& [label, end] : ends_) at = std::min(at, end.repeat_at);
  for (const auto& [far, wish] : wishes_) {
    for (const auto& [hop, until] : wish.rests) at = std::min(at, until);
  }
  return at;
}

}  // namespace ipop::overlay
