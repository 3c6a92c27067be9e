#pragma once

#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "dataplane/keypair.h"
#include "engine/context.h"
#include "nat/path_mtu.h"
#include "nat/path_set.h"
#include "session/session.h"
#include "wire/frames.h"

namespace ipop::engine {

/// An authenticated channel to one tunnel key: the session (who) and its paths (how) together, with
/// the shared keypair objects. Who the key belongs to is the network's business.
///
///   down --handshake--> usable pair (PROOF may travel) --prove()--> sending --path proven-->
///   online online --three unanswered keepalives, or no path answers--> down: keys and paths are
///   given up, the addresses stay as hints for the owner's next connect()
///
/// Drain poll_output() after each handle_*().
class Link {
 public:
  static constexpr Duration kKeepalive = std::chrono::seconds(25);
  /// Who was asked last asks so much earlier, or up to twice: one exchange serves both ends, who
  /// take turns, and many links do not wake the machine at once for ever.
  static constexpr Duration kTurn = std::chrono::milliseconds(750);
  /// Waits for an answer to a keepalive before it is repeated: 1, 2, 4 s, so a dead peer is noticed
  /// 7 s after the first unanswered one.
  static constexpr int kKeepaliveTries = 3;

  struct Send {
    Way to;
    ByteVector datagram;
  };
  /// Control frames may be sent on this pair from now on; the owner sends its PROOF.
  struct PairUsable {
    SessionIndex local;
    Epoch epoch;
  };
  struct PairGone {
    SessionIndex local;
  };
  /// The peer named addresses of its own.
  struct Candidates {
    std::vector<Endpoint> endpoints;
  };
  /// The owner sends a PING and reports it with handle_ping_sent().
  struct PingDue {};
  /// What went out on this relayed way is not answered any more.
  struct WayLost {
    Way way;
  };
  /// Something that a snapshot shows changed: keypairs, sending pair, path.
  struct Changed {};
  /// Only mtu() did.
  struct MtuChanged {};
  /// The owner finds out anew what set_mtu_bound() is to say.
  struct MtuBoundDue {};
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Send, PairUsable, PairGone, Candidates, PingDue, WayLost, Changed,
                              MtuChanged, MtuBoundDue, WaitUntil>;

  /// `mtu_max`: the largest inner packet that is of any use.
  Link(const session::Session::Options& options, const Context& ctx, std::uint16_t mtu_max);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// True when it is a new one.
  bool add_hint(const Way& way) { return paths_.add_hint(way); }
  /// A way that came into being (a relay opened): where there is a session it is proven at once,
  /// else it is one more to call on.
  void add_way(const Now& now, const Way& way);
  /// A challenge to where the peer may be, which is remembered nowhere: if it arrives, what comes
  /// back makes that a way as any other.
  void probe(const Way& to);
  /// The same on any way, with the caller's token: its answer means nothing to the link.
  void challenge(const Way& to, const wire::PathChallenge& frame);
  /// See nat::PathSet::hold().
  void hold(Instant until) { paths_.hold(until); }
  /// There is some way to call it on.
  bool has_ways() const { return !paths_.destinations().empty(); }
  /// Those that are known, the present one first.
  std::vector<Way> ways() const { return paths_.destinations(); }
  bool has_way(const Way& way) const { return paths_.contains(way); }
  /// It is no more.
  void remove_way(const Now& now, const Way& way);
  void connect(const Now& now);
  void stop_connecting(const Now& now);
  void handshake_now(const Now& now);
  /// Drops all keys and proven paths.
  void reset(const Now& now);

  Result<void> respond(const Now& now, session::ReceivedInitiation initiation, const Way& from);
  Result<void> handle_response(const Now& now, const wire::Response& message, const Way& from);
  Result<void> handle_cookie_reply(const Now& now, const wire::CookieReply& message);
  /// An authenticated packet of the peer came in on this pair, from there.
  void handle_received(const Now& now, SessionIndex local, const Way& from);
  void handle_ip_sent(const Now& now, SessionIndex local);
  void handle_limit(const Now& now, SessionIndex local);
  void handle_path_challenge(const Now& now, SessionIndex local, const Way& from,
                             const wire::PathChallenge& frame);
  void handle_path_response(const Now& now, const wire::PathResponse& frame);
  void handle_mtu_probe(const Now& now, SessionIndex local, const Way& from,
                        const wire::MtuProbe& frame);
  void handle_mtu_response(const Now& now, const wire::MtuResponse& frame);
  /// What the present way's first leg lets through (nat/path_mtu.h). True when mtu() changed or
  /// handle_timeout() is due.
  bool set_mtu_bound(std::uint16_t inner);
  void handle_ping_sent(const Now& now);
  /// The peer's PING came in on this pair and is answered.
  void handle_ping(const Now& now, SessionIndex local);
  /// Our PING that left at `sent` is answered.
  void handle_pong(const Now& now, Instant sent);
  /// Both PROOFs on the pair are accepted.
  void prove(const Now& now, SessionIndex local);
  void handle_timeout(const Now& now);
  Output poll_output();

