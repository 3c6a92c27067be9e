#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace ipop::nat {

/// How large an IP packet gets through to one peer, end to end, on the path that carries data:
/// RFC 8899 (Datagram Packetization Layer Path MTU Discovery). All sizes are those of inner
/// packets; a probe is a frame of that size, so its datagram is as long as the packet's would be,
/// whatever the path puts around it. No ICMP message is needed or believed.
///
///   untried --an IP packet goes--> searching --> settled --25 s, and packets went--> searching
///
/// A round is a witness and right behind it the probe: a bare one, or where there is time, one of a
/// size that goes. Only where the witness is answered and the other is not does a size count as
/// missed; kMissesMax times, and it is too large. So neither random loss, nor a path that is dead,
/// nor a peer that knows no probes (an older version) makes anything smaller; nor does a limit on
/// the rate (a relay's) that drops large packets sooner than small ones keep it small. Sizes in a
/// search: the largest first, which usually ends it; then kBase, kFloor, and halves of what lies
/// between an answered and a refused one.
///
/// Until the first search ends, the largest size counts as good. RFC 8899 begins with the base: but
/// what goes through here are other people's connections, which keep for life, or for the ten
/// minutes that systems remember a packet-too-big, what they are told in their first round trip.
/// A black hole costs them the three rounds instead.
///
/// No probe is sent, and no timer runs, while no IP packet goes out. No I/O, no clock; drain
/// poll_output() after each handle_*().
class PathMtu {
 public:
  using Token = std::array<std::byte, 8>;
  /// The least MTU of IPv6 (RFC 8200 section 5), for the inside: what is assumed where the largest
  /// size fails, before more is known.
  static constexpr std::uint16_t kBase = 1280;
  /// The same for the outside: what an IPv6 path through a relay leaves of 1280 bytes (docs/
  /// protocol.md, "path MTU"). Nothing smaller is assumed but for the kernel's word.
  static constexpr std::uint16_t kFloor = 1163;
  static constexpr std::uint16_t kBareProbe = 9;
  static constexpr int kMissesMax = 3;  ///< MAX_PROBES
  /// A search ends when the largest answered size is at most so much below a refused one.
  static constexpr std::uint16_t kStep = 8;
  /// A round in which nothing is answered; doubles with the second and the third.
  static constexpr Duration kRoundTimeout = std::chrono::milliseconds(500);
  /// How long after the witness's answer the other one's may come, at least; else as long as the
  /// witness's took.
  static constexpr Duration kGrace = std::chrono::milliseconds(50);
  /// Between two tests of the size in use, while packets go (CONFIRMATION_TIMER).
  static constexpr Duration kConfirm = std::chrono::seconds(25);
  /// The same where something seems wrong; twice as long each time that nothing is, up to kConfirm:
  /// who only receives is silent too.
  static constexpr Duration kSuspectPause = std::chrono::seconds(1);
  /// Between two tests of larger sizes: soon at first, since a size may have been given up by bad
  /// luck; twice as long each time up to PMTU_RAISE_TIMER.
  static constexpr Duration kRaiseMin = std::chrono::seconds(30);
  static constexpr Duration kRaiseMax = std::chrono::seconds(600);

  struct SendProbe {
    Token token;
    std::uint16_t size;
  };
  /// mtu() is another one.
  struct Changed {};
  /// What the kernel knows may be out of date: ask it, and say it by set_bound().
  struct BoundDue {};
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendProbe, Changed, BoundDue, WaitUntil>;

  /// `limit`: more than this is of no use (the interface's MTU).
  PathMtu(Rng& rng, std::uint16_t limit) : rng_(&rng), limit_(limit), upper_(limit), mtu_(limit) {}

  /// Data takes another path from now on, of which nothing is known. Where IP packets are going,
  /// the last one at `sent`, the search begins with the next handle_timeout(), which is due.
  void reset(Instant now, Instant sent);
  /// What leaves this machine at most (the kernel's path MTU, less what we add); 0: not known. A
  /// probe that is larger counts as refused at once. True when mtu() changed or handle_timeout() is
  /// due.
  bool set_bound(std::uint16_t bound);
  /// An IP packet went out at `sent`. Called for the first one, for the first after a pause, and on
  /// timeouts for the last one.
  void handle_sent(Instant now, Instant sent);
  /// Packets go out, the last one at `sent`, and nothing comes back: as where only small ones
  /// arrive.
  void suspect(Instant now, Instant sent);
  void handle_answer(Instant now, const Token& token);
  void handle_timeout(Instant now);
  Output poll_output();

  /// The largest packet to be sent, never 0 with a limit that is not.
  std::uint16_t mtu() const { return mtu_; }

 private:
  enum class State : std::uint8_t { Untried, Searching, Settled };
  struct Probe {
    Token token;
    std::uint16_t size;
    int round;
  };

  std::uint16_t base() const { return std::min(kBase, upper_); }
  std::uint16_t floor() const { return std::min(kFloor, upper_); }
  void use(std::uint16_t mtu);
  void begin(Instant now);
  void search(Instant now, std::uint16_t answered, std::uint16_t refused);
  std::optional<std::uint16_t> next_target() const;
  void advance(Instant now);
  void send_round(Instant now);
  void send_probe(std::uint16_t size);
  void end_round(Instant now);
  void refuse(Instant now);
  void settle(Instant now);

  Rng* rng_;
  std::uint16_t limit_;
  std::uint16_t upper_;  ///< limit or bound
  std::uint16_t mtu_;
  State state_ = State::Untried;
  bool is_answered_ = false;  ///< the peer answers probes on this path

  // The present search.
  std::uint16_t answered_ = 0;  ///< the largest; 0: none
  std::uint16_t refused_ = 0;   ///< the smallest
  std::uint16_t target_ = 0;
  int misses_ = 0;           ///< of the target
  int silent_ = 0;           ///< rounds without any answer
  int round_ = 0;            ///< numbers them, never reused
  bool is_audible_ = false;  ///< this round's witness was answered
  bool is_barred_ = false;   ///< the kernel does not let this round's target out
  Instant round_began_{};
  std::vector<Probe> probes_;  ///< whose answers still count

  Instant deadline_ = Instant::max();  ///< of the round, or the next look at a settled one
  Instant sent_ = Instant::min();      ///< last IP packet that is known of
  Instant began_at_ = Instant::min();
  Instant suspected_at_ = Instant::min();
  Duration suspect_pause_ = kSuspectPause;
  Instant settled_at_ = Instant::min();
  Instant confirm_at_ = Instant::min();
  Instant raise_at_ = Instant::min();
  Duration raise_pause_ = kRaiseMin;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
