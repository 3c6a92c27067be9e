#include "daemon/daemon.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>

#include "daemon/replies.h"
#include "engine/overload.h"
#include "os/clock.h"
#include "os/notify.h"
#include "os/start_pages.h"
#include "os/tcp_socket.h"
#include "os/udp_socket.h"
#include "wire/handshake.h"

namespace ipop::daemon {
namespace {

enum Token : std::uint64_t { Signals, Watch, Control, Dns, Wg, Packets, Spares, Igd, Streams };

/// PROTOCOL 14: a jump as long as this may mean that this machine was suspended, copied or
/// restored.
constexpr std::int64_t kClockJumpNs = 60'000'000'000;
/// What the end of the daemon may wait for routers that delete what they forward to us.
constexpr Duration kReleaseTimeout = std::chrono::seconds(1);
/// How often an old snapshot is looked at while a worker may still use it.
constexpr Duration kCollectInterval = std::chrono::milliseconds(50);

std::unexpected<std::string> failed(const Error& error) {
  return std::unexpected(std::string(error.what));
}

/// One a processor that this process may run on, where the user does not say.
std::size_t worker_count(const DaemonConfig& config) {
  if (config.workers != 0) return config.workers;
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, dataplane::kWorkersMax);
}

/// Opens the wanted port; the one kept from earlier; or a new one, which is then kept. One socket a
/// worker.
std::expected<std::vector<os::UdpSocket>, std::string> open_port(const DaemonConfig& config,
                                                                 const StateStore& store,
                                                                 Logger& log) {
  const os::UdpSettings settings{.segment = config.offloads.udp_segment,
                                 .group = config.offloads.udp_group};
  const auto open = [&](std::uint16_t port) {
    return os::UdpSocket::open_group(port, settings, worker_count(config),
                                     {.first_byte = wire::kTypeData});
  };
  if (config.listen) {
    auto sockets = open(*config.listen);
    if (!sockets) return failed(sockets.error());
    return std::move(*sockets);
  }
  const auto kept = store.load_port();
  if (!kept) log.write(LogLevel::Warning, "state", kept.error());
  if (kept && *kept) {
    if (auto sockets = open(**kept)) return std::move(*sockets);
    log.write(LogLevel::Warning, "udp",
              "port " + std::to_string(**kept) + " is in use by now; drawing another one");
  }
  auto sockets = open(0);
  if (!sockets) return failed(sockets.error());
  if (const auto saved = store.save_port(sockets->front().port()); !saved) {
    log.write(LogLevel::Warning, "state", saved.error());
  }
  return std::move(*sockets);
}

/// What the settings name, else what the environment of most programs does.
std::optional<os::HttpProxy> proxy_of(const DaemonConfig& config, Logger& log) {
  std::string url;
  if (config.tls.proxy) {
    url = *config.tls.proxy;
  } else {
    for (const char* name : {"https_proxy", "HTTPS_PROXY"}) {
      const char* set = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes it
      if (url.empty() && set != nullptr) url = set;
    }
  }
  if (url.empty()) return std::nullopt;
  auto proxy = os::HttpProxy::parse(url);
  if (!proxy) {
    log.write(LogLevel::Warning, "tls",
              "https_proxy is not [http://][user:password@]host:port; it is not used");
  }
  return proxy;
}

/// Without the port that was wanted, where another program has it: the rest works all the same.
std::expected<Daemon::StreamParts, std::string> open_streams(const DaemonConfig& config,
                                                             PacketThreads& packets, Logger& log) {
  Daemon::StreamParts out;
  StreamThread::Options options;
  if (config.tls.listen) {
    const std::string port = "TCP port " + std::to_string(*config.tls.listen);
    auto listener = os::listen_tcp(*config.tls.listen);
    if (listener) {
      options.listener = std::move(*listener);
      out.port = *config.tls.listen;
      log.write(LogLevel::Info, "tls", "members are taken in at " + port);
    } else {
      const bool is_taken = listener.error().os == EADDRINUSE;
      const std::string problem =
          "no member can reach this computer by TLS: " + port +
          (is_taken ? " is in use by another program"
                    : " cannot be had: " + std::generic_category().message(listener.error().os));
      log.write(LogLevel::Warning, "tls", problem);
      out.problem = {"tls_port", problem,
                     "stop what has it, or set another port at [tls] listen in ipopd.toml, and "
                     "restart ipopd"};
    }
  }
  if (!options.listener && !config.tls.dial) return out;
  if (config.tls.dial) options.proxy = proxy_of(config, log);
  auto thread = StreamThread::start(std::move(options), packets);
  if (!thread) return failed(thread.error());
  out.thread = std::move(*thread);
  return out;
}

/// The libraries that packets are sealed and opened with, said in the log.
crypto::Backends choose_backends(CryptoChoice choice, Logger& log) {
  crypto::Backends backends;
  if (choice == CryptoChoice::Auto) backends = crypto::choose_backends();
  std::string line = "packets: AES-256-GCM by ";
  line += crypto::backend_name(backends.aes256_gcm);
  line += ", ChaCha20-Poly1305 by ";
  line += crypto::backend_name(backends.chacha20_poly1305);
  log.write(LogLevel::Info, "crypto", line);
  return backends;
}

}  // namespace

