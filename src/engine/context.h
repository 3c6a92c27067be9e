#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "crypto/backends.h"
#include "engine/door.h"
#include "engine/output.h"
#include "engine/spare_sockets.h"
#include "nat/outer_addresses.h"
#include "nat/stream_dialer.h"
#include "overlay/relays.h"
#include "session/gate.h"
#include "session/session.h"

namespace ipop::engine {

/// What all networks of one engine share. Owned by the Engine; outlives them.
struct Context {
  Rng* rng;
  Logger* log;
  session::IndexTable indices;
  session::HandshakeGate gate;
  IngressLimit ingress;
  std::uint16_t port = 0;     ///< of the one UDP socket
  nat::OuterAddresses outer;  ///< where it is seen from outside
  nat::StreamDialer dialer;   ///< of TLS connections, where UDP fails
  bool may_dial = true;
  std::uint16_t stream_port = 0;  ///< where we take them; 0: nowhere
  overlay::LabelTable labels;
  overlay::Relays::Options relaying;         ///< for others
  dataplane::BitsPerSecond relay_limit = 0;  ///< of a pair; 0: none
  dataplane::SenderId workers = 1;           ///< that seal packets
  crypto::Backends backends;                 ///< that keypairs are made with
  std::vector<IpAddress> local_addresses;    ///< of this machine, overlay interfaces excluded
  SpareSockets spares;
  bool search_ports = true;               ///< for what NATs chose at random, with many datagrams
  Instant search_after = Instant::min();  ///< no search for a peer's port before
  Instant spread_after = Instant::min();  ///< nor a peer called from many sockets
  std::deque<Output> outputs;
  Ticket next_ticket = 1;
  std::uint32_t next_peer = 1;
  bool snapshot_stale = false;
  dataplane::Garbage garbage;

  Context(Rng& rng_in, Logger& log_in, nat::OuterAddresses::Options options,
          nat::PortMapper::Key key)
      : rng(&rng_in),
        log(&log_in),
        indices(rng_in),
        gate(rng_in),
        port(options.port),
        outer(std::move(options), std::move(key), rng_in),
        dialer(rng_in),
        labels(rng_in) {}
};

}  // namespace ipop::engine
