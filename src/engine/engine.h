#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/event.h"
#include "engine/context.h"
#include "engine/network.h"
#include "engine/output.h"
#include "engine/status.h"

namespace ipop::engine {

/// The core's front door: all networks of one node behind one UDP port. Sans I/O: events, commands
/// and time go in; outputs and one deadline come out. One thread.
///
/// After every handle_*() and every command, call poll_output() until WaitUntil and carry the
/// outputs out in their order; handle_timeout() is due at that instant (earlier is harmless).
class Engine {
 public:
  struct Options {
    std::uint16_t port = 0;           ///< of the one UDP socket
    dataplane::SenderId workers = 1;  ///< that seal packets
    /// Which libraries seal and open them; what they give is the same.
    crypto::Backends backends{};
    /// What this node does for others that do not reach each other.
    struct Relay {
      bool enabled = true;
      /// Of a pair of members, both directions together; 0: none. Not where both are on the local
      /// network.
      dataplane::BitsPerSecond limit = 20'000'000;
    } relay{};
    /// How it finds out where it is seen from outside.
    struct Nat {
      std::vector<Endpoint> stun_servers{};
      bool port_mapping = true;
      bool igd = true;                     ///< see nat::OuterAddresses
      bool search = true;                  ///< for ports that NATs chose at random
      nat::PortMapper::Key mapping_key{};  ///< the same over restarts
    } nat{};
    /// TLS connections, as ways to members where UDP fails.
    struct Streams {
      /// Of the TCP socket at which the driver takes them; 0: it takes none.
      std::uint16_t port = 0;
      bool dial = true;  ///< the driver may be asked to make some
    } streams{};
  };
  Engine(Rng& rng, Logger& log, Options options);
  ~Engine();

  // --- events ---
  void handle_event(const Now& now, const dataplane::Event& event);
  /// The machine's interfaces, without the overlay's, as they are now.
  struct LocalNetwork {
    std::vector<IpAddress> addresses;
    std::vector<nat::PortMapper::Gateway> gateways;  ///< default ones
  };
  void handle_local_network(const Now& now, LocalNetwork local);
  void handle_interface(NetworkSlot slot, InterfaceMade made);
  void handle_path_mtu(const Endpoint& to, std::uint16_t mtu);
  void handle_igd_answer(const Now& now, const nat::IgdAnswer& answer);
  /// A TLS connection that OpenStream asked for is up.
  void handle_stream_up(const Now& now, const Endpoint& to);
  /// One of these is down or did not come up, or one that a member made ended.
  void handle_stream_down(const Now& now, const Endpoint& remote);
  /// The system did not let a Transmit out: NoAddress, Refused or NoRoute. For `ipop doctor`; what
  /// is not sent is lost like any other datagram.
  void handle_unsent(const Endpoint& to, wire::TestOutcome why);
  void handle_stored(const Now& now, Ticket ticket, bool ok, const std::string& problem);
  void handle_timeout(const Now& now);
  /// The process was suspended, or the clock jumped, for 60 s or more: every key is dropped, since
  /// a snapshot of this machine may run elsewhere (PROTOCOL 14).
  void handle_clock_jump(const Now& now);
  Output poll_output();

  // --- commands; NETWORK may be empty where there is exactly one ---
  struct Created {
    std::string network;
    std::string recovery_key;
  };
  Outcome<Created> create(const Now& now, const CreateOptions& options);
  /// The outcome comes as CommandUpdates.
  Outcome<void> join(const Now& now, CommandId command, std::string_view invite,
                     const JoinOptions& options);
  Outcome<InviteMade> invite(const Now& now, std::string_view network,
                             const InviteOptions& options);
  Outcome<Kicked> kick(const Now& now, std::string_view network, std::string_view member);
  /// Both return the member's name.
  Outcome<std::string> add_admin(const Now& now, std::string_view network, std::string_view member);
  Outcome<std::string> remove_admin(const Now& now, std::string_view network,
                                    std::string_view member);
  Outcome<DeviceMade> add_device(const Now& now, std::string_view network,
                                 const DeviceWish& options);
  Outcome<DeviceConfig> device_config(const Now& now, std::string_view network,
                                      std::string_view name) const;
  Outcome<LeaveImpact> leave_impact(std::string_view network) const;
  /// Also gives up a join that was not finished, if it is named.
  Outcome<Left> leave(const Now& now, std::string_view network);
  Outcome<std::string> set_up(const Now& now, std::string_view network, bool up);
  /// Who is pinged; the answers come as CommandUpdates.
  Outcome<member::Member> ping(const Now& now, CommandId command, std::string_view network,
                               std::string_view member, const PingOptions& options);
  /// Who is looked at; a Diagnosed, or an error, comes as the one CommandUpdate within 14 s.
  Outcome<member::Member> diagnose(const Now& now, CommandId command, std::string_view network,
                                   std::string_view member);
  void cancel(const Now& now, CommandId command);
  void shutdown(const Now& now);

  /// A network from its files, at start. Error: what is wrong, naming the file.
  std::expected<void, std::string> restore(const Now& now, const std::string& name,
                                           const StoredFiles& files);
  /// Keeps a network's name from everybody, since its folder holds keys that could not be restored
  /// for this reason. Verbs that name it hear why.
  void hold(const std::string& name, const std::string& problem) { held_[name] = problem; }
  /// Its folder is out of the way.
  void release(const std::string& name) { held_.erase(name); }
  const std::map<std::string, std::string, std::less<>>& held() const { return held_; }

  // --- views ---
  /// What is known of the NAT in front of us.
  nat::OuterAddresses::Report netcheck(const Now& now) const { return ctx_.outer.report(now.at); }
  std::vector<NetworkStatus> status(const Now& now) const;
  /// The network's status; an error names the choices when `network` is empty and not unique.
  Outcome<NetworkStatus> status_of(const Now& now, std::string_view network) const;
  /// All inner prefixes in use, so that the driver can tell overlay addresses from others.
  std::vector<Prefix4> pools() const;
  const std::map<NetworkSlot, std::unique_ptr<Network>>& networks() const { return networks_; }

 private:
  void handle_datagram(const Now& now, const Way& from, Bytes datagram);
  Network* owner(PeerHandle peer) const;
  Network* owner_of_session(SessionIndex session, PeerHandle& peer) const;
  /// Joins that are not finished are found by name only.
  Outcome<Network*> find(std::string_view name) const;
  /// None of these.
  Outcome<Network*> find_settled(std::string_view name) const;
  Outcome<Network*> find_member(std::string_view name) const;
  std::optional<CommandError> already_member(const Network& except, std::string_view invite) const;
  Network& add_network();
  void settle(const Now& now);
  void pump_outer(const Now& now);
  void pump_dialer();
  void finish_joins(const Now& now);
  void make_way(const Now& now, const Network& joined);
  std::string free_name(const Network& network) const;
  void drop_finished();
  Publish build_snapshot();

  Context ctx_;
  std::map<NetworkSlot, std::unique_ptr<Network>> networks_;
  std::map<std::string, std::string, std::less<>> held_;
  std::uint32_t next_slot_ = 0;
  Instant outer_deadline_ = Instant::max();
  Instant dialer_deadline_ = Instant::max();
};

}  // namespace ipop::engine
