#pragma once

#include <array>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "nat/classifier.h"
#include "nat/igd_mapper.h"
#include "nat/port_mapper.h"
#include "nat/stun_client.h"
#include "wire/ids.h"

namespace ipop::nat {

/// A member as a witness.
Witness witness_of(const wire::NodeId& node);

/// Where our one UDP port is seen from outside, put together from everybody who tells: members
/// (OBSERVED), gateways that forward a port for us, and the operator's STUN servers, which are
/// asked only while no member tells. What they say are hints, which a proven path alone makes true.
/// No I/O, no clock; drain poll_output() after each call that takes `now`.
class OuterAddresses {
 public:
  struct Options {
    std::uint16_t port = 0;                ///< ours; not 0
    std::vector<Endpoint> stun_servers{};  ///< may be empty
    bool port_mapping = true;              ///< ask the gateways
    bool igd = true;                       ///< also by UPnP-IGD, where they give nothing else
  };
  /// Witnesses whose word is kept, one endpoint for each of them and family; and how many different
  /// endpoints of a family are told to others.
  static constexpr std::size_t kSeenMax = 16;
  static constexpr std::size_t kToldMax = 3;
  /// A NAT still lets in who called us before we started: only later arrivals come unasked.
  static constexpr Duration kSettled = std::chrono::minutes(3);
  /// Between two rounds of questions to STUN servers, and what a member's word is worth.
  static constexpr Duration kStunPause = std::chrono::minutes(5);
  /// Between two rounds that lost paths cause.
  static constexpr Duration kStunGapMin = std::chrono::seconds(10);

  /// From the socket whose outer address it is.
  struct SendTo {
    Endpoint to;
    ByteVector datagram;
  };
  /// candidates() are others now.
  struct Changed {};
  struct WaitUntil {
    Instant at;
  };
  /// A question is carried out elsewhere, and handle_igd_answer() is due.
  using Output = std::variant<SendTo, IgdQuestion, Changed, WaitUntil>;

  /// Requires: what PortMapper does of `key`; `rng` outlives it.
  OuterAddresses(Options options, PortMapper::Key key, Rng& rng);

  /// The machine's own addresses and default gateways as they are now. Where the way out went away
  /// (a gateway, or the address that we were seen with), what was seen before was perhaps another
  /// NAT's and is forgotten, of that family.
  void handle_network(Instant now, std::vector<IpAddress> local,
                      std::span<const PortMapper::Gateway> gateways);
  /// A member that we send to at `observer`, directly, says where our datagrams come from.
  void handle_observation(Instant now, Witness witness, const Endpoint& observer,
                          const Endpoint& seen);
  /// An authenticated member called us from where we had sent nothing.
  void handle_unasked(Instant now, Witness witness, const Endpoint& from);
  /// True for what demultiplexing hands to handle_datagram() (PROTOCOL 21).
  bool owns(const Endpoint& from, Bytes datagram) const;
  void handle_datagram(Instant now, const Endpoint& from, Bytes datagram);
  void handle_igd_answer(Instant now, const IgdAnswer& answer);
  /// Paths were lost: the gateway may have restarted, our address may be another one.
  void suspect(Instant now);
  void handle_timeout(Instant now);
  /// Shutdown: asks the gateways, once, to forget us.
  void release(Instant now);
  Output poll_output();

  /// What others may try, best first: forwarded ports, then what is seen of us. Not the machine's
  /// own addresses.
  const std::vector<Endpoint>& candidates() const { return candidates_; }

  struct StunAnswer {
    Endpoint server;
    std::optional<Endpoint> seen;  ///< nullopt: no answer yet, or none of use
  };
  enum class Protocol : std::uint8_t { Pcp, NatPmp, Igd };
  struct GatewayState {
    IpAddress gateway;
    bool asking = false;                ///< an answer is waited for
    Protocol protocol = Protocol::Pcp;  ///< by which `external` was mapped
    std::optional<Endpoint> external;
  };
  struct Report {
    Classifier::Conclusion v4;
    Classifier::Conclusion v6;
    std::vector<Endpoint> seen;  ///< what was new last comes first
    bool port_mapping = true;    ///< gateways are asked
    std::vector<GatewayState> gateways;
    std::vector<StunAnswer> stun;
  };
  Report report(Instant now) const;

 private:
  struct Seen {
    Witness witness;
    Endpoint endpoint;
    Instant last;
  };
  struct Asked {
    StunAnswer answer;
    Instant at;  ///< when its flow began
  };

  Classifier& classifier_of(const IpAddress& address) { return address.is_v6() ? v6_ : v4_; }
  bool is_lost(bool v6, const std::vector<IpAddress>& local,
               const std::vector<PortMapper::Gateway>& gateways) const;
  void forget(Instant now, bool v6);
  bool learn(Instant now, const Classifier::Observation& observation);
  void note_seen(Instant now, Witness witness, const Endpoint& seen);
  std::vector<Endpoint> seen(Instant now, bool v6) const;
  void ask_stun(Instant now);
  void pump(Instant now);
  bool pump_mapper(Instant now);
  void pump_igd();
  bool is_mapped(const IpAddress& gateway) const;
  bool pump_stun(Instant now);
  std::vector<Endpoint> compose(Instant now) const;
  std::vector<GatewayState> gateway_states() const;

  Options options_;
  Classifier v4_{Classifier::Family::V4};
  Classifier v6_{Classifier::Family::V6};
  PortMapper mapper_;
  IgdMapper igd_;
  StunClient stun_;
  std::vector<IpAddress> local_;
  std::vector<PortMapper::Gateway> gateways_;
  std::vector<Seen> seen_;
  std::vector<Asked> asked_;  ///< of the last round
  Instant stun_at_ = Instant::max();
  Instant asked_at_ = Instant::min();
  Instant told_at_ = Instant::min();                              ///< by a member
  std::array<Instant, 2> since_{Instant::max(), Instant::max()};  ///< this way out is ours; v4, v6
  Instant mapper_deadline_ = Instant::max();
  Instant igd_deadline_ = Instant::max();
  Instant stun_deadline_ = Instant::max();
  std::vector<Endpoint> candidates_;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
