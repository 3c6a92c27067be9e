#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "session/local_side.h"
#include "session/noise.h"
#include "session/pair.h"
#include "session/profile.h"

namespace ipop::session {

/// A message 1 that authenticated, not yet answered. Its timestamp is not yet checked against the
/// peer's last one: Session::respond() does that.
struct ReceivedInitiation {
  NoiseResponder noise;
  SessionIndex remote_index;
  wire::InitiationPayload payload;
  Epoch epoch;  ///< whose mac1 verified; selects the psk
};

/// Opens a message 1 whose mac1 verified under `epoch`. Error Denied or a parse error.
Result<ReceivedInitiation> consume_initiation(const Profile& profile, const LocalSide& local,
                                              const wire::Initiation& message, Epoch epoch);

/// Draws session indices and knows which peer holds one. One per daemon; bounded by its peers.
class IndexTable {
 public:
  explicit IndexTable(Rng& rng) : rng_(&rng) {}
  SessionIndex allocate(PeerHandle owner);
  void release(SessionIndex index);
  std::optional<PeerHandle> find(SessionIndex index) const;
  std::size_t size() const { return owners_.size(); }

 private:
  Rng* rng_;
  std::unordered_map<SessionIndex, PeerHandle> owners_;
};

/// What the packet path saw of one session, over all its pairs: what WireGuard's timers run on.
struct Activity {
  Instant last_ip_sent = Instant::min();
  Instant last_ip_received = Instant::min();
  Instant last_received = Instant::min();  ///< any authenticated packet
  /// The first IP packet that was sent since an authenticated one arrived; max() = none.
  Instant unanswered_since = Instant::max();
  /// The first IP packet that arrived since anything was sent; max() = none.
  Instant unacknowledged_since = Instant::max();
};

/// The sessions with one remote tunnel key: handshakes, keypairs and their timers. Who the peer is
/// (PROOF) and where it is (paths) are others' business: the owner tells the session when a keypair
/// is proven in both directions, and where a handshake datagram goes.
///
///   idle --connect()--> initiating --handle_response()--> pair made --handle_proven()--> pair
///   sends
///     \---------respond() (a peer's initiation)-----------> pair made (unconfirmed) --^
///
/// A made pair receives at once; it becomes the sending pair when it is proven. An older pair goes
/// on carrying data until a newer one is proven.
///
/// **Which pair sends.** The highest-ranking proven pair; both ends rank alike without exchanging a
/// byte about it. Call the end with the lower static key L, the other H.
///  * Of pairs with the same initiator the later initiation ranks higher. (The responder accepts
///    rising timestamps only; the initiator, once it has a response, accepts none to an older
///    initiation.)
///  * L ranks H's pair above its own if it answered H's initiation after its own pair's response
///    had arrived; else the two crossed and L's own ranks higher.
///  * H ranks its own pair above L's if it sent its initiation after L's pair was confirmed (the
///    first packet on it arrived); else the two crossed and L's ranks higher.
/// If H says "mine is newer", then L's response arrived before H's confirmation, that before H's
/// initiation, that before L's answer: L says so too. The reverse fails in one case only: an
/// initiation that H sent before L's pair was confirmed reaches L after that pair was complete (it
/// was overtaken). L cannot tell it from H having restarted, where H's is the only pair that works,
/// so L moves to H's pair while H stays on L's: no packet is lost, since either end receives on
/// both. L knows that this may be so, because it happens only within kSettleWindow of its own
/// pair, and makes a fresh handshake kSettleDelay later, which ranks above everything at both ends.
/// A lost message 1 or 2 leaves at most a pair at its responder that is never confirmed, never
/// proven, and so never ranked.
///
/// **Stock WireGuard** (kStockProfile) is the same machine with other values: a pair is proven by
/// its confirmation, the one established last sends, and what flows drives the rest: the owner
/// tells handle_activity() instead of handle_ip_sent(), and connect() is for a packet that waits.
/// Consuming message 1 does not cancel an own initiation here either, so that two of ours, or one
/// of ours and WireGuard, connect at once where two of WireGuard's wait for a retry.
///
/// **Slots.** At most 4 established pairs (current, previous and the two of a crossing), of which
/// the lowest-ranking one that does not send goes first; at most 3 unconfirmed ones (as many as
/// initiations that the peer holds open), of which the oldest goes first and which displace nothing
/// else; at most Profile::pending_max pending initiations of our own.
///
/// No I/O, no clock, no threads. After every handle_*() call poll_output() until WaitUntil.
class Session {
 public:
  struct Options {
    const Profile* profile;
    LocalSide* local;  ///< outlives the session
    TunnelKey remote;
    PeerHandle owner;
    IndexTable* indices;  ///< outlives the session
    Rng* rng;
    const crypto::Secret<32>* psk = nullptr;  ///< stock: this peer's; outlives the session
  };

