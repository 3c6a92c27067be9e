// What both roles share: sessions, members, whose frame is whose.

#include "overlay/relays.h"

#include <algorithm>

namespace ipop::overlay {

RelayLabel LabelTable::allocate() {
  for (;;) {
    const RelayLabel label{static_cast<std::uint32_t>(rng_->next_u64())};
    if (label.value != 0 && used_.insert(label).second) return label;
  }
}

Relays::~Relays() {
  for (const auto& [label, end] : ends_) labels_->release(label);
  for (const auto& [id, circuit] : circuits_) {
    labels_->release(circuit.asker.incoming);
    labels_->release(circuit.far.incoming);
  }
}

void Relays::set_members(Instant now, const wire::NodeId& self,
                         const std::vector<wire::NodeId>& members) {
  self_ = self;
  members_ = {members.begin(), members.end()};
  members_.erase(self);
  for (auto it = ends_.begin(); it != ends_.end();) {
    const bool stays = is_member(it->second.far) && is_member(it->second.hop);
    it = stays ? std::next(it) : drop_end(it, true);
  }
  for (auto it = circuits_.begin(); it != circuits_.end();) {
    const bool stays = is_member(it->second.asker.node) && is_member(it->second.far.node);
    it = stays ? std::next(it) : drop_circuit(it, true, true);
  }
  std::erase_if(wishes_, [&](const auto& wish) { return !is_member(wish.first); });
  std::erase_if(asks_, [&](const auto& budget) { return !is_member(budget.first); });
  fulfil_all(now);
}

void Relays::handle_up(Instant now, const wire::NodeId& node, bool direct) {
  sessions_.insert(node);
  if (!direct) {
    if (is_direct(node)) {
      handle_down(now, node);
      sessions_.insert(node);
    }
    return;
  }
  if (!direct_.insert(node).second) return;
  for (auto& [far, wish] : wishes_) wish.rests.erase(node);
  fulfil_all(now);
}

/// Nobody is told through the session that ended; the other side of each circuit is.
void Relays::handle_down(Instant now, const wire::NodeId& node) {
  sessions_.erase(node);
  if (direct_.erase(node) == 0) return;
  for (auto it = ends_.begin(); it != ends_.end();) {
    it = it->second.hop == node ? drop_end(it, false) : std::next(it);
  }
  for (auto it = circuits_.begin(); it != circuits_.end();) {
    const bool of_asker = it->second.asker.node == node;
    const bool of_far = it->second.far.node == node;
    it = of_asker || of_far ? drop_circuit(it, !of_asker, !of_far) : std::next(it);
  }
  fulfil_all(now);
}

void Relays::handle_frame(Instant now, const wire::NodeId& from, const wire::RelayFrame& frame) {
  if (const auto* open = std::get_if<wire::RelayOpen>(&frame)) {
    if (open->role == wire::RelayOpen::Role::Carry) {
      handle_carry(now, from, *open);
    } else {
      handle_offer(now, from, *open);
    }
  } else if (const auto* ok = std::get_if<wire::RelayOk>(&frame)) {
    if (!handle_ok_of_end(now, from, *ok)) handle_ok_of_circuit(now, from, *ok);
  } else if (const auto* no = std::get_if<wire::RelayNo>(&frame)) {
    if (!handle_no_of_end(now, from, *no)) handle_no_of_circuit(from, *no);
  } else if (const auto* close = std::get_if<wire::RelayClose>(&frame)) {
    if (!handle_close_of_end(now, from, close->label)) handle_close_of_circuit(from, close->label);
  }
}

void Relays::handle_timeout(Instant now) {
  end_timeouts(now);
  circuit_timeouts(now);
}

Relays::Output Relays::poll_output() {
  if (!outputs_.empty()) {
    Output first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  return WaitUntil{std::min(end_deadline(), circuit_deadline())};
}

/// Frames travel on sessions; where there is none the other side finds out by itself.
void Relays::send(const wire::NodeId& to, const wire::RelayFrame& frame) {
  if (sessions_.contains(to)) outputs_.emplace_back(Send{to, frame});
}

Instant Relays::next_repeat(Instant now, int& repeats) {
  return now + kRepeatFirst * (1 << std::min(repeats++, 4));
}

}  // namespace ipop::overlay