std::expected<std::unique_ptr<Daemon>, std::string> Daemon::start(const DaemonConfig& config,
                                                                  os::StderrLogger& log) {
  auto signals = os::Signals::open();
  if (!signals) return failed(signals.error());
  auto dir = os::StateDir::open(config.state);
  if (!dir) return failed(dir.error());
  StateStore store(std::move(*dir));
  auto networks = store.load_networks();
  if (!networks) return std::unexpected(networks.error());
  auto listener = os::UnixListener::open(config.socket);
  if (!listener) return failed(listener.error());
  auto control = ControlServer::create(std::move(*listener));
  if (!control) return failed(control.error());
  auto netlink = os::Netlink::open();
  if (!netlink) return failed(netlink.error());
  auto watch = os::NetlinkWatch::open();
  if (!watch) return failed(watch.error());
  auto poller = os::Poller::open();
  if (!poller) return failed(poller.error());
  auto dns = DnsServer::create(log);
  if (!dns) return failed(dns.error());
  auto wg = WgSockets::create(log);
  if (!wg) return failed(wg.error());
  auto udp = open_port(config, store, log);
  if (!udp) return std::unexpected(udp.error());
  auto packets = PacketThreads::start(std::move(*udp));
  if (!packets) return failed(packets.error());
  auto spares = SpareSockets::create(
      {.segment = config.offloads.udp_segment, .group = config.offloads.udp_group}, **packets);
  if (!spares) return failed(spares.error());
  std::unique_ptr<IgdThread> igd;
  if (config.nat.port_mapping && config.nat.upnp) {
    auto started = IgdThread::start();
    if (!started) return failed(started.error());
    igd = std::move(*started);
  }
  auto streams = open_streams(config, **packets, log);
  if (!streams) return std::unexpected(streams.error());
  return std::make_unique<Daemon>(
      config, log,
      Parts{std::move(*signals), std::move(*poller), std::move(*watch), std::move(*netlink),
            std::move(store), std::move(*networks), std::move(*control), std::move(*dns),
            std::move(*wg), std::move(*packets), std::move(*spares), std::move(igd),
            std::move(*streams), choose_backends(config.crypto, log)});
}