  /// An initiation, to every address that may be the peer's.
  struct SendInitiation {
    ByteVector datagram;
  };
  /// A response, back to where the initiation came from.
  struct SendResponse {
    ByteVector datagram;
  };
  /// A new keypair; the owner makes the shared object and sends PROOF on it.
  struct PairMade {
    SessionIndex local;
    SessionIndex remote;
    crypto::Suite suite;
    TransportKeys keys;
    bool initiator = false;
    Epoch epoch;
    std::optional<wire::InitiationPayload> initiation;  ///< the peer's, where it initiated
    std::optional<wire::ResponsePayload> response;      ///< the peer's, where we initiated
  };
  /// From now on data and control frames go out on this pair (nullopt: on none).
  struct SendOn {
    std::optional<SessionIndex> local;
  };
  /// The pair is no longer accepted; the owner removes and wipes it.
  struct PairDropped {
    SessionIndex local;
  };
  /// No answer within the profile's attempt time (stock only).
  struct GaveUp {};
  /// An empty packet is due on the pair, or packets that wait (stock only).
  struct SendKeepalive {
    SessionIndex local;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendInitiation, SendResponse, PairMade, SendOn, PairDropped, GaveUp,
                              SendKeepalive, WaitUntil>;

  explicit Session(const Options& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Wants a session: initiates unless a usable pair or a pending initiation exists, and goes on
  /// retrying as the profile says. Calling again is harmless.
  void connect(const Now& now);
  /// No longer wants one: stops retrying; pairs stay until they expire. A late response still makes
  /// a pair.
  void stop_connecting();
  /// Fresh initiation now, although a pair is in use (rekey before its time, new address to try).
  /// At most one a second: sooner than that it is put off, not forgotten.
  void handshake_now(const Now& now);
  /// Drops every pair and pending handshake (BYE, revoked, clock jump >= 60 s), and the wish for a
  /// session with them: connect() starts anew. The greatest timestamp accepted stays.
  void reset();

  /// Answers a peer's initiation. Errors: Denied (timestamp not newer: a replay), Busy (sooner than
  /// 20 ms after the last accepted one), Unsupported (no common suite). Changes nothing then.
  Result<void> respond(const Now& now, ReceivedInitiation initiation);
  /// A message 2 for one of our indices; checks its mac1 too, which alone covers the header.
  /// Errors: NotFound, Denied (nothing changes then), BadValue (authentic, but a bad payload or a
  /// suite that was not offered: that initiation is abandoned).
  Result<void> handle_response(const Now& now, const wire::Response& message);
  /// A cookie reply for our pending initiation (initiates once at once with it) or for a response
  /// of ours (the next one carries it). Errors: NotFound, Denied.
  Result<void> handle_cookie_reply(const Now& now, const wire::CookieReply& message);
  /// An authenticated packet arrived on the pair: the peer has it too (confirmed).
  void handle_received(const Now& now, SessionIndex local);
  /// Both PROOFs on the pair are accepted: it may carry data.
  void handle_proven(const Now& now, SessionIndex local);
  /// The first IP packet went out on the pair: starts the 120 s rekey clock.
  void handle_ip_sent(const Now& now, SessionIndex local);
  /// Stock: whatever there is to know of packets, when they begin to flow and before each
  /// handle_timeout().
  void handle_activity(const Now& now, const Activity& activity);
  /// The pair's block or message limit for rekeying is reached.
  void handle_rekey_limit(const Now& now, SessionIndex local);
  void handle_timeout(const Now& now);
  Output poll_output();

  const TunnelKey& remote() const { return options_.remote; }
  std::optional<SessionIndex> sending_on() const;
  bool is_initiating() const;

 private:
  /// An initiation of ours that may still be answered.
  struct Pending {
    SessionIndex local;
    NoiseInitiator noise;
    Epoch epoch;
    std::uint8_t suites;
    Instant sent_at;
    EventNumber began;
    std::optional<wire::Mac> mac1;  ///< until a cookie for it came: one cookie a mac1
    bool had_cookie;
  };
  /// A series of initiations, until a pair of either side is established.
  struct Attempt {
    bool active = false;
    Instant started_at;
    Instant next_at;
    std::size_t sent = 0;
  };
  struct Cookie {
    wire::Mac value;
    Instant at;
  };
  struct OwnCompletion {
    Instant at;
    EventNumber number;
  };

  // handshake.cc
  const crypto::Secret<32>& psk_of(const EpochKeys& epoch) const;
  const EpochKeys& epoch_of_attempt() const;
  void send_initiation(const Now& now);
  void append_macs(Instant now, const EpochKeys& epoch, ByteVector& datagram, wire::Mac& mac1);
  std::optional<wire::Mac> fresh_cookie(Instant now) const;
  void complete(const Now& now, std::size_t pending, const wire::Response& message,
                const wire::ResponsePayload& payload);
  Result<void> accept_cookie(Instant now, const wire::CookieReply& message, const wire::Mac& mac1);
  std::optional<std::size_t> find_pending(SessionIndex local) const;
  /// Drops the first `count` pending initiations.
  void abandon_pending(std::size_t count);

  // keypairs.cc
  bool local_is_lower() const;
  bool ranks_above(const Pair& a, const Pair& b) const;
  Pair* find_pair(SessionIndex local);
  const Pair* sending_pair() const;
  Pair& add_pair(const Now& now, SessionIndex local, Epoch epoch);
  void establish(Pair& pair);
  void choose_sending(Instant now);
  void mark_replaced(Instant now);
  void consider_settling(Instant now, const Pair& chosen);
  void bound_established();
  void bound_unconfirmed();
  void drop_pair(SessionIndex local);

  // activity.cc
  void keep_up(Instant now);
  Instant keepalive_at() const;
  Instant no_answer_at() const;
  bool is_used_late(const Pair& pair, Instant now) const;
  Instant activity_deadline() const;

  // timers.cc
  void advance(const Now& now);
  void expire(Instant now);
  bool successor_on_its_way() const;
  void consider_attempt(Instant now);
  Instant next_initiation_at(Instant now) const;
  void start_attempt(Instant now, Instant first_at);
  void run_attempt(const Now& now);
  Instant attempt_ends_at() const;
  Duration retry_delay();
  Instant deadline() const;

  Options options_;
  std::deque<Output> outputs_;
  bool wanted_ = false;
  EventNumber events_ = 0;
  std::vector<Pair> pairs_;       // in the order they were made
  std::vector<Pending> pending_;  // in the order they were sent
  Attempt attempt_;
  std::optional<SessionIndex> sending_;
  std::optional<Instant> last_initiation_at_;
  std::optional<OwnCompletion> last_completion_;
  std::optional<Instant> settle_at_;
  std::optional<Cookie> cookie_;
  wire::Tai64n greatest_timestamp_;
  std::optional<Instant> last_accepted_at_;

  Activity activity_;
  Instant last_handshake_sent_at_ = Instant::min();
  Instant last_handshake_received_at_ = Instant::min();
  Instant keepalive_sent_at_ = Instant::min();
  std::optional<Instant> another_keepalive_since_;
  Instant no_answer_noted_at_ = Instant::min();
  Duration no_answer_jitter_{};
  Instant looked_at_ = Instant::min();
  Instant look_again_at_ = Instant::max();
};

/// See Session, "Which pair sends". A peer's pair is confirmed, or dropped, within
/// unproven_lifetime (30 s) of our response's arrival, and the peer abandons an initiation after
/// pending_lifetime (15 s): what was overtaken arrives within the sum.
inline constexpr Duration kSettleWindow = std::chrono::seconds(45);
inline constexpr Duration kSettleDelay = std::chrono::seconds(1);
inline constexpr std::size_t kUnconfirmedMax = 3;
inline constexpr std::size_t kEstablishedMax = 4;

}  // namespace ipop::session
