#pragma once

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/way.h"

namespace ipop::nat {

/// The ways by which one peer may be reached, which of them are proven, and which one carries data.
/// A session does not notice when its path changes.
///
///   hinted --authenticated packet from it--> candidate --challenge answered--> proven --> active
///   active --no answer to 3 challenges 300 ms apart while data flows--> suspect: the next proven
///   path takes over; with none left the peer has no path and `lost` is reported.
///
/// A challenge is repeated after 300 ms, or twice the path's round trip where that is more; but its
/// answer counts whenever it comes within kAnswerMax. So a path is proven although its round trip
/// is longer than we wait before we ask again (decision 024).
///
/// A packet from a new address only makes it a candidate (PROTOCOL 18): data moves there after
/// PATH_CHALLENGE / PATH_RESPONSE. Of proven paths a direct one carries data before a relayed one,
/// and that before a routed one: a better kind takes over as soon as it is proven, a worse one when
/// the better is lost. Of two sockets of ours that reach one address, the peer chooses: data goes
/// from the one that the peer is heard on. While nothing better than a relay is there, the direct
/// addresses that are known, and relays that are not proven, are challenged again and again, from
/// every second on to every half minute, or every ten seconds while it is in use. No I/O, no clock;
/// drain poll_output() after each handle_*().
class PathSet {
 public:
  using Token = std::array<std::byte, 8>;
  static constexpr std::size_t kPathsMax = 12;
  static constexpr Duration kChallengeTimeout = std::chrono::milliseconds(300);
  /// An answer that comes later than this after its challenge says nothing about the path now.
  static constexpr Duration kAnswerMax = std::chrono::seconds(3);
  static constexpr int kMissesMax = 3;
  static constexpr int kTriesMax = 3;
  /// Silence on an active path, while data flows, after which it is probed.
  static constexpr Duration kSilence = std::chrono::milliseconds(500);
  /// Between two rounds of challenges to direct addresses, while none of them works.
  static constexpr Duration kUpgradePauseMin = std::chrono::seconds(1);
  static constexpr Duration kUpgradePauseMax = std::chrono::seconds(30);
  /// The most where data went out since the last round.
  static constexpr Duration kUpgradePauseInUse = std::chrono::seconds(10);

  /// PATH_CHALLENGE on this way.
  struct SendChallenge {
    Way to;
    Token token;
  };
  /// The path that carries data from now on; nullopt: none is left.
  struct ActiveChanged {
    std::optional<Way> way;
  };
  /// A relayed way did not answer although it once did, or never did in kTriesMax rounds: whoever
  /// keeps it should open another one.
  struct Lost {
    Way way;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendChallenge, ActiveChanged, Lost, WaitUntil>;

  /// Of two relays that work, either end may choose another; the end that follows takes the one
  /// that it hears the other on. Two that followed would change places for ever.
  enum class Role : std::uint8_t { Leads, Follows };

  explicit PathSet(Rng& rng, Role role = Role::Leads) : rng_(&rng), role_(role) {}

  /// A way somebody named (invite, PEERS, the peer's own list, a relay that opened): called, but
  /// trusted with nothing. The oldest unproven hint makes room when the set is full.
  /// True when it is a new one.
  bool add_hint(const Way& way);
  /// Challenges a way that is not proven yet, adding it where needed. Requires: there is a session
  /// to do so.
  void probe(Instant now, const Way& way);
  /// Both ends try all their ways until then: what comes by another one need not be a move of the
  /// peer's. Of two that are equally good the present one stays if it answers, which it is asked; a
  /// peer that has moved is followed in about a second, when three challenges were in vain.
  void hold(Instant until) { held_until_ = until; }
  /// The way is no more (a relay closed it).
  void remove(Instant now, const Way& way);
  /// An authenticated packet came from `from`, which is not where the active path leads.
  void handle_received(Instant now, const Way& from);
  /// The handshake proved that what we send on `way` arrives at the peer.
  void handle_proven(Instant now, const Way& way);
  void handle_response(Instant now, const Token& token);
  /// Data went out at `sent`, the last authenticated packet of the peer came at `received`: whether
  /// the active path needs watching. The owner calls it when traffic (re)starts and on timeouts.
  void handle_traffic(Instant now, Instant sent, Instant received);
  /// The owner's keepalives stayed unanswered: probe the active path now.
  void suspect_active(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

  bool contains(const Way& way) const;
  std::optional<Way> active() const { return active_; }
  /// Smoothed round trip of the active path; nullopt before the first challenge was answered.
  std::optional<Duration> rtt() const;
  void set_rtt(Duration sample);
  /// Where to send an initiation: the active path, then proven, then hinted ones, better kinds
  /// first.
  std::vector<Way> destinations() const;
  /// Forgets which paths are proven (the session was reset), keeps the ways as hints.
  void reset();

 private:
  struct Challenge {
    Token token;
    Instant sent;
  };
  struct Path {
    Way way;
    bool proven = false;
    Instant last_received{};
    bool waits = false;  ///< for an answer, before it is asked again or given up
    Instant challenged_at{};
    std::vector<Challenge> unanswered;  ///< of the last kAnswerMax, at most kUnansweredMax
    int misses = 0;
    int tries = 0;  ///< rounds of challenges in vain since it was last proven
    std::optional<Duration> rtt;
  };
  /// More than are sent in kAnswerMax while no answer comes.
  static constexpr std::size_t kUnansweredMax = 12;
  static_assert(kUnansweredMax * kChallengeTimeout > kAnswerMax);

  Path* find(const Way& way);
  Path* find_active() { return active_ ? find(*active_) : nullptr; }
  Path& find_or_add(const Way& way);
  Path* take_answered(Instant now, const Token& token);
  static Instant answer_due(const Path& path);
  void challenge(Instant now, Path& path);
  void activate(Instant now, const Way& way);
  void lose(Instant now, Path& path);
  void seek_better(Instant now);
  Instant next_seek() const;
  bool hears_elsewhere(Instant now) const;

  Rng* rng_;
  Role role_;
  std::vector<Path> paths_;
  std::optional<Way> active_;
  Instant sent_ = Instant::min();
  Instant received_ = Instant::min();
  Instant elsewhere_at_ = Instant::min();  ///< last packet on a proven path that is not the active
  Instant held_until_ = Instant::min();
  Instant probe_at_ = Instant::max();
  Instant sought_at_ = Instant::min();  ///< last round of challenges to direct addresses
  Duration seek_pause_ = kUpgradePauseMin;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
