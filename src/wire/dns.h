#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/error.h"

/// The part of DNS that a small authoritative resolver needs: queries of one question (RFC 1035,
/// RFC 2181) with or without EDNS (RFC 6891), and answers to them. The names of a query are
/// lower-cased; its question goes back byte by byte, since resolvers compare the letters' case.
namespace ipop::wire {

/// What a UDP answer may have without EDNS, and what we send and announce with it: the largest that
/// is never fragmented (DNS flag day 2020).
inline constexpr std::size_t kDnsUdpSizeMin = 512;
inline constexpr std::size_t kDnsUdpSizeMax = 1232;
/// Over TCP a length prefix of two bytes is the only bound; queries are short all the same.
inline constexpr std::size_t kDnsTcpSizeMax = 65535;
inline constexpr std::size_t kDnsQuerySizeMax = 4096;

inline constexpr std::uint16_t kDnsTypeA = 1;
inline constexpr std::uint16_t kDnsTypeSoa = 6;
inline constexpr std::uint16_t kDnsTypePtr = 12;
inline constexpr std::uint16_t kDnsTypeAaaa = 28;
inline constexpr std::uint16_t kDnsTypeOpt = 41;
inline constexpr std::uint16_t kDnsTypeAny = 255;
inline constexpr std::uint16_t kDnsClassIn = 1;
inline constexpr std::uint16_t kDnsClassAny = 255;

enum class DnsRcode : std::uint8_t {
  NoError = 0,
  FormErr = 1,
  ServFail = 2,
  NxDomain = 3,
  NotImp = 4,
  Refused = 5,
  BadVers = 16,  ///< EDNS version above 0; needs the OPT record's upper bits
};

struct DnsQuery {
  std::uint16_t id = 0;
  std::uint8_t opcode = 0;
  bool recursion_desired = false;
  bool checking_disabled = false;
  /// Not NoError: the question cannot be looked up, the answer is this code and nothing else.
  DnsRcode verdict = DnsRcode::NoError;
  /// Lower case, labels joined by dots, none at the end; the root is empty. A byte that host names
  /// do not have is escaped as \DDD (RFC 1035 5.1), so that different names have different texts.
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t dns_class = 0;
  ByteVector question;  ///< as it came; empty after FormErr or NotImp
  bool has_edns = false;
  bool dnssec_ok = false;
  std::uint16_t edns_udp_size = 0;
};

/// Reads a query. An Error means that no answer may be sent: Truncated (no header) or BadValue (a
/// response, which must never be answered: two servers would answer each other for ever).
Result<DnsQuery> parse_dns_query(Bytes message);

/// How large the answer to `query` may be over UDP.
std::size_t dns_udp_size(const DnsQuery& query);

struct DnsPointer {
  std::string name;
};
/// The data of one answer; its owner is the question's name.
using DnsData = std::variant<Ipv4, Ipv6, DnsPointer>;

/// Start of authority: in a negative answer it says how long "no" may be kept (RFC 2308).
struct DnsSoa {
  std::string zone;
  std::string primary;
  std::string mailbox;
  std::uint32_t serial = 1;
  std::uint32_t negative_ttl_seconds = 0;
};

struct DnsAnswer {
  DnsRcode rcode = DnsRcode::NoError;
  bool authoritative = false;
  bool recursion_available = false;
  std::uint32_t ttl_seconds = 0;
  std::vector<DnsData> data;
  /// The answer itself when the question is for it, otherwise the reason of a negative one.
  std::optional<DnsSoa> soa;
};

/// Appends the response. Above `size_max` it has no records and the truncation bit, and the
/// resolver asks again over TCP. Requires: size_max >= 512; is_dns_name() of every name.
void write_dns_answer(const DnsQuery& query, const DnsAnswer& answer, std::size_t size_max,
                      ByteVector& out);

/// Labels of 1..63 bytes of a-z 0-9 - _, 255 bytes in all as the wire counts, no dot at the end.
bool is_dns_name(std::string_view name);

/// The address that "1.0.83.10.in-addr.arpa" or a whole ip6.arpa name asks about (RFC 1035 3.5,
/// RFC 3596 2.5), in lower case; nullopt for another name.
std::optional<IpAddress> address_of_reverse_name(std::string_view name);

}  // namespace ipop::wire
