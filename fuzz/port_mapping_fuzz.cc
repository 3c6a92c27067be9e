// What a gateway sends on port 5351. Reserved fields and options have many spellings, so that the
// oracle is: what was read says the same when a gateway writes it again.
#include "base/check.h"
#include "wire/port_mapping_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ipop;  // NOLINT(google-build-using-namespace)
  const Bytes input = std::as_bytes(std::span(data, size));
  const auto response = wire::parse_port_mapping_response(input);
  if (!response) return 0;
  check(size <= wire::kPcpSizeMax);
  const auto again =
      wire::parse_port_mapping_response(wire::write_port_mapping_response(*response));
  check(again && *again == *response);
  if (const auto* error = std::get_if<wire::PcpError>(&*response)) check(error->result != 0);
  if (const auto* error = std::get_if<wire::NatPmpError>(&*response)) check(error->result != 0);
  return 0;
}
