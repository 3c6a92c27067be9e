// DNS queries. A query has many spellings, so that the oracle is another: the question goes back as
// it came, an answer is never taken for a query, and the name says the same when it is asked again.
#include "base/check.h"
#include "wire/dns.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

namespace {

/// A query for `name` alone, in the text that the parser gave it.
ByteVector ask_again(const wire::DnsQuery& query) {
  ByteVector out(12);
  out[5] = std::byte{1};
  std::string_view rest = query.name;
  while (!rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    out.push_back(static_cast<std::byte>(label.size()));
    append(out, as_bytes(label));
    rest.remove_prefix(std::min(rest.size(), label.size() + 1));
  }
  out.resize(out.size() + 5);
  return out;
}

void try_answer(const wire::DnsQuery& query, const wire::DnsAnswer& answer, Bytes input) {
  ByteVector out;
  wire::write_dns_answer(query, answer, wire::dns_udp_size(query), out);
  check(out.size() <= wire::dns_udp_size(query));
  check(equal_bytes(Bytes(out).first(2), input.first(2)));
  check(equal_bytes(Bytes(out).subspan(12, query.question.size()), query.question));
  check(!wire::parse_dns_query(out));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  const auto query = wire::parse_dns_query(input);
  if (!query) return 0;
  try_answer(*query, {.rcode = query->verdict}, input);
  (void)wire::address_of_reverse_name(query->name);
  if (query->verdict != wire::DnsRcode::NoError) return 0;
  check(equal_bytes(query->question, input.subspan(12, query->question.size())));
  wire::DnsAnswer many{.ttl_seconds = 1};
  many.data.assign(1 + size % 64, Ipv4{0x0a000001});
  try_answer(*query, many, input);
  if (!wire::is_dns_name(query->name)) return 0;
  const auto again = wire::parse_dns_query(ask_again(*query));
  check(again && again->verdict == wire::DnsRcode::NoError && again->name == query->name);
  try_answer(*query, {.data = {wire::DnsPointer{query->name}}}, input);
  return 0;
}
