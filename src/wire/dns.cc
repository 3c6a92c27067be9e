#include "wire/dns.h"

#include <algorithm>

#include "base/check.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kLabelMax = 63;
/// RFC 1035 2.3.4: length bytes and the root's zero are counted.
constexpr std::size_t kNameMaxOnWire = 255;

constexpr std::uint16_t kFlagResponse = 0x8000;
constexpr std::uint16_t kFlagAuthoritative = 0x0400;
constexpr std::uint16_t kFlagTruncated = 0x0200;
constexpr std::uint16_t kFlagRecursionDesired = 0x0100;
constexpr std::uint16_t kFlagRecursionAvailable = 0x0080;
constexpr std::uint16_t kFlagCheckingDisabled = 0x0010;
constexpr std::uint16_t kEdnsDnssecOk = 0x8000;
/// A pointer (RFC 1035 4.1.4) to the name of the question, which follows the header.
constexpr std::uint16_t kPointerToQuestion = 0xc000 | kHeaderSize;

constexpr std::uint32_t kSoaRefreshSeconds = 3600;
constexpr std::uint32_t kSoaRetrySeconds = 600;
constexpr std::uint32_t kSoaExpireSeconds = 86400;

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

void append_label(Bytes label, std::string& out) {
  for (const std::byte b : label) {
    const auto value = std::to_integer<unsigned>(b);
    const char c = value >= 'A' && value <= 'Z' ? static_cast<char>(value - 'A' + 'a')
                                                : static_cast<char>(value);
    if (is_host_character(c)) {
      out += c;
      continue;
    }
    out += '\\';
    out += static_cast<char>('0' + value / 100);
    out += static_cast<char>('0' + value / 10 % 10);
    out += static_cast<char>('0' + value % 10);
  }
}

/// A name without compression: in a question there is nothing that a pointer could point to.
std::string read_name(Reader& reader) {
  std::string out;
  std::size_t size = 0;
  for (;;) {
    const std::size_t length = reader.le<std::uint8_t>();
    size += length + 1;
    if (length > kLabelMax || size > kNameMaxOnWire) reader.fail();
    if (!reader.ok() || length == 0) break;
    if (!out.empty()) out += '.';
    append_label(reader.take(length), out);
  }
  return out;
}

/// The additional section: empty, or one OPT record (RFC 6891 6.1.1 forbids a second).
DnsRcode read_edns(std::uint16_t count, Reader& reader, DnsQuery& out) {
  if (count > 1) return DnsRcode::FormErr;
  if (count == 0) return reader.done() ? DnsRcode::NoError : DnsRcode::FormErr;
  const auto root = reader.le<std::uint8_t>();
  const auto type = reader.be<std::uint16_t>();
  const auto udp_size = reader.be<std::uint16_t>();
  reader.take(1);  // upper bits of an rcode, which a query has not
  const auto version = reader.le<std::uint8_t>();
  const auto flags = reader.be<std::uint16_t>();
  Reader options(reader.take(reader.be<std::uint16_t>()));
  while (options.ok() && options.remaining() > 0) {
    options.take(2);
    options.take(options.be<std::uint16_t>());
  }
  if (!reader.done() || !options.ok() || root != 0 || type != kDnsTypeOpt) {
    return DnsRcode::FormErr;
  }
  out.has_edns = true;
  out.edns_udp_size = udp_size;
  out.dnssec_ok = (flags & kEdnsDnssecOk) != 0;
  return version == 0 ? DnsRcode::NoError : DnsRcode::BadVers;
}

void write_name(std::string_view name, Writer& writer) {
  check(is_dns_name(name));
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    writer.le(static_cast<std::uint8_t>(label.size()));
    writer.bytes(as_bytes(label));
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  writer.zeros(1);
}

/// Type, class, time to live and length of a record whose owner is written.
void write_record(std::uint16_t type, std::uint32_t ttl_seconds, Bytes data, Writer& writer) {
  writer.be(type);
  writer.be(kDnsClassIn);
  writer.be(ttl_seconds);
  writer.be(static_cast<std::uint16_t>(data.size()));
  writer.bytes(data);
}

