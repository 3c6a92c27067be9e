// What the engine wants done.

#include <cerrno>

#include "daemon/daemon.h"
#include "engine/overload.h"
#include "os/clock.h"

namespace ipop::daemon {

Instant Daemon::drain() {
  store_failure_.reset();
  for (;;) {
    engine::Output output = engine_.poll_output();
    if (const auto* wait_until = std::get_if<engine::WaitUntil>(&output)) return wait_until->at;
    std::visit(engine::Overload{
                   [&](engine::TakeIn& o) { packets_->take(o.from, std::move(o.datagram)); },
                   [&](engine::Transmit& o) { transmit(o); },
                   [&](engine::OpenStream& o) {
                     if (streams_) streams_->open(o.to);
                   },
                   [&](engine::CloseStream& o) {
                     if (streams_) streams_->close(o.to);
                   },
                   [&](engine::Store& o) { carry_out(o); },
                   [&](engine::Forget& o) { carry_out(o); },
                   [&](engine::Publish& o) {
                     packets_->publish(std::move(o.snapshot), std::move(o.garbage));
                     garbage_waits_ = true;
                     names_stale_ = true;
                   },
                   [&](engine::OpenSocket& o) { spares_.open(o.socket); },
                   [&](engine::AdoptSocket& o) { spares_.adopt(o.socket); },
                   [&](engine::CloseSocket& o) { spares_.close(o.socket); },
                   [&](engine::InterfaceUp& o) { carry_out(o); },
                   [&](engine::InterfaceDown& o) { interfaces_.down(o.slot); },
                   [&](engine::QueryPathMtu& o) { query_path_mtu(o.to); },
                   [&](engine::AskRouter& o) {
                     if (igd_) igd_->ask(o.question);
                   },
                   [&](engine::CommandUpdate& o) { carry_out(o); },
                   [](engine::WaitUntil&) {},
               },
               output);
  }
}

void Daemon::carry_out(engine::Store& output) {
  const auto saved = store_.save(output);
  if (!saved) {
    store_failure_ = saved.error();
    log_->write(LogLevel::Error, "state", saved.error());
  }
  engine_.handle_stored(os::now(), output.ticket, saved.has_value(), saved ? "" : saved.error());
}

void Daemon::carry_out(engine::Forget& output) {
  const auto forgotten = store_.forget(output.network);
  if (forgotten) return;
  store_failure_ = forgotten.error();
  log_->write(LogLevel::Error, "state", forgotten.error());
}

void Daemon::carry_out(engine::InterfaceUp& output) {
  engine_.handle_interface(output.slot, interfaces_.up(output));
}

void Daemon::transmit(engine::Transmit& output) {
  const Endpoint& to = output.to.endpoint();
  if (output.to.is_stream()) {
    if (streams_) streams_->send(to, std::move(output.datagram));
    return;
  }
  const SocketId socket = output.to.socket();
  const auto sent = socket == kMainSocket ? sender_.send(to, output.datagram)
                                          : spares_.send(socket, to, output.datagram);
  if (!sent) note_unsent(to, sent.error());
}

/// What the kernel refuses is lost, but says why.
void Daemon::note_unsent(const Endpoint& to, const Error& error) {
  if (error.code == Errc::Busy) return query_path_mtu(to);
  switch (error.os) {
    case EPERM:  // a packet filter says
      return engine_.handle_unsent(to, wire::TestOutcome::Refused);
    case EACCES:  // to a broadcast address, or by a route that prohibits it
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
      return engine_.handle_unsent(to, wire::TestOutcome::NoRoute);
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
      return engine_.handle_unsent(to, wire::TestOutcome::NoAddress);
    default:
      return;  // a full buffer, for one: as good as sent and lost
  }
}

void Daemon::query_path_mtu(const Endpoint& to) {
  if (const auto mtu = os::path_mtu(to)) engine_.handle_path_mtu(to, *mtu);
}

}  // namespace ipop::daemon
