#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/secret.h"
#include "wire/port_mapping.h"

namespace ipop::nat {

/// Keeps one UDP port of ours forwarded by the default gateways: PCP (RFC 6887), else NAT-PMP
/// (RFC 6886). Each gateway for itself:
///
///   asking PCP --mapped--> resting --half of the lifetime, suspicion, lost epoch--> asking again
///              --NAT-PMP's answer, unknown version, not authorised, silence--> asking NAT-PMP
///   asking NAT-PMP (address, then port) --mapped--> resting
///                                       --refused, silence--> resting without a mapping, then PCP
///   a mapping that nobody renewed in time is Lost.
///
/// Nothing a gateway says is authenticated: it is heard while a request is outstanding, from its
/// address and port, about our port and nonce, and what it names is a hint that only a proven path
/// makes true. An external address that no stranger could call (private, shared, ours, zero) is
/// refused: it is that of another NAT's inside. No I/O, no clock; drain poll_output() after each
/// call that takes `now`.
class PortMapper {
 public:
  /// A default gateway, and our address on its link.
  struct Gateway {
    IpAddress gateway;
    IpAddress local;
    friend bool operator==(const Gateway&, const Gateway&) = default;
  };
  static constexpr std::size_t kGatewaysMax = 4;
  static constexpr std::chrono::seconds kLifetime = std::chrono::hours(2);
  /// A shorter one would have us ask all the time; a longer one is taken for this (RFC 6887 15).
  static constexpr std::chrono::seconds kLifetimeMin{30};
  static constexpr std::chrono::seconds kLifetimeMax = std::chrono::hours(24);
  /// RFC 6886 3.1. RFC 6887 8.1.1 would wait 3 s: gateways are one link away and answer within a
  /// few milliseconds or never.
  static constexpr Duration kRetransmit = std::chrono::milliseconds(250);
  static constexpr int kSendsMax = 4;  ///< then silent for 2 s: over after 3.75 s
  /// Between two attempts to renew (RFC 6887 11.2.1), and after a refusal that names no time.
  static constexpr Duration kRenewGapMin = std::chrono::seconds(4);
  static constexpr Duration kRetryMin = std::chrono::seconds(30);
  static constexpr Duration kRetryMax = std::chrono::minutes(30);
  static constexpr Duration kRetrySilent = std::chrono::minutes(10);
  /// Between two attempts that somebody unauthenticated can cause.
  static constexpr Duration kPromptedGap = std::chrono::seconds(10);

  /// From the socket whose port is mapped.
  struct SendTo {
    Endpoint to;
    ByteVector datagram;
  };
  /// Who sends to `external` reaches our port, for `lifetime` from now. It replaces what was said
  /// of this gateway before; renewals say it again.
  struct Mapped {
    IpAddress gateway;
    Endpoint external;
    std::chrono::seconds lifetime;
  };
  /// This external endpoint is ours no more.
  struct Lost {
    IpAddress gateway;
    Endpoint external;
  };
  enum class Reason : std::uint8_t { Silent, Refused, Unusable };
  /// This gateway gives us nothing now; it is asked again later.
  struct Unavailable {
    IpAddress gateway;
    Reason reason{};
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendTo, Mapped, Lost, Unavailable, WaitUntil>;
  using Key = crypto::Secret<32>;

  /// The nonces that prove a mapping to be ours come from `key`: the owner keeps it over restarts,
  /// or a gateway refuses to renew what a killed process left behind (RFC 6887 11.3).
  PortMapper(Key key, Rng& rng) : key_(std::move(key)), rng_(&rng) {}

  /// The network as it is: our port (not 0) and at most kGatewaysMax default gateways (the rest is
  /// ignored). What was there before goes on; a gateway with another local address, or another
  /// port, starts afresh, and what is no longer there is Lost.
  void set_network(Instant now, std::uint16_t port, std::span<const Gateway> gateways);
  /// Shutdown: asks every gateway, once, to delete what it maps, and forgets them without a Lost.
  void release();
  /// True for what demultiplexing hands to handle_datagram(): from a gateway's port 5351 while it
  /// has been asked something.
  bool owns(const Endpoint& from) const;
  void handle_datagram(Instant now, const Endpoint& from, Bytes datagram);
  /// What came to the multicast port 5350 (RFC 6887 14.1, RFC 6886 3.2.1): a gateway that seems to
  /// have forgotten its mappings is asked afresh, at most every kPromptedGap.
  void handle_announcement(Instant now, const Endpoint& from, Bytes datagram);
  /// Paths were lost together: the gateway may have restarted. As above.
  void suspect(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

  /// The mappings that hold now.
  std::vector<Endpoint> mapped() const;
  enum class Protocol : std::uint8_t { Pcp, NatPmp };
  struct GatewayState {
    IpAddress gateway;
    bool asking = false;                ///< an answer is waited for
    Protocol protocol = Protocol::Pcp;  ///< by which `external` was mapped
    std::optional<Endpoint> external;
  };
  std::vector<GatewayState> gateways() const;
  std::uint64_t ignored() const { return ignored_; }

 private:
  enum class Step : std::uint8_t { Resting, Pcp, NatPmpAddress, NatPmpPort };
  struct Mapping {
    Endpoint external;
    Instant expires;
  };
  /// What a gateway's clock said, and when (RFC 6887 8.5).
  struct Epoch {
    std::uint32_t seconds = 0;
    Instant at;
  };
  struct Leg {
    Gateway gateway;
    wire::PcpNonce nonce;
    Step step = Step::Resting;
    bool nat_pmp = false;  ///< what it is known to speak
    int sends = 0;
    Duration wait{};
    Instant next;       ///< Resting: of the next attempt; else of the next send or of giving up
    Instant attempted;  ///< when the last attempt began
    Ipv4 external;      ///< as the first answer of NAT-PMP said
    std::optional<Mapping> mapping;
    std::optional<Epoch> epoch;
  };

  Leg* find(const Endpoint& from);
  void attempt(Instant now, Leg& leg);
  void begin(Instant now, Leg& leg, Step step);
  void send(Instant now, Leg& leg);
  void send_deletion(const Leg& leg);
  void prompt(Instant now, Leg& leg);
  void rest(Instant now, Leg& leg, Duration time, Reason reason);
  void give_up(Instant now, Leg& leg);
  void lose(Leg& leg);
  bool answers(const Leg& leg, const wire::PortMappingResponse& response) const;
  void consume(Instant now, Leg& leg, const wire::PortMappingResponse& response);
  void consume_error(Instant now, Leg& leg, const wire::PcpError& error);
  void consume_error(Instant now, Leg& leg, const wire::NatPmpError& error);
  void consume_mapped(Instant now, Leg& leg, const Endpoint& external, std::uint32_t lifetime);

  Key key_;
  Rng* rng_;
  std::uint16_t port_ = 0;
  std::vector<Leg> legs_;
  std::uint64_t ignored_ = 0;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