  /// Seals and queues a frame (in PARTs where long) on the pair, to the active path, or where the
  /// pair was last heard from. Nothing happens when there is neither.
  void send_on(SessionIndex local, const wire::Frame& frame);
  /// The same on the sending pair.
  void send(const wire::Frame& frame);
  /// The same with a frame that is written already.
  void send_plain(ByteVector plain);
  /// The same on the sending pair or, before there is one, on any that is usable: for what is said
  /// to peers that may never be proven.
  void send_unproven(const wire::Frame& frame);

  bool online() const { return session_.sending_on().has_value() && paths_.active().has_value(); }
  const TunnelKey& remote() const { return session_.remote(); }
  /// By which data goes out.
  std::optional<Way> way() const { return paths_.active(); }
  /// The address, where that is a direct one: for what is about addresses (path MTU, what others
  /// are told, status).
  std::optional<Endpoint> endpoint() const;
  std::optional<Duration> rtt() const { return paths_.rtt(); }
  /// The largest inner packet to be sent.
  std::uint16_t mtu() const { return mtu_.mtu(); }
  /// The peer does not do what a living one would: asks it now whether it is there.
  void suspect(const Now& now);
  /// When the last IP packet went either way; min(): none did.
  Instant last_ip() const;
  /// Since the last authenticated packet; nullopt: there was none.
  std::optional<Duration> silence(Instant now) const;
  /// Since the last handshake was complete, PROOF included; nullopt: there was none.
  std::optional<Duration> handshake_age(Instant now) const;
  /// The pair that data goes out on; null while there is none.
  dataplane::Keypair* sending() const;

  struct Pair {
    std::unique_ptr<dataplane::Keypair> keypair;
    Epoch epoch;
    Instant made{};
    bool usable = false;
    bool proven = false;
    std::optional<Way> answered_to;  ///< where our response went; proves that path
    std::optional<Way> heard_from;
  };
  const std::map<SessionIndex, Pair>& pairs() const { return pairs_; }
  /// Keypairs that ended, for the next publication to carry away.
  std::vector<std::unique_ptr<dataplane::Keypair>> take_garbage();

 private:
  void send_plain_on(SessionIndex local, ByteVector plain);
  void send_alone(const Pair& pair, const Way& to, const wire::Frame& frame);
  void pump(const Now& now);
  void pump_session(const Now& now);
  void pump_paths(const Now& now);
  void pump_mtu();
  void keep_alive(const Now& now);
  void make_pair(const Now& now, session::Session::PairMade made);
  void note_alive(Instant at);
  void ask_whether_alive(const Now& now);
  Instant last_received() const;
  Instant last_ip_sent() const;
  std::optional<SessionIndex> control_pair() const;

  session::Session session_;
  nat::PathSet paths_;
  nat::PathMtu mtu_;  ///< of the way that carries data
  std::map<SessionIndex, Pair> pairs_;
  std::optional<Way> responding_to_;
  std::vector<std::unique_ptr<dataplane::Keypair>> garbage_;
  std::uint32_t next_message_ = 1;
  const Context* ctx_;

  Instant session_deadline_ = Instant::max();
  Instant paths_deadline_ = Instant::max();
  Instant mtu_deadline_ = Instant::max();
  Instant ping_at_ = Instant::max();
  Instant heard_at_ = Instant::min();
  Instant proven_at_ = Instant::min();
  Instant ping_sent_at_ = Instant::min();
  int pings_unanswered_ = 0;
  bool is_streams_turn_ = false;  ///< the next initiation goes by TLS alone
  bool was_online_ = false;
  std::vector<Output> outputs_;
};

}  // namespace ipop::engine