struct DataWriter {
  std::uint32_t ttl_seconds;
  Writer writer;

  void operator()(Ipv4 a) { write_record(kDnsTypeA, ttl_seconds, a.to_bytes(), writer); }
  void operator()(const Ipv6& a) { write_record(kDnsTypeAaaa, ttl_seconds, a.bytes, writer); }
  void operator()(const DnsPointer& p) {
    ByteVector name;
    Writer name_writer(name);
    write_name(p.name, name_writer);
    write_record(kDnsTypePtr, ttl_seconds, name, writer);
  }
};

void write_soa(const DnsSoa& soa, Writer& writer) {
  ByteVector data;
  Writer fields(data);
  write_name(soa.primary, fields);
  write_name(soa.mailbox, fields);
  fields.be(soa.serial);
  fields.be(kSoaRefreshSeconds);
  fields.be(kSoaRetrySeconds);
  fields.be(kSoaExpireSeconds);
  fields.be(soa.negative_ttl_seconds);
  write_name(soa.zone, writer);
  // RFC 2308 section 3: the record's own time to live is the lesser of its and MINIMUM.
  write_record(kDnsTypeSoa, soa.negative_ttl_seconds, data, writer);
}

void write_edns(DnsRcode rcode, bool dnssec_ok, Writer& writer) {
  writer.zeros(1);
  writer.be(kDnsTypeOpt);
  writer.be(static_cast<std::uint16_t>(kDnsUdpSizeMax));
  writer.le(static_cast<std::uint8_t>(static_cast<unsigned>(rcode) >> 4U));
  writer.zeros(1);
  writer.be(dnssec_ok ? kEdnsDnssecOk : std::uint16_t{0});
  writer.zeros(2);
}

std::uint16_t answer_flags(const DnsQuery& query, const DnsAnswer& answer, bool truncated) {
  const auto flag = [](bool set, std::uint16_t bit) { return set ? bit : std::uint16_t{0}; };
  return static_cast<std::uint16_t>(
      kFlagResponse | (query.opcode & 15U) << 11U | flag(answer.authoritative, kFlagAuthoritative) |
      flag(truncated, kFlagTruncated) | flag(query.recursion_desired, kFlagRecursionDesired) |
      flag(answer.recursion_available, kFlagRecursionAvailable) |
      flag(query.checking_disabled, kFlagCheckingDisabled) |
      (static_cast<unsigned>(answer.rcode) & 15U));
}

void write_message(const DnsQuery& query, const DnsAnswer& answer, bool truncated,
                   ByteVector& out) {
  const bool soa_is_answer = answer.data.empty() && query.type == kDnsTypeSoa &&
                             answer.rcode == DnsRcode::NoError && answer.soa &&
                             answer.soa->zone == query.name;
  const bool has_soa = answer.soa && !truncated;
  std::size_t answers = truncated ? 0 : answer.data.size();
  if (has_soa && soa_is_answer) ++answers;
  Writer writer(out);
  writer.be(query.id);
  writer.be(answer_flags(query, answer, truncated));
  writer.be(static_cast<std::uint16_t>(query.question.empty() ? 0 : 1));
  writer.be(static_cast<std::uint16_t>(answers));
  writer.be(static_cast<std::uint16_t>(has_soa && !soa_is_answer ? 1 : 0));
  writer.be(static_cast<std::uint16_t>(query.has_edns ? 1 : 0));
  writer.bytes(query.question);
  if (!truncated) {
    for (const DnsData& data : answer.data) {
      writer.be(kPointerToQuestion);
      std::visit(DataWriter{answer.ttl_seconds, writer}, data);
    }
  }
  if (has_soa) write_soa(*answer.soa, writer);
  if (query.has_edns) write_edns(answer.rcode, query.dnssec_ok, writer);
}

}  // namespace

