#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "nat/port_pattern.h"

namespace ipop::nat {

/// RFC 4787 4.1: what the outer endpoint of one inner endpoint depends on. None: no NAT.
enum class MappingKind : std::uint8_t {
  Unknown,
  None,
  EndpointIndependent,
  AddressDependent,
  AddressAndPortDependent,
};
/// RFC 4787 5: from whom a packet passes inwards.
enum class FilteringKind : std::uint8_t {
  Unknown,
  EndpointIndependent,
  AddressDependent,
  AddressAndPortDependent,
};
/// RFC 4787 4.2.1.
enum class PortPreservation : std::uint8_t { Unknown, Preserved, Changed };

/// Whom we had sent to, from the same port and within the life of a mapping, before somebody sent.
enum class Contact : std::uint8_t {
  None,         ///< nobody at its address
  SameAddress,  ///< its address, at another port
};

/// What our NAT does, for one family of addresses, concluded from what others see of us. They are
/// members and servers: honest mostly, mistaken sometimes, lying now and then. So nothing is
/// concluded from one witness (one name, and one address or IPv6 /64, count once), and:
///
///  - Of the outer endpoints that one port of ours was seen as, the one with the most witnesses is
///    the base; the others contradict it, if they were seen at about the same time.
///  - Endpoint-independent: two witnesses agree and fewer contradict.
///  - Dependent: two or more contradict, and more than agree. A liar alone can therefore never make
///    a NAT look worse than it is, nor can two against two; what is in between is unknown.
///  - Address-dependent rather than the worst: more addresses saw several of their ports served
///    alike than not.
///  - A rebinding NAT is no dependent one: what two witnesses saw change is forgotten as it was
///    before, and endpoints seen at different times do not contradict each other.
///  - Filtering: an arrival is proof, up to a remnant in the NAT, so two witnesses make it; that
///    something did not arrive is a claim (or loss) and counts where more miss than arrive.
///
/// Hairpinning is not judged. A table, no machine: it has no timers and sends nothing.
class Classifier {
 public:
  /// Of each kind; who has most makes room.
  static constexpr std::size_t kObservationsMax = 64;
  /// Observations that nobody repeats are forgotten then.
  static constexpr Duration kExpiry = std::chrono::minutes(10);
  /// Two endpoints seen within this time of each other contradict each other.
  static constexpr Duration kTogether = std::chrono::seconds(30);

  enum class Family : std::uint8_t { V4, V6 };

  /// What `witness` saw of a datagram that went directly (never through a relay) from `local` to
  /// `observer`.
  struct Observation {
    Witness witness;
    Endpoint observer;
    /// Our inner endpoint; the address unspecified where it is not known, and then the absence of a
    /// NAT cannot be told.
    Endpoint local;
    Endpoint seen;
    Instant created;  ///< when the flow's first datagram left; orders the allocations
  };
  /// `witness` sent to our outer endpoint from `from`. `arrived`: it came, authenticated. Else the
  /// witness says it sent, and nothing came.
  struct Reach {
    Witness witness;
    Endpoint from;
    Contact contact{};
    bool arrived = false;
  };
  struct Conclusion {
    MappingKind mapping = MappingKind::Unknown;
    FilteringKind filtering = FilteringKind::Unknown;
    PortPreservation ports = PortPreservation::Unknown;
    /// Where strangers find us; only for None and EndpointIndependent.
    std::optional<Endpoint> external;
    /// Only for the dependent mappings.
    std::optional<PortStep> step;
    std::optional<PortSpan> span;
    friend bool operator==(const Conclusion&, const Conclusion&) = default;
  };

  explicit Classifier(Family family) : family_(family) {}

  /// Call it for every report, also when it says the same as before: what is repeated stays fresh.
  /// Reports of the other family, of impossible endpoints or from the past are ignored.
  void handle_observation(Instant now, const Observation& observation);
  void handle_reach(Instant now, const Reach& reach);
  /// Another link, another address, another gateway: what was known is about another NAT.
  void handle_network_changed();
  Conclusion classify(Instant now) const;

 private:
  struct Entry {
    Observation what;
    Instant first;  ///< report of the endpoint as it is seen now
    Instant last;
    std::optional<Endpoint> before;  ///< what the same observer saw earlier
  };
  struct Arrival {
    Reach what;
    Instant at;
  };
  using Entries = std::vector<const Entry*>;

  bool is_ours(const Endpoint& endpoint) const;
  /// What counts now: neither expired nor seen before a rebinding.
  Entries current(Instant now) const;
  static Entries of_busiest_port(const Entries& entries);
  static MappingKind dependence(const Entries& entries);
  FilteringKind filtering(Instant now) const;

  Family family_;
  std::vector<Entry> entries_;
  std::vector<Arrival> arrivals_;
};

}  // namespace ipop::nat
