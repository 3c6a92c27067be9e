// Relays in the middle: carrying for two others.

#include <algorithm>

#include "overlay/relays.h"

namespace ipop::overlay {

void Relays::handle_carry(Instant now, const wire::NodeId& from, const wire::RelayOpen& open) {
  for (const auto& [id, circuit] : circuits_) {
    if (circuit.asker.node != from || circuit.asker.request != open.request) continue;
    const bool same = circuit.far.node == open.far && circuit.asker.outgoing == open.label;
    if (same && circuit.up) send(from, wire::RelayOk{open.request, circuit.asker.incoming});
    return;
  }
  if (const auto refusal = refusal_of(now, from, open.far)) {
    return send(from, wire::RelayNo{open.request, *refusal});
  }
  make_room_in_pair(from, open.far);
  Circuit circuit;
  circuit.asker = {from, open.request, labels_->allocate(), open.label};
  circuit.far = {open.far, next_request_++, labels_->allocate(), RelayLabel{}};
  circuit.since = now;
  circuit.used = now;
  ask(now, circuits_.emplace(next_circuit_++, circuit).first->second);
}

/// In this order, so that somebody who may ask nothing learns nothing about who is here.
std::optional<wire::RelayRefusal> Relays::refusal_of(Instant now, const wire::NodeId& from,
                                                     const wire::NodeId& far) {
  if (!is_member(from)) return wire::RelayRefusal::Refused;
  if (!is_direct(from)) return wire::RelayRefusal::NotConnected;
  if (!options_.enabled) return wire::RelayRefusal::Disabled;
  if (far == self_ || far == from || !is_member(far)) return wire::RelayRefusal::Refused;
  if (!take_ask(now, from)) return wire::RelayRefusal::Quota;
  if (!is_direct(far)) return wire::RelayRefusal::NotConnected;
  std::size_t of_from = 0;
  std::size_t of_far = 0;
  std::size_t of_pair = 0;
  for (const auto& [id, c] : circuits_) {
    of_from += c.asker.node == from || c.far.node == from ? 1U : 0U;
    of_far += c.asker.node == far || c.far.node == far ? 1U : 0U;
    of_pair += c.asker.node == from && c.far.node == far ? 1U : 0U;
  }
  if (of_pair >= options_.circuits_per_pair) return std::nullopt;  // takes its own oldest's place
  if (of_from >= options_.circuits_per_member || of_far >= options_.circuits_per_member ||
      circuits_.size() >= options_.circuits_total) {
    return wire::RelayRefusal::Quota;
  }
  return std::nullopt;
}

/// An end that was started anew knows nothing of what it had opened.
void Relays::make_room_in_pair(const wire::NodeId& from, const wire::NodeId& far) {
  auto oldest = circuits_.end();
  std::size_t count = 0;
  for (auto it = circuits_.begin(); it != circuits_.end(); ++it) {
    if (it->second.asker.node != from || it->second.far.node != far) continue;
    ++count;
    if (oldest == circuits_.end()) oldest = it;  // numbers rise
  }
  if (count >= options_.circuits_per_pair) drop_circuit(oldest, true, true);
}

/// Each ask costs the far end a packet, so they are counted also where nothing comes of them.
bool Relays::take_ask(Instant now, const wire::NodeId& from) {
  const auto [it, first] = asks_.try_emplace(from, Budget{options_.asks_burst, now});
  Budget& budget = it->second;
  const double seconds =
      std::chrono::duration<double>(std::max(Duration(0), now - budget.at)).count();
  budget.tokens = std::min(options_.asks_burst, budget.tokens + options_.asks_per_second * seconds);
  budget.at = now;
  if (budget.tokens < 1) return false;
  budget.tokens -= 1;
  return true;
}

void Relays::ask(Instant now, Circuit& circuit) {
  send(circuit.far.node, wire::RelayOpen{wire::RelayOpen::Role::Offer, circuit.far.request,
                                         circuit.asker.node, circuit.far.incoming});
  circuit.repeat_at = std::min(next_repeat(now, circuit.repeats), circuit.since + kGiveUp);
}

void Relays::handle_ok_of_circuit(Instant now, const wire::NodeId& from, const wire::RelayOk& ok) {
  for (auto& [id, circuit] : circuits_) {
    if (circuit.far.node != from || circuit.far.request != ok.request) continue;
    if (circuit.up) return;
    circuit.up = true;
    circuit.used = now;
    circuit.far.outgoing = ok.label;
    circuit.repeat_at = Instant::max();
    send(circuit.asker.node, wire::RelayOk{circuit.asker.request, circuit.asker.incoming});
    outputs_.emplace_back(CircuitsChanged{});
    return;
  }
}

void Relays::handle_no_of_circuit(const wire::NodeId& from, const wire::RelayNo& no) {
  for (auto it = circuits_.begin(); it != circuits_.end(); ++it) {
    const Circuit& circuit = it->second;
    if (circuit.far.node != from || circuit.far.request != no.request || circuit.up) continue;
    send(circuit.asker.node, wire::RelayNo{circuit.asker.request, no.reason});
    drop_circuit(it, false, false);
    return;
  }
}

void Relays::handle_close_of_circuit(const wire::NodeId& from, RelayLabel outgoing) {
  for (auto it = circuits_.begin(); it != circuits_.end(); ++it) {
    const Circuit& c = it->second;
    const bool of_asker = c.asker.node == from && c.asker.outgoing == outgoing;
    const bool of_far = c.far.node == from && c.up && c.far.outgoing == outgoing;
    if (!of_asker && !of_far) continue;
    drop_circuit(it, !of_asker, !of_far);
    return;
  }
}

Relays::Circuits::iterator Relays::drop_circuit(Circuits::iterator it, bool tell_asker,
                                                bool tell_far) {
  const Circuit& circuit = it->second;
  if (tell_asker) send(circuit.asker.node, wire::RelayClose{circuit.asker.incoming});
  if (tell_far) send(circuit.far.node, wire::RelayClose{circuit.far.incoming});
  labels_->release(circuit.asker.incoming);
  labels_->release(circuit.far.incoming);
  if (circuit.up) outputs_.emplace_back(CircuitsChanged{});
  return circuits_.erase(it);
}

void Relays::note_used(std::uint64_t id, Instant at) {
  if (const auto it = circuits_.find(id); it != circuits_.end()) {
    it->second.used = std::max(it->second.used, at);
  }
}

void Relays::circuit_timeouts(Instant now) {
  for (auto it = circuits_.begin(); it != circuits_.end();) {
    Circuit& circuit = it->second;
    if (circuit.up) {
      it = circuit.used + options_.idle <= now ? drop_circuit(it, true, true) : std::next(it);
    } else if (circuit.repeat_at > now) {
      ++it;
    } else if (now < circuit.since + kGiveUp) {
      ask(now, circuit);
      ++it;
    } else {
      send(circuit.asker.node,
           wire::RelayNo{circuit.asker.request, wire::RelayRefusal::NotConnected});
      it = drop_circuit(it, false, true);
    }
  }
}

Instant Relays::circuit_deadline() const {
  Instant at = Instant::max();
  for (const auto& [id, circuit] : circuits_) {
    at = std::min(at, circuit.up ? circuit.used + options_.idle : circuit.repeat_at);
  }
  return at;
}

}  // namespace ipop::overlay