Daemon::Daemon(const DaemonConfig& config, os::StderrLogger& log, Parts parts)
    : config_(config),
      log_(&log),
      signals_(std::move(parts.signals)),
      poller_(std::move(parts.poller)),
      watch_(std::move(parts.watch)),
      store_(std::move(parts.store)),
      control_(std::move(parts.control)),
      dns_(std::move(parts.dns)),
      wg_(std::move(parts.wg)),
      packets_(std::move(parts.packets)),
      spares_(std::move(parts.spares)),
      igd_(std::move(parts.igd)),
      streams_(std::move(parts.streams.thread)),
      streams_problem_(std::move(parts.streams.problem)),
      sender_(packets_->sender()),
      interfaces_({config.dns,
                   config.interface,
                   {.tcp = config.offloads.tun_tcp,
                    .udp = config.offloads.tun_udp,
                    .queues = packets_->count()}},
                  std::move(parts.netlink), *packets_, dns_, log),
      engine_(rng_, log,
              {.port = packets_->port(),
               .workers = static_cast<dataplane::SenderId>(packets_->count()),
               .backends = parts.backends,
               .relay = {.enabled = config.relay.enabled,
                         .limit = std::uint64_t{config.relay.limit_mbits} * 1'000'000},
               .nat = {.stun_servers = config.nat.stun,
                       .port_mapping = config.nat.port_mapping,
                       .igd = config.nat.upnp,
                       .search = config.nat.search,
                       .mapping_key = store_.mapping_key(rng_)},
               .streams = {.port = parts.streams.port, .dial = config.tls.dial}}),
      loaded_(std::move(parts.networks)) {
  static_cast<void>(poller_.add(signals_.fd(), Token::Signals, os::Interest::Read));
  static_cast<void>(poller_.add(watch_.fd(), Token::Watch, os::Interest::Read));
  static_cast<void>(poller_.add(control_.fd(), Token::Control, os::Interest::Read));
  static_cast<void>(poller_.add(dns_.fd(), Token::Dns, os::Interest::Read));
  static_cast<void>(poller_.add(wg_.fd(), Token::Wg, os::Interest::Read));
  static_cast<void>(poller_.add(packets_->fd(), Token::Packets, os::Interest::Read));
  static_cast<void>(poller_.add(spares_.fd(), Token::Spares, os::Interest::Read));
  if (igd_) static_cast<void>(poller_.add(igd_->fd(), Token::Igd, os::Interest::Read));
  if (streams_) static_cast<void>(poller_.add(streams_->fd(), Token::Streams, os::Interest::Read));
}

int Daemon::run() {
  watch_clocks(os::now());
  update_addresses();
  restore();
  drain();
  log_->write(LogLevel::Info, "daemon",
              "listening on UDP port " + std::to_string(packets_->port()) + ", control socket " +
                  config_.socket.string());
  os::release_start_pages();
  os::notify_ready("running");
  if (const auto interval = os::watchdog_interval()) watchdog_at_ = os::now().at + *interval;
  while (!stopping_) {
    const Now now = os::now();
    watch_clocks(now);
    engine_.handle_timeout(now);
    const Instant deadline = drain();
    update_names();
    keep_watchdog(now.at);
    wait(std::min(deadline, watchdog_at_));
  }
  os::notify_stopping("stopping");
  engine_.shutdown(os::now());
  drain();
  if (igd_) igd_->finish(kReleaseTimeout);
  log_->write(LogLevel::Info, "daemon", "stopped");
  return EXIT_SUCCESS;
}

void Daemon::restore() {
  for (const LoadedNetwork& network : std::exchange(loaded_, {})) {
    for (const std::string& warning : network.warnings) {
      log_->write(LogLevel::Warning, "state", warning);
      start_health_.push_back({"state_repaired", warning, ""});
    }
    std::string problem = network.problem;
    if (problem.empty()) {
      const auto restored = engine_.restore(os::now(), network.name, network.files);
      if (!restored) problem = (store_.folder(network.name) / restored.error()).string();
      drain();
    }
    if (problem.empty()) continue;
    log_->write(LogLevel::Error, "state", "network " + network.name + " is off: " + problem);
    if (network.has_identity) {
      engine_.hold(network.name, problem);
    } else {
      start_health_.push_back({"state_damaged", "network " + network.name + " is off: " + problem,
                               "put the file back from a backup and restart ipopd; nothing of it "
                               "was changed"});
    }
  }
}

