// TLS connections between nodes, as ways to talk where UDP does not pass.

#include <algorithm>

#include "sim/world.h"

namespace ipop::sim {

void World::open_stream(Node& from, const Endpoint& to) {
  ++dials_;
  const auto target = std::ranges::find_if(nodes_, [&](const auto& node) {
    return node->endpoint().address == to.address && node->stream_port == to.port;
  });
  const bool is_there = target != nodes_.end() && to.port != 0 && (*target)->is_awake() &&
                        is_linkable(from.index(), (*target)->index());
  if (!is_there) {
    return tell_stream(from.index(), to, Flight::Kind::StreamDown, default_path.delay * 2);
  }
  const Endpoint source{from.endpoint().address, next_stream_port_++};
  streams_.push_back({from.index(), (*target)->index(), to, source});
  // TCP's and TLS's handshakes.
  const Path path = path_between(from.index(), (*target)->index());
  tell_stream(from.index(), to, Flight::Kind::StreamUp, path.delay * 4);
}

void World::close_stream(Node& from, const Endpoint& to) {
  const auto it = std::ranges::find_if(
      streams_, [&](const Stream& s) { return s.dialler == from.index() && s.dialled == to; });
  if (it == streams_.end()) return;
  const Stream gone = *it;
  streams_.erase(it);
  tell_stream(gone.dialler, gone.dialled, Flight::Kind::StreamDown, Duration(0));
  tell_stream(gone.server, gone.source, Flight::Kind::StreamDown, default_path.delay);
}

/// The node is gone; its system says so to the other ends.
void World::drop_streams(const Node& of) {
  for (const Stream& s : streams_) {
    if (s.dialler == of.index()) {
      tell_stream(s.server, s.source, Flight::Kind::StreamDown, default_path.delay);
    } else if (s.server == of.index()) {
      tell_stream(s.dialler, s.dialled, Flight::Kind::StreamDown, default_path.delay);
    }
  }
  std::erase_if(streams_,
                [&](const Stream& s) { return s.dialler == of.index() || s.server == of.index(); });
}

void World::send_streamed(Node& from, const Endpoint& remote, Bytes datagram) {
  if (!marker.empty() && !std::ranges::search(datagram, Bytes(marker)).empty()) ++marker_leaks_;
  for (const Stream& s : streams_) {
    const bool dials = s.dialler == from.index() && s.dialled == remote;
    const bool serves = s.server == from.index() && s.source == remote;
    if (!dials && !serves) continue;
    const std::size_t far = dials ? s.server : s.dialler;
    if (!is_linkable(from.index(), far)) return;
    flights_.push({now_ + path_between(from.index(), far).delay, order_++,
                   dials ? s.source : s.dialled, nodes_[far]->endpoint(), to_vector(datagram),
                   from.index(), Flight::Kind::Streamed});
    return;
  }
}

void World::tell_stream(std::size_t node, const Endpoint& remote, Flight::Kind kind,
                        Duration after) {
  flights_.push({now_ + after, order_++, remote, nodes_[node]->endpoint(), {}, std::nullopt, kind});
}

void World::land_stream(const Flight& flight) {
  Node* to = node_at(flight.to);
  if (to == nullptr || !to->is_awake()) return;
  trace_.mix(to->index());
  trace_.mix(flight.datagram);
  if (flight.kind == Flight::Kind::Streamed) {
    sender_ = flight.sender;
    to->deliver(Way::stream(flight.from), flight.datagram);
    sender_.reset();
    return;
  }
  ++to->events_;
  if (flight.kind == Flight::Kind::StreamUp) {
    to->engine_->handle_stream_up(to->now(), flight.from);
  } else {
    to->engine_->handle_stream_down(to->now(), flight.from);
  }
  to->drain();
}

}  // namespace ipop::sim
