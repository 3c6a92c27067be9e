#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "nat/igd_question.h"
#include "nat/port_mapper.h"

namespace ipop::nat {

/// Keeps one UDP port of ours forwarded by those default gateways that give nothing by PCP and
/// NAT-PMP, by UPnP-IGD (WANIPConnection:1 and :2, IPv4). Each gateway for itself:
///
///   unwanted --want()--> asking for its address --usable--> mapping --done--> checking
///   mapping --only for ever (725)--> mapping, for ever
///           --conflict--> checking who has the port --another--> mapping another port, kPortsMax;
///           both of which depend on our address and port alone, so that the next process takes
///           over what this one left
///   checking --it is forwarded to us, or it cannot be asked--> resting --half of the lease,
///            suspicion--> asking for its address again
///            --forwarded to another--> mapping another port
///            --to us, but soon no more--> deleting, mapping again, once in an attempt
///   any --refused, silence, unusable address--> resting, without a mapping when its lease ends
///
/// Nothing a gateway says is authenticated. What it names is a hint that only a proven path makes
/// true; an external address that is private, ours or no address at all is refused, one that a
/// provider shares among its customers (RFC 6598) is not: these may reach it. No I/O, no clock;
/// drain poll_output() after each call.
class IgdMapper {
 public:
  using Gateway = PortMapper::Gateway;
  static constexpr std::size_t kGatewaysMax = PortMapper::kGatewaysMax;
  static constexpr IgdLease kLease = std::chrono::hours(2);
  /// A shorter one would have us ask all the time.
  static constexpr IgdLease kLeaseMin{120};
  /// External ports tried in one attempt: ours, then others.
  static constexpr int kPortsMax = 4;
  /// The answer to a question comes within this time or not at all: a search and some requests for
  /// each of kGatewaysMax gateways, one after the other, have passed by then.
  static constexpr Duration kAnswerTimeout = std::chrono::seconds(60);
  /// Between two attempts, as PortMapper has them.
  static constexpr Duration kRenewGapMin = PortMapper::kRenewGapMin;
  static constexpr Duration kRetryMin = PortMapper::kRetryMin;
  static constexpr Duration kRetryMax = PortMapper::kRetryMax;
  static constexpr Duration kRetrySilent = PortMapper::kRetrySilent;
  static constexpr Duration kPromptedGap = PortMapper::kPromptedGap;

  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<IgdQuestion, WaitUntil>;

  explicit IgdMapper(Rng& rng) : rng_(&rng) {}

  /// As PortMapper::set_network(); IPv6 gateways are ignored, new ones are not asked before want().
  void set_network(std::uint16_t port, std::span<const Gateway> gateways);
  /// Nothing else makes this gateway forward our port. No effect where that is known.
  void want(Instant now, const IpAddress& gateway);
  /// Something else does, at `external`: what was mapped is deleted. At the same port it is only
  /// forgotten: routers keep one entry for both, and deleting it would end what forwards now.
  void unwant(const IpAddress& gateway, const Endpoint& external);
  /// Shutdown: asks to delete what is mapped, and forgets the gateways.
  void release();
  void handle_answer(Instant now, const IgdAnswer& answer);
  /// Paths were lost together: a gateway that forwarded may have restarted. Asked afresh, at most
  /// every kPromptedGap.
  void suspect(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

  /// The mappings that hold now.
  std::vector<Endpoint> mapped() const;
  struct GatewayState {
    IpAddress gateway;
    bool asking = false;  ///< an answer is waited for
    std::optional<Endpoint> external;
  };
  std::vector<GatewayState> gateways() const;
  std::uint64_t ignored() const { return ignored_; }

 private:
  enum class Step : std::uint8_t { Unwanted, Resting, Address, Mapping, Checking, Conflict };
  struct Mapping {
    Endpoint external;
    Instant expires;
  };
  /// What the gateway's table may have of ours, whatever has become of `mapping`: an entry without
  /// a lease stays for ever, and an answer that was lost may have been a good one.
  struct Row {
    std::uint16_t port = 0;
    Ipv4 client;
    bool confirmed = false;  ///< as IgdQuestion::Unmap has it
  };
  struct Leg {
    Gateway gateway;
    Step step = Step::Unwanted;
    std::uint64_t question = 0;     ///< whose answer is waited for
    Instant next = Instant::max();  ///< Resting: of the next attempt; else of giving up
    Instant attempted{};
    bool for_ever = false;      ///< it takes no other leases
    bool mapped_again = false;  ///< in this attempt, after a deletion
    int ports_tried = 0;
    int failures = 0;   ///< attempts in vain since the last mapping
    Endpoint wanted{};  ///< what is being mapped
    std::optional<Mapping> mapping;
    std::optional<Row> row;
  };

  Leg* find(const IpAddress& gateway);
  void ask(Leg& leg, decltype(IgdQuestion::what) what);
  void begin(Instant now, Leg& leg, Step step);
  void attempt(Instant now, Leg& leg);
  void ask_unmap(Leg& leg);
  void unmap(Leg& leg);
  void forget(Leg& leg);
  void rest(Instant now, Leg& leg, Duration time);
  void give_up(Instant now, Leg& leg);
  static Duration next_pause(Leg& leg);
  void consume(Instant now, Leg& leg, const IgdAnswer::Address& answer);
  void consume(Instant now, Leg& leg, const IgdAnswer::Done& answer);
  void consume(Instant now, Leg& leg, const IgdAnswer::Entry& answer);
  void consume(Instant now, Leg& leg, const IgdAnswer::Refused& answer);
  void consume(Instant now, Leg& leg, const IgdAnswer::Silent& answer);
  void consume_refusal(Instant now, Leg& leg, std::uint16_t code);
  void consume_mapped(Instant now, Leg& leg, IgdLease lease);
  void try_another_port(Instant now, Leg& leg);

  Rng* rng_;
  std::uint16_t port_ = 0;
  std::uint64_t next_question_ = 1;
  std::vector<Leg> legs_;
  std::uint64_t ignored_ = 0;
  std::vector<IgdQuestion> questions_;
};

}  // namespace ipop::nat