void Daemon::wait(Instant deadline) {
  const Instant now = os::now().at;
  if (garbage_waits_) deadline = std::min(deadline, now + kCollectInterval);
  std::optional<Duration> timeout;
  if (deadline != Instant::max()) timeout = std::max(Duration(0), deadline - now);
  for (const os::Ready& ready : poller_.wait(timeout)) {
    switch (ready.token) {
      case Token::Signals:
        handle_signals();
        break;
      case Token::Watch:
        if (watch_.drain()) update_addresses();
        break;
      case Token::Control:
        handle_requests();
        break;
      case Token::Dns:
        dns_.process(names_);
        break;
      case Token::Wg:
        answer_wg();
        break;
      case Token::Packets:
        for (const dataplane::Event& event : packets_->take_events()) {
          engine_.handle_event(os::now(), event);
          drain();
        }
        break;
      case Token::Spares:
        spares_.process();
        break;
      case Token::Igd:
        for (const nat::IgdAnswer& answer : igd_->take_answers()) {
          engine_.handle_igd_answer(os::now(), answer);
          drain();
        }
        break;
      case Token::Streams:
        for (const StreamThread::Event& event : streams_->take_events()) handle_stream(event);
        break;
      default:
        break;
    }
  }
  garbage_waits_ = packets_->collect();
}

void Daemon::handle_signals() {
  while (const auto signal = signals_.take()) {
    if (*signal == SIGTERM || *signal == SIGINT) stopping_ = true;
  }
}

void Daemon::watch_clocks(const Now& now) {
  const auto wall = static_cast<std::int64_t>(now.wall.seconds) * 1'000'000'000;
  const std::int64_t boot = now.at.time_since_epoch().count();
  const std::int64_t monotonic = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::steady_clock::now().time_since_epoch())
                                     .count();
  const std::int64_t realtime_offset = wall - boot;
  const std::int64_t suspend_offset = boot - monotonic;
  if (clocks_known_ && (std::abs(realtime_offset - realtime_offset_) >= kClockJumpNs ||
                        std::abs(suspend_offset - suspend_offset_) >= kClockJumpNs)) {
    log_->write(LogLevel::Warning, "daemon",
                "the machine slept or its clock jumped; dropping all session keys");
    engine_.handle_clock_jump(now);
    drain();
  }
  clocks_known_ = true;
  realtime_offset_ = realtime_offset;
  suspend_offset_ = suspend_offset;
}

void Daemon::update_addresses() {
  for (auto& [slot, made] : interfaces_.review()) engine_.handle_interface(slot, std::move(made));
  auto addresses = interfaces_.local_addresses();
  auto gateways = interfaces_.gateways();
  if (!addresses || !gateways) return;
  engine_.handle_local_network(os::now(), {std::move(*addresses), std::move(*gateways)});
  drain();
}

void Daemon::update_names() {
  if (!names_stale_) return;
  names_stale_ = false;
  names_ = {};
  std::vector<std::string> interfaces;
  for (const auto& [slot, network] : engine_.networks()) {
    if (network->state() == engine::Network::State::Member && network->is_up()) {
      names_.add(*network);
      interfaces.push_back(network->interface());
    }
  }
  wg_.serve(interfaces);
}

void Daemon::answer_wg() {
  for (const WgSockets::Question& question : wg_.process()) {
    const Now now = os::now();
    for (const engine::NetworkStatus& status : engine_.status(now)) {
      if (status.interface != question.interface) continue;
      wg_.answer(question.client, wg_get_text(status, packets_->port(), now.wall));
    }
  }
}

void Daemon::keep_watchdog(Instant now) {
  if (now < watchdog_at_) return;
  os::notify_watchdog();
  if (const auto interval = os::watchdog_interval()) watchdog_at_ = now + *interval;
}

void Daemon::handle_stream(const StreamThread::Event& event) {
  if (const auto* up = std::get_if<StreamThread::Up>(&event)) {
    proxy_.handle_up(up->to);
    engine_.handle_stream_up(os::now(), up->to);
  } else if (const auto* down = std::get_if<StreamThread::Down>(&event)) {
    if (proxy_.handle_down(os::now().at, down->remote, down->problem)) {
      log_->write(LogLevel::Warning, "tls", proxy_.problem()->message);
    }
    engine_.handle_stream_down(os::now(), down->remote);
  }
  drain();
}

}  // namespace ipop::daemon
