#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "base/token_bucket.h"
#include "engine/link.h"
#include "engine/statement_outbox.h"
#include "nat/port_search.h"
#include "nat/spread.h"
#include "nat/trial.h"
#include "wire/frames.h"

namespace ipop::engine {

/// PROOFs on one keypair (PROTOCOL 10): each side repeats its own until the other's says that it
/// was accepted.
struct PairProof {
  /// As often as it is repeated while it is not accepted (Network::kProofTime), and once more.
  static constexpr int kAnswersMax = 6;

  Instant since;
  Instant resend_at;
  int sends = 0;
  bool theirs_accepted = false;
  bool ours_accepted = false;
  bool ours_anew = false;                ///< we had no session with it when this pair was made
  bool theirs_anew = false;              ///< it had none with us, though we may have one with it
  Instant answered_at = Instant::min();  ///< repetitions are answered five times a second at most
  int answers_left = kAnswersMax;        ///< 0 too once the peer is known to need none
};

/// One remote tunnel key as a network sees it: the link, who it turned out to be, what waits for
/// it.
struct Peer {
  static constexpr std::size_t kQueuedPacketsMax = 64;
  static constexpr Duration kQueuedFor = std::chrono::seconds(2);

  /// A port of its NAT that is to be looked for at search_at.
  struct Sought {
    wire::Ports ports;
    bool asked = false;                  ///< it was sent SPREAD
    std::optional<std::size_t> sockets;  ///< its answer
    Instant until = Instant::max();      ///< when its NAT may have forgotten these
  };

  PeerHandle handle;
  std::unique_ptr<Link> link;
  Instant link_at = Instant::min();  ///< when the link wants its time; min(): it was not asked yet
  std::unique_ptr<dataplane::PeerWords> words = std::make_unique<dataplane::PeerWords>();
  std::optional<wire::NodeId> node;  ///< the member that the key belongs to, once known
  wire::StatementId grant;           ///< by which it was last accepted
  bool proven = false;               ///< a PROOF was accepted at least once
  bool knows_our_chain = false;      ///< short PROOFs will do
  bool was_online = false;
  Instant online_since{};
  bool was_direct = false;
  std::optional<Endpoint> told_observed;  ///< how we see it, as it was last told
  Instant told_observed_at{};
  Instant routed_until =
      Instant::max();           ///< the overlay carries packets until then; max: it need not
  std::size_t routed_left = 0;  ///< and so many
  bool called = false;          ///< a call to it goes on
  bool in_ring = false;         ///< the ring wants a session with it
  Instant wanted_until = Instant::max();  ///< somebody here wants to talk to it; max: nobody
  Instant relay_at = Instant::max();      ///< when to look for a relay, or to look again
  bool relay_wanted = false;              ///< one is sought, or in use
  Instant ports_at = Instant::max();      ///< when to tell it what our NAT does with ports
  Duration ports_pause{};
  std::optional<nat::PortSearch> search;  ///< for its port, once it has told
  std::optional<Sought> sought;
  Instant search_at = Instant::max();
  std::optional<nat::Spread> spread;         ///< our sockets' calls, for its search
  std::optional<wire::Spread> spread_asked;  ///< to be called at spread_at, when others were
  Instant spread_at = Instant::max();
  std::optional<SocketId> spare;      ///< by which it is, or lately was, reached
  Instant spare_at = Instant::max();  ///< when to close it; max: it is in use
  std::optional<nat::Trial> trial;    ///< of all ways to it (network_doctor.cc)
  Instant trial_at = Instant::max();
  std::optional<std::uint32_t> trial_request;  ///< the peer's, of which it is
  TokenBucket trial_budget;                    ///< for the peer's asking for one
  TokenBucket diagnosis_budget;                ///< for answers
  bool doomed = false;                 ///< to be removed when the present event is dealt with
  std::vector<Endpoint> candidates;    ///< the peer's own, as it named them
  std::vector<Endpoint> streams;       ///< the same, where it takes TLS connections
  Instant stream_at = Instant::max();  ///< when to look whether UDP reaches it
  TokenBucket urgent_budget;           ///< for what is evaluated at once
  TokenBucket peers_budget;            ///< for its naming them
  TokenBucket streams_budget;          ///< the same, those of TLS
  Instant since{};                     ///< when this object was made
  std::map<SessionIndex, PairProof> proofs;
  wire::PartAssembler parts;
  /// The largest inner packet that the kernel lets out to a direct peer; 0: not known. What gets
  /// there is the link's mtu().
  std::uint16_t path_mtu = 0;
  Instant recon_at = Instant::min();    ///< last reconciliation begun by us
  Instant recheck_at = Instant::max();  ///< while digests differ: when to compare them again
  int rechecks = 0;
  StatementOutbox outbox;

  struct Queued {
    Instant at;
    ByteVector packet;
  };
  std::deque<Queued> queue;  ///< IP packets that wait for the session

  std::uint16_t ping_sequence = 0;  ///< of our last PING, and what else is to be known of it
  Instant ping_sent_at = Instant::min();
  wire::Digest ping_digest;
};

}  // namespace ipop::engine
