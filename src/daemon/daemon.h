#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/schema.h"
#include "crypto/backends.h"
#include "daemon/config.h"
#include "daemon/control_server.h"
#include "daemon/dns_server.h"
#include "daemon/igd_thread.h"
#include "daemon/interfaces.h"
#include "daemon/packet_threads.h"
#include "daemon/proxy_health.h"
#include "daemon/spare_sockets.h"
#include "daemon/state_store.h"
#include "daemon/stream_thread.h"
#include "daemon/wg_sockets.h"
#include "engine/engine.h"
#include "os/logger.h"
#include "os/random.h"
#include "os/signals.h"

namespace ipop::daemon {

/// The control thread: waits for events, tells the engine, and carries out what it answers; answers
/// the control socket. Everything that is not a packet in flight happens here.
class Daemon {
 public:
  /// TLS connections, as the settings allow.
  struct StreamParts {
    std::unique_ptr<StreamThread> thread;  ///< may be none
    std::uint16_t port = 0;                ///< where members are taken in; 0: nowhere
    std::optional<control::Health> problem;
  };
  struct Parts {
    os::Signals signals;
    os::Poller poller;
    os::NetlinkWatch watch;
    os::Netlink netlink;
    StateStore store;
    std::vector<LoadedNetwork> networks;  ///< as they were found
    ControlServer control;
    DnsServer dns;
    WgSockets wg;
    std::unique_ptr<PacketThreads> packets;
    SpareSockets spares;
    std::unique_ptr<IgdThread> igd;  ///< may be none
    StreamParts streams;
    crypto::Backends backends;
  };
  /// Takes the state folder, the socket and the port, and restores all networks. The error is one
  /// line for the operator.
  static std::expected<std::unique_ptr<Daemon>, std::string> start(const DaemonConfig& config,
                                                                   os::StderrLogger& log);
  Daemon(const DaemonConfig& config, os::StderrLogger& log, Parts parts);

  /// Runs until SIGTERM or SIGINT; returns the exit code.
  int run();

 private:
  /// A command that is answered later.
  struct Pending {
    ClientId client;
    std::optional<control::PingReply> ping;  ///< gathers the figures
    Duration rtt_sum{};
    std::optional<control::DoctorReply> doctor{};  ///< what is known already; neither: a join
  };

  void restore();
  void wait(Instant deadline);
  void handle_signals();
  void watch_clocks(const Now& now);
  void update_addresses();
  void update_names();
  void answer_wg();
  void keep_watchdog(Instant now);

  // carrying out outputs; returns the engine's next deadline
  Instant drain();
  bool carry_out_saving(ClientId client, const std::string& stands);
  void carry_out(engine::Store& output);
  void carry_out(engine::Forget& output);
  void carry_out(engine::InterfaceUp& output);
  void carry_out(engine::CommandUpdate& output);
  void query_path_mtu(const Endpoint& to);
  void note_unsent(const Endpoint& to, const Error& error);
  void transmit(engine::Transmit& output);
  void handle_stream(const StreamThread::Event& event);

  // handlers.cc
  void handle_requests();
  void handle(ClientId client, const control::CreateRequest& request);
  void handle(ClientId client, const control::InviteRequest& request);
  void handle(ClientId client, const control::JoinRequest& request);
  void handle(ClientId client, const control::LeaveRequest& request);
  void handle(ClientId client, const control::UpRequest& request);
  void handle(ClientId client, const control::DownRequest& request);
  void handle(ClientId client, const control::NetworksRequest& request);
  void handle(ClientId client, const control::StatusRequest& request);
  void handle(ClientId client, const control::PingRequest& request);
  void handle(ClientId client, const control::KickRequest& request);
  void handle(ClientId client, const control::AdminRequest& request);
  void handle(ClientId client, const control::DeviceRequest& request);
  void handle(ClientId client, const control::NetcheckRequest& request);
  void handle(ClientId client, const control::DoctorRequest& request);
  void handle(ClientId client, const control::VersionRequest& request);
  void leave_held(ClientId client, const std::string& network, bool confirmed);
  void finish(ClientId client, const engine::CommandError& error);
  void finish(ClientId client, control::Reply reply);
  void finish_ping(Pending& pending);
  void finish_doctor(Pending& pending, const engine::Diagnosed& found);
  std::vector<control::Health> tls_health() const;
  std::vector<control::Health> state_health() const;
  std::vector<control::Health> health_of(const engine::NetworkStatus& status) const;
  std::optional<engine::NetworkStatus> network_status(std::string_view network) const;

  DaemonConfig config_;
  os::StderrLogger* log_;
  os::KernelRng rng_;
  os::Signals signals_;
  os::Poller poller_;
  os::NetlinkWatch watch_;
  StateStore store_;
  ControlServer control_;
  DnsServer dns_;
  WgSockets wg_;
  std::unique_ptr<PacketThreads> packets_;
  SpareSockets spares_;
  std::unique_ptr<IgdThread> igd_;         ///< none where the settings forbid it
  std::unique_ptr<StreamThread> streams_;  ///< the same
  std::optional<control::Health> streams_problem_;
  ProxyHealth proxy_;
  os::UdpSender sender_;
  Interfaces interfaces_;
  engine::Engine engine_;
  engine::NameTable names_;
  std::vector<LoadedNetwork> loaded_;  ///< until they are restored

  std::map<engine::CommandId, Pending> pending_;
  std::vector<control::Health>
      start_health_;  ///< files that had to be repaired, and folders without keys
  std::optional<std::string> store_failure_;  ///< of the outputs being carried out
  bool names_stale_ = true;
  bool garbage_waits_ = false;
  bool stopping_ = false;
  Instant watchdog_at_ = Instant::max();
  std::int64_t realtime_offset_ = 0;  ///< REALTIME - BOOTTIME, ns
  std::int64_t suspend_offset_ = 0;   ///< BOOTTIME - MONOTONIC, ns
  bool clocks_known_ = false;
};

}  // namespace ipop::daemon
