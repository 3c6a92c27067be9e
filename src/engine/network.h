#pragma once

#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/context.h"
#include "engine/device_host.h"
#include "engine/diagnosis.h"
#include "engine/mend_turns.h"
#include "engine/peer_table.h"
#include "engine/recon_budget.h"
#include "engine/statement_pace.h"
#include "engine/status.h"
#include "engine/stored.h"
#include "engine/verbs.h"
#include "member/author.h"
#include "member/membership.h"
#include "member/reconcile.h"
#include "overlay/address_book.h"
#include "overlay/relays.h"
#include "overlay/ring.h"

namespace ipop::engine {

/// What a network's files held; empty where a file was not there.
struct StoredFiles {
  ByteVector identity;
  ByteVector secrets;
  ByteVector statements;
  ByteVector peers;
  ByteVector clock;
  ByteVector devices;
};

/// One network that this machine is in: its membership, its links to the other members, and what
/// they tell each other. Owned and called by the Engine on the control thread; everything it wants
/// done goes into Context::outputs.
class Network {
 public:
  enum class State : std::uint8_t {
    Joining,  ///< the invite's hosts are being called
    Member,
    Out,  ///< no longer a member (kicked, or the redemption lost); `leave` removes it
  };
  /// Directory name of a network whose own name is not known yet, before the redemption's id: two
  /// joins with two invites are two joiners, also in one network.
  static constexpr const char* kJoiningPrefix = "joining-";
  static constexpr std::size_t kUnprovenMax = 256;
  static constexpr Duration kProofTime = std::chrono::seconds(5);
  static constexpr std::uint16_t kInterfaceMtu = 1420;
  /// One write for all that connect at about the same time, and soon: a restart finds its way by
  /// it.
  static constexpr Duration kPeersStoreDelay = std::chrono::seconds(1);

