#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"

/// The texts of UPnP-IGD: written by us, and read as what a stranger wrote. Whatever a text says,
/// reading it takes time and memory by its length alone, and no place it names is accepted but one
/// at the gateway itself. The XML is read by libminiupnpc, which knows what routers write.
namespace ipop::os {

/// Something at the gateway: its address is known, and nothing that was read changes it.
struct IgdPlace {
  std::uint16_t port = 0;
  std::string path;  ///< printable, begins with '/', at most kPathMax
  friend bool operator==(const IgdPlace&, const IgdPlace&) = default;

  static constexpr std::size_t kPathMax = 256;
};
/// A WANIPConnection or WANPPPConnection.
struct IgdService {
  IgdPlace control;
  std::string type;  ///< "urn:schemas-upnp-org:service:WANIPConnection:1"
  friend bool operator==(const IgdService&, const IgdService&) = default;
};

/// M-SEARCH for one kind of device or service (UPnP Device Architecture 1.1, 1.3.2).
std::string igd_search_request(std::string_view host, std::string_view target);
/// Where the answer to it says that the description is; nullopt where that is not at `gateway`.
struct IgdSearchAnswer {
  IgdPlace place;
  bool names_gateway = false;  ///< ST: it is what was searched for, and no printer's or player's
};
std::optional<IgdSearchAnswer> parse_igd_search_answer(std::string_view datagram, Ipv4 gateway);
/// The services that a description names, at most two; `at`: where it was read.
std::vector<IgdService> parse_igd_description(std::string_view xml, const IgdPlace& at,
                                              Ipv4 gateway);

/// GET, and a SOAP action with its arguments. Requires: values that need no escapes in XML.
std::string igd_get_request(const IgdPlace& at, Ipv4 gateway);
using IgdFields = std::vector<std::pair<std::string_view, std::string>>;
std::string igd_action_request(const IgdService& service, Ipv4 gateway, std::string_view action,
                               const IgdFields& fields);

/// An HTTP answer as far as it has arrived.
struct HttpAnswer {
  int status = 0;
  std::string body;
};
/// nullopt while more is to come. `ended`: nothing will; what is incomplete then has status 0, as
/// has what is no HTTP answer.
std::optional<HttpAnswer> parse_http_answer(std::string_view received, bool ended);
/// Of what gave nullopt: with fewer bytes than this it will again, unless they are the last.
std::size_t http_answer_size_min(std::string_view received);

/// A SOAP answer's values, of which names and lengths are bounded.
class IgdValues {
 public:
  explicit IgdValues(std::string_view xml);
  /// Empty where there is none of that name.
  std::string_view text(std::string_view name) const;
  /// Decimal, up to `max`; nullopt for anything else.
  std::optional<std::uint32_t> number(std::string_view name, std::uint32_t max) const;
  std::optional<Ipv4> address(std::string_view name) const;

 private:
  static constexpr std::size_t kValuesMax = 32;
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace ipop::os