Result<DnsQuery> parse_dns_query(Bytes message) {
  if (message.size() < kHeaderSize) return fail(Errc::Truncated, "DNS header");
  Reader reader(message);
  DnsQuery out;
  out.id = reader.be<std::uint16_t>();
  const auto flags = reader.be<std::uint16_t>();
  if ((flags & kFlagResponse) != 0) return fail(Errc::BadValue, "a DNS response");
  out.opcode = static_cast<std::uint8_t>(flags >> 11U & 15U);
  out.recursion_desired = (flags & kFlagRecursionDesired) != 0;
  out.checking_disabled = (flags & kFlagCheckingDisabled) != 0;
  const auto questions = reader.be<std::uint16_t>();
  const auto answers = reader.be<std::uint16_t>();
  const auto authorities = reader.be<std::uint16_t>();
  const auto additionals = reader.be<std::uint16_t>();
  if (out.opcode != 0) {
    out.verdict = DnsRcode::NotImp;
    return out;
  }
  out.verdict = DnsRcode::FormErr;
  if (message.size() > kDnsQuerySizeMax || (flags & kFlagTruncated) != 0) return out;
  if (questions != 1 || answers != 0 || authorities != 0) return out;
  std::string name = read_name(reader);
  const auto type = reader.be<std::uint16_t>();
  const auto dns_class = reader.be<std::uint16_t>();
  if (!reader.ok()) return out;
  const std::size_t question_size = message.size() - reader.remaining() - kHeaderSize;
  const DnsRcode edns = read_edns(additionals, reader, out);
  if (edns == DnsRcode::FormErr) return out;
  out.verdict = edns;
  out.name = std::move(name);
  out.type = type;
  out.dns_class = dns_class;
  out.question = to_vector(message.subspan(kHeaderSize, question_size));
  return out;
}

std::size_t dns_udp_size(const DnsQuery& query) {
  if (!query.has_edns) return kDnsUdpSizeMin;
  return std::clamp<std::size_t>(query.edns_udp_size, kDnsUdpSizeMin, kDnsUdpSizeMax);
}

void write_dns_answer(const DnsQuery& query, const DnsAnswer& answer, std::size_t size_max,
                      ByteVector& out) {
  check(size_max >= kDnsUdpSizeMin);
  // The extended bits of BADVERS have no place without an OPT record; neither has its cause.
  check(query.has_edns || static_cast<unsigned>(answer.rcode) < 16);
  ByteVector whole;
  write_message(query, answer, false, whole);
  if (whole.size() > std::min(size_max, kDnsTcpSizeMax)) {
    whole.clear();
    write_message(query, answer, true, whole);
  }
  append(out, whole);
}

bool is_dns_name(std::string_view name) {
  // One byte more than the text: the first length; and one for the root.
  if (name.size() + 2 > kNameMaxOnWire) return false;
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > kLabelMax) return false;
    if (!std::all_of(label.begin(), label.end(), is_host_character)) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
    if (name.empty()) return false;
  }
  return true;
}

std::optional<IpAddress> address_of_reverse_name(std::string_view name) {
  constexpr std::string_view kArpa4 = ".in-addr.arpa";
  constexpr std::string_view kArpa6 = ".ip6.arpa";
  if (name.ends_with(kArpa4)) {
    const auto reversed = Ipv4::parse(name.substr(0, name.size() - kArpa4.size()));
    if (!reversed) return std::nullopt;
    auto bytes = reversed->to_bytes();
    std::reverse(bytes.begin(), bytes.end());
    return Ipv4::from_bytes(bytes);
  }
  constexpr std::size_t kNibbles = 32;
  if (!name.ends_with(kArpa6) || name.size() != 2 * kNibbles - 1 + kArpa6.size()) {
    return std::nullopt;
  }
  std::string digits;
  for (std::size_t i = 0; i < kNibbles; ++i) {
    if (i > 0 && name[2 * i - 1] != '.') return std::nullopt;
    digits.insert(digits.begin(), name[2 * i]);
  }
  const auto bytes = from_hex(digits);
  if (!bytes) return std::nullopt;
  Ipv6 out;
  copy_bytes(out.bytes, *bytes);
  return out;
}

}  // namespace ipop::wire
