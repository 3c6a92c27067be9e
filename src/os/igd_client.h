#pragma once

#include <chrono>
#include <expected>
#include <map>

#include "base/time.h"
#include "os/igd_text.h"
#include "os/wakeup.h"

namespace ipop::os {

/// Asks default gateways to forward UDP ports by UPnP-IGD over IPv4. It waits for what it asked,
/// in a thread of its own: each call within kCallTimeout, or until `interrupt` is readable, which
/// ends it at once. It sends to the gateway and, to search, to UPnP's multicast group on the link
/// of `local`; what a gateway says cannot make it send elsewhere, and no more than kAnswerMax is
/// read of it. Where a gateway was asked last is kept, also when it falls silent or our address is
/// another one: what it did for us can be taken back.
class IgdClient {
 public:
  static constexpr Duration kCallTimeout = std::chrono::seconds(8);
  static constexpr Duration kSearchTimeout = std::chrono::milliseconds(2500);
  static constexpr Duration kRequestTimeout = std::chrono::seconds(3);  ///< all but map()
  /// Descriptions are 2 to 40 kB.
  static constexpr std::size_t kAnswerMax = std::size_t{128} * 1024;
  static constexpr std::size_t kPlacesMax = 8;  ///< of descriptions, that one search may name

  /// Outlives it.
  explicit IgdClient(const Wakeup& interrupt) : interrupt_(&interrupt) {}

  struct Router {
    Ipv4 gateway;
    Ipv4 local;  ///< ours on its link
  };
  /// UPnP's error code; 0: no answer, or none that makes sense, though it may be HTTP's.
  struct Refusal {
    std::uint16_t code = 0;
    bool answered = false;  ///< by HTTP
  };
  template <class T>
  using Answer = std::expected<T, Refusal>;
  using Lease = std::chrono::duration<std::uint32_t>;  ///< 0: for ever

  /// Of the connection that has one, if there are several. Searches where nothing is known yet, the
  /// last request was not answered, or the connection has no address any more.
  Answer<Ipv4> external_address(const Router& router);
  // The others ask the service that external_address() chose last; without one they fail.
  struct Mapping {
    std::uint16_t external_port;
    std::uint16_t internal_port;
    Lease lease;
  };
  Answer<void> map(const Router& router, const Mapping& mapping);
  struct Entry {
    Ipv4 client;
    std::uint16_t port;
    bool enabled;
    Lease lease;
  };
  /// An answer that is no such thing is kInvalidAction: the router does not let itself be asked.
  Answer<Entry> entry(const Router& router, std::uint16_t external_port);
  static constexpr std::uint16_t kInvalidAction = 401;
  static constexpr std::uint16_t kNoSuchEntry = 714;
  Answer<void> unmap(const Router& router, std::uint16_t external_port);

 private:
  struct Chosen {
    IgdService service;
    bool stale = false;  ///< it did not answer: perhaps the router restarted with another place
  };

  std::vector<IgdPlace> search(const Router& router, Instant end) const;
  std::vector<IgdService> find_services(const Router& router, Instant end) const;
  Answer<Ipv4> address_of(const Router& router, const IgdService& service, Instant end) const;
  HttpAnswer exchange(const Router& router, std::uint16_t port, const std::string& request,
                      Instant end) const;
  Answer<IgdValues> act(const Router& router, const IgdService& service, std::string_view action,
                        const IgdFields& fields, Instant end) const;
  Answer<IgdValues> act(const Router& router, std::string_view action, const IgdFields& fields,
                        Duration limit = kRequestTimeout);
  bool wait(int fd, short events, Instant end) const;
  bool is_interrupted() const;

  const Wakeup* interrupt_;
  std::map<Ipv4, Chosen> chosen_;  ///< by the gateway
};

}  // namespace ipop::os