  Network(Context& context, NetworkSlot slot)
      : ctx_(&context),
        slot_(slot),
        devices_(context),
        relays_(context.relaying, *context.rng, context.labels) {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // --- beginnings; each leaves its files to be stored in the outputs ---
  /// Returns the recovery key's text, shown once.
  Outcome<std::string> found(const Now& now, const CreateOptions& options);
  Outcome<void> begin_join(const Now& now, std::string_view invite_text, const JoinOptions& options,
                           CommandId command);
  /// Makes an admitted joiner a member whose files are in the folder `name`.
  void finish_join(const Now& now, const std::string& name);
  /// Error: which file is damaged or missing, in words.
  std::expected<void, std::string> restore(const Now& now, const std::string& name,
                                           const StoredFiles& files);

  // --- events ---
  /// True when the mac1 is ours (whatever came of it).
  bool handle_initiation(const Now& now, const wire::Initiation& message, const Way& from);
  void handle_response(const Now& now, PeerHandle peer, const wire::Response& message,
                       const Way& from);
  void handle_cookie_reply(const Now& now, PeerHandle peer, const wire::CookieReply& message);
  void handle_frame(const Now& now, PeerHandle peer, SessionIndex session, const Way& from,
                    Bytes plaintext);
  void handle_received(const Now& now, PeerHandle peer, SessionIndex session, const Way& from);
  void handle_ip_sent(const Now& now, PeerHandle peer, SessionIndex session);
  void handle_limit(const Now& now, PeerHandle peer, SessionIndex session);
  void handle_unrouted(const Now& now, PeerHandle peer, ByteVector packet);
  void handle_path_mtu(const Endpoint& to, std::uint16_t mtu);
  /// A datagram of ours did not leave the machine.
  void handle_unsent(const Endpoint& to, wire::TestOutcome why);
  void handle_interface(InterfaceMade made) { interface_ = std::move(made); }
  void handle_stored(const Now& now, Ticket ticket, bool ok, const std::string& problem);
  void handle_local_addresses(const Now& now);
  /// Context::outer has other candidates.
  void handle_outer_addresses(const Now& now);
  /// A TLS connection that we made, or any.
  void handle_stream_up(const Now& now, const Endpoint& to);
  void handle_stream_down(const Now& now, const Endpoint& remote);
  void handle_timeout(const Now& now);
  Instant deadline() const;

  // --- verbs ---
  Outcome<InviteMade> invite(const Now& now, const InviteOptions& options);
  Outcome<Kicked> kick(const Now& now, std::string_view member);
  /// Both return the member's name.
  Outcome<std::string> add_admin(const Now& now, std::string_view member);
  Outcome<std::string> remove_admin(const Now& now, std::string_view member);
  Outcome<DeviceMade> add_device(const Now& now, const DeviceWish& wish);
  /// Error where it is hosted elsewhere: only its host knows.
  Outcome<DeviceConfig> device_config(const Now& now, std::string_view name) const;
  LeaveImpact leave_impact() const;
  /// Returns how many members were told, being online.
  std::size_t leave(const Now& now);
  /// Ends it on this machine, whatever it was, without a word to others; its files go.
  void retire(const Now& now);
  /// Ends a join that was not finished, telling its client why; its files go.
  void give_up_join(const Now& now, CommandError why);
  void set_up(const Now& now, bool up);
  void drop_keys(const Now& now);
  /// Marks it as finished without touching its files.
  void discard() { finished_ = true; }
  Outcome<member::Member> ping(const Now& now, CommandId command, std::string_view member,
                               const PingOptions& options);
  /// Both ends test all ways between them; a Diagnosed follows within 14 s.
  Outcome<member::Member> diagnose(const Now& now, CommandId command, std::string_view member);
  /// The command's client is gone: stop pinging; a join goes on only if it was admitted.
  void cancel(const Now& now, CommandId command);
  /// BYE to everybody; the daemon is about to stop.
  void shutdown(const Now& now);

  // --- views ---
  const std::string& name() const { return name_; }
  NetworkSlot slot() const { return slot_; }
  const std::string& interface() const { return interface_.name; }  ///< empty: there is none
  State state() const { return state_; }
  bool is_up() const { return up_; }
  /// True for a joiner that has become a member: finish_join() is due.
  bool is_admitted() const {
    return state_ == State::Joining && join_ && !finished_ && self() != nullptr;
  }
  /// True for a joiner that nobody waits for: its user may try the same invite again.
  bool is_unfinished_join() const { return join_ && !join_->has_command; }
  /// What its founder called it. Requires: is_admitted(), or a member.
  const std::string& own_name() const;
  /// Whether it is the same member of the same network, by its keys.
  bool is_same_member(const Network& other) const;
  /// True for a join that waits for its user to try this invite again.
  bool is_joining_with(std::string_view invite_text) const;
  static std::optional<wire::NetworkId> network_of_invite(std::string_view invite_text);
  bool is_finished() const { return finished_; }  ///< to be removed by the engine
  bool owns(PeerHandle peer) const { return peers_.look(peer) != nullptr || devices_.owns(peer); }
  DeviceHost& devices() { return devices_; }
  std::optional<Prefix4> pool() const;
  const member::Membership& membership() const { return membership_; }
  /// How often the statement set was evaluated.
  std::uint64_t evaluations() const { return pace_.evaluations(); }
  /// How often a peer was looked at, whatever for.
  std::uint64_t peer_looks() const { return peers_.looks(); }
  const overlay::Ring* ring() const { return ring_ ? &*ring_ : nullptr; }
  const wire::NetworkId& id() const { return set_->network(); }
  const member::Member* self() const;
  /// By name, address or node id (hexadecimal).
  const member::Member* find_member(std::string_view text) const;
  const member::Device* find_device(std::string_view text) const;
  NetworkStatus status(const Now& now) const;
  void add_to_snapshot(dataplane::Snapshot& snapshot) const;

 private:
  struct Join {
    CommandId command = 0;
    bool has_command = false;
    ByteVector invite_layout;
    ByteVector redemption;
    std::vector<ByteVector> proof;  ///< chain, invite GRANT, redemption
    Instant deadline = Instant::max();
    std::string found;
    std::optional<Way> path;
    Instant ask_next_at = Instant::min();    ///< before it, no further host is asked
    std::optional<wire::ByeReason> refusal;  ///< of a host; final when no other one is left
  };
  struct ProofFlags {
    bool accepted_ours = false;
    bool begins_anew = false;
  };
  /// An ADMIT of ours that is being stored, and whom it answers (PROTOCOL 3).
  struct Admission {
    Ticket ticket = 0;
    wire::StatementId redemption;
    ByteVector admit;
    PeerHandle peer;
    SessionIndex session;
    bool accepted_ours = false;
    bool begins_anew = false;
  };
  struct Ping {
    CommandId command;
    wire::NodeId node;
    std::uint16_t remaining = 0;
    Duration interval{};
    Duration timeout{};
    std::uint16_t sequence = 0;  ///< of the reply that the user sees, from 1
    std::uint16_t wire_sequence = 0;
    bool outstanding = false;
    bool sent = false;
    Instant sent_at{};
    Instant next_at{};
  };

  // network.cc
  void start(const Now& now);
  void peer_timeout(const Now& now, Peer& peer);
  void store_again(const Now& now);
  void stop_links(const Now& now, wire::ByeReason reason);
  void store_identity();
  void store_secrets();
  Ticket store_statements(const Now& now);
  void store_peers();
  void store_devices();
  Ticket store(FileKind kind, ByteVector bytes);
  void reserve_clock(const Now& now);
  UnixTime wall(const Now& now);
  void want_interface();
  void log(LogLevel level, const std::string& line) const;
  void fail_join(const Now& now, CommandError error);

  // network_verbs.cc
  void catch_up(const Now& now);
  Outcome<const member::Member*> other_member(std::string_view text) const;

  // network_doctor.cc
  void exam_timeouts(const Now& now);
  void step(const Now& now, Exam& exam);
  static void begin_calling(const Now& now, Exam& exam);
  void begin_asking(const Now& now, Exam& exam, Peer& peer);
  void begin_testing(const Now& now, Exam& exam, Peer& peer);
  void ask(const Now& now, Exam& exam, Peer& peer);
  bool end_if_futile(Exam& exam);
  void finish(const Now& now, Exam& exam);
  void handle_diagnose(const Now& now, Peer& peer, const wire::Diagnose& frame);
  void handle_diagnosis(const Now& now, const Peer& peer, const wire::Diagnosis& frame);
  void begin_trial(const Now& now, Peer& peer, bool is_agreed);
  std::vector<nat::Trial::Wish> trial_wishes(const Peer& peer, bool is_agreed) const;
  bool take_trial_answer(const Now& now, Peer& peer, const wire::PathResponse& frame);
  void trial_timeouts(const Now& now, Peer& peer);
  void pump_trial(Peer& peer);
  wire::Diagnosis::Findings findings(const Now& now, const Peer* peer) const;
  void note_called(const Peer& peer, const Endpoint& to);

  // network_devices.cc
  void add_device_routes(dataplane::NetworkEntry& entry, dataplane::Snapshot& snapshot) const;
  std::vector<DeviceStatus> device_status(const Now& now) const;
  void refresh_devices(const Now& now);
  Outcome<Kicked> remove_device(const Now& now, const member::Device& device);

  // network_links.cc
  Peer& peer_for(const Now& now, const TunnelKey& key);
  void remove_peer(const Now& now, PeerHandle handle);
  void pump(const Now& now);
  std::vector<PeerHandle> pump_peers(const Now& now);
  Instant deadline_of(const Peer& peer) const;
  void pump_link(const Now& now, Peer& peer);
  void note_online(const Now& now, Peer& peer);
  void refresh_mtu_bound(Peer& peer);
  void ask_path_mtu(const Peer& peer);
  void note_direct(const Now& now, Peer& peer);
  void note_address(const Peer& peer);
  static void note_no_longer_direct(Peer& peer);
  void tell_observed(const Now& now, Peer& peer);
  void tell_own_candidates(const Now& now);
  void handle_observed(const Now& now, const Peer& peer, const Way& from,
                       const wire::Observed& observed);
  void handle_peers(const Now& now, Peer& peer, const wire::Peers& peers);
  void note_candidates(const Now& now, Peer& peer, const std::vector<Endpoint>& endpoints);
  void send_own_candidates(Peer& peer);
  void flush_queue(const Now& now, Peer& peer);
  bool is_acceptable(const Endpoint& endpoint) const;
  std::vector<Endpoint> own_candidates() const;
  std::optional<Endpoint> endpoint_for_strangers() const;
  void refresh_local_side();
  void set_epochs();

  // network_streams.cc
  bool is_reached_by_udp(const Peer& peer) const;
  void seek_stream(const Now& now, Peer& peer);
  void stream_timeout(const Now& now, Peer& peer);
  std::vector<Endpoint> streams_of(const Peer& peer) const;
  void take_stream(const Now& now, Peer& peer, const Endpoint& to);
  void handle_streams(const Now& now, Peer& peer, const wire::Streams& streams);
  void send_own_streams(Peer& peer) const;
  std::vector<Endpoint> own_streams() const;

  // network_relay.cc
  bool pump_relays(const Now& now);
  void note_relay_up(const Now& now, const overlay::Relays::Up& up);
  void note_relay_down(const Now& now, RelayLabel incoming);
  void note_way_lost(const Now& now, const Way& way);
  void keep_circuit_words();
  void note_session(const Now& now, Peer& peer);
  static bool is_reached(const Peer& peer);
  void seek_relay(Peer& peer, Instant at);
  void rest_relay(Peer& peer);
  void relay_timeouts(const Now& now);
  std::vector<wire::NodeId> relay_candidates(const Peer& peer) const;
  void seek_relay_again(const Now& now, Peer& peer);
  static std::optional<Way> leg_of(const Peer& peer);
  std::optional<std::string> relay_of(const Peer& peer) const;
  std::string name_of(PeerHandle peer) const;
  void add_relays_to_snapshot(dataplane::Snapshot& snapshot, std::size_t first) const;
  void add_circuit(dataplane::Snapshot& snapshot, std::size_t first, std::uint64_t id,
                   const overlay::Relays::Circuit& circuit) const;
  void transmit(Peer& peer, const Way& way, ByteVector datagram);
  void answer_unknown(const Way& from, ByteVector datagram);
  void send_through(const Way& relay, Bytes datagram);

  // network_ring.cc
  void start_ring();
  void stop_ring(const Now& now);
  void refresh_directory(const Now& now, std::vector<wire::NodeId> others);
  bool pump_ring(const Now& now);
  void link_to(const Now& now, const wire::NodeId& node);
  void unlink(const Now& now, const wire::NodeId& node);
  void want(const Now& now, Peer& peer);
  void call(const Now& now, Peer& peer);
  void rest(const Now& now, Peer& peer);
  void seek_direct(const Now& now, Peer& peer);
  void note_ring_link(const Now& now, Peer& peer);
  void let_go(const Now& now, Peer& peer);
  Instant idle_deadline(const Peer& peer) const;
  void take_routed(const Now& now, const wire::NodeId& hop, Bytes datagram);
  bool take_initiation(const Now& now, const wire::Initiation& message, const Way& from,
                       PeerHandle ingress);
  Peer* peer_of(SessionIndex session);
  void send_routed(Peer& peer, ByteVector datagram);

  // network_punch.cc
  void seek_hole(const Now& now, Peer& peer);
  void rest_hole(const Now& now, Peer& peer);
  void tell_ports(const Now& now, Peer& peer);
  void handle_ports(const Now& now, Peer& peer, const wire::Ports& ports);
  void handle_spreading(const Now& now, Peer& peer, const wire::Spreading& frame);
  void search(const Now& now, Peer& peer);
  bool ask_to_spread(const Now& now, Peer& peer);
  void punch_timeouts(const Now& now, Peer& peer);
  void pump_search(Peer& peer);

  // network_spread.cc
  void handle_spread(const Now& now, Peer& peer, const wire::Spread& frame);
  void begin_spread(const Now& now, Peer& peer);
  void end_spread(const Now& now, Peer& peer);
  void pump_spread(const Now& now, Peer& peer);
  void note_spare(const Now& now, Peer& peer);
  void close_spare(const Now& now, Peer& peer);
  void close_socket(const Now& now, Peer& peer, SocketId socket);
  void spread_timeouts(const Now& now, Peer& peer);

  // network_proof.cc
  bool may_ask(const Now& now, SessionIndex session, Peer& peer);
  void handle_refusal(const Now& now, Peer& peer, wire::ByeReason reason);
  void send_proof(const Now& now, Peer& peer, SessionIndex session);
  void handle_proof(const Now& now, Peer& peer, SessionIndex session, const wire::Proof& proof);
  bool evaluate_proof(const Now& now, Peer& peer, SessionIndex session, const wire::Proof& proof);
  void take_proof(const Now& now, Peer& peer, SessionIndex session, ProofFlags flags);
  void admit_redemption(const Now& now, Peer& peer, SessionIndex session, const wire::Proof& proof);
  void settle_admissions(const Now& now, Ticket ticket, bool ok);
  void answer_admission(const Now& now, const Admission& admission);
  void accept_peer(const Now& now, Peer& peer, const member::Member& member);
  static bool begins_anew(const Peer& peer);
  void prove(const Now& now, Peer& peer, SessionIndex session);
  void forget_session(const Now& now, Peer& peer);
  void refuse(const Now& now, Peer& peer, SessionIndex session, wire::ByeReason reason);
  void proof_timeouts(const Now& now, Peer& peer);
  Instant stranger_until(const Peer& peer) const;

  // network_sync.cc
  void dispatch(const Now& now, Peer& peer, SessionIndex session, const Way& from,
                const wire::Frame& frame);
  std::vector<wire::StatementId> add_statements(std::span<const Bytes> statements);
  void handle_statements(const Now& now, std::span<const Bytes> statements, Peer& from);
  bool may_lose_by(const wire::StatementId& joined) const;
  void publish_statements(const Now& now, const std::vector<ByteVector>& statements);
  void flood(const std::vector<wire::StatementId>& ids, const Peer* except);
  void send_statement(Peer& peer, const wire::StatementId& id);
  void begin_recon(const Now& now, Peer& peer);
  template <class ReconFrame>
  void handle_recon(const Now& now, Peer& peer, const ReconFrame& frame);
  void send_owed_statements(const Now& now, Peer& peer);
  void handle_bye(const Now& now, Peer& peer, wire::ByeReason reason);
  void handle_pong(const Now& now, Peer& peer, const wire::Pong& pong);
  void handle_ping(const Now& now, Peer& peer, SessionIndex session, const wire::Ping& ping);
  void send_ping(const Now& now, Peer& peer);
  wire::Ping next_ping(const Now& now, Peer& peer) const;
  void compare_digest(const Now& now, Peer& peer, const wire::Digest& digest, Epoch epoch);
  void recheck_digest(const Now& now, Peer& peer);
  void handle_secret(const Now& now, Peer& peer, const wire::SecretFrame& frame);
  bool has_committed_secret() const;
  Epoch committed_epoch() const;
  void send_secret(Peer& peer);
  void adopt_secret(const Now& now, Epoch epoch, crypto::Secret<32> secret, const Peer* from);
  void ping_timeouts(const Now& now);
  void send_pings(const Now& now);

  // network_membership.cc
  void refresh_membership(const Now& now);
  void settle_membership(const Now& now);
  void cut_invalid_peers(const Now& now);
  void show_why_cut(Peer& peer);
  bool admitted_by_us(const member::Member& m) const;
  void mend_conflicts(const Now& now);
  void claim_tunnel_key(const Now& now);

  Context* ctx_;
  NetworkSlot slot_;
  std::string name_;
  State state_ = State::Joining;
  bool up_ = true;
  bool finished_ = false;

  std::optional<crypto::SigningKey> identity_;
  std::optional<crypto::SigningKey> root_;
  wire::StatementId grant_;
  session::LocalSide local_;
  std::vector<StoredSecret> secrets_;  ///< newest first

  std::optional<member::StatementSet> set_;
  member::Membership membership_;
  StatementPace pace_;
  std::map<wire::NodeId, ReconBudget> recon_budgets_;  ///< of members that asked

  DeviceHost devices_;
  Instant devices_store_at_ = Instant::max();
  overlay::AddressBook addresses_;
  overlay::AddressBook stream_addresses_;  ///< where members take TLS connections
  overlay::Directory directory_;
  std::optional<overlay::Ring> ring_;  ///< while we are a member and up
  Instant ring_deadline_ = Instant::max();
  /// Datagrams to be routed to a member, and such as were routed to us, with who brought them.
  std::vector<std::pair<wire::NodeId, ByteVector>> routed_out_;
  std::deque<std::pair<wire::NodeId, ByteVector>> routed_in_;
  overlay::Relays relays_;
  Instant relays_deadline_ = Instant::max();
  /// A way through a relay that is up, by the label under which we receive.
  struct RelayedWay {
    wire::NodeId far;
    Way way;
  };
  std::map<RelayLabel, RelayedWay> relayed_;
  /// Of what we carry for others, by the circuit's number and by the pair.
  std::map<std::uint64_t, std::unique_ptr<dataplane::CircuitWords>> circuit_words_;
  using NodePair = std::pair<wire::NodeId, wire::NodeId>;
  std::map<NodePair, std::unique_ptr<dataplane::AllowanceWords>> allowance_words_;
  Instant membership_at_ = Instant::max();  ///< when the membership changes by time alone
  Instant clock_at_ = Instant::max();       ///< when the timestamp reservation is to be renewed
  PeerTable peers_;
  StoredPeers remembered_;  ///< addresses kept while there is no ring
  std::unordered_map<TunnelKey, std::vector<Endpoint>> invite_hosts_;

  MendTurns mend_turns_;
  UnixTime lived_until_;
  std::optional<Join> join_;
  std::vector<Admission> admissions_;
  std::vector<Ping> pings_;
  std::vector<Exam> exams_;
  std::vector<PeerHandle> trials_;  ///< peers whose trial runs

  std::string interface_wanted_;
  InterfaceMade interface_;
  std::string store_problem_;
  std::string out_reason_;
  std::string joining_folder_;  ///< its files go when those of the member are on the disk
  std::map<Ticket, FileKind> storing_;
  Instant store_retry_at_ = Instant::max();
  bool store_retry_[7] = {};
  Instant peers_store_at_ = Instant::max();
  Instant tell_at_ = Instant::max();  ///< when connected members hear our new addresses
  Instant told_at_ = Instant::min();
};

}  // namespace ipop::engine
