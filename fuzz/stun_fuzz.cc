// STUN responses. They have many spellings, so that the oracle is: what was read says the same when
// a server writes it again, and nothing was read that nobody could call.
#include "base/check.h"
#include "wire/candidate.h"
#include "wire/stun_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ipop;  // NOLINT(google-build-using-namespace)
  const Bytes input = std::as_bytes(std::span(data, size));
  const auto transaction = wire::stun_transaction(input);
  const auto response = wire::parse_stun_response(input);
  if (!response) return 0;
  check(transaction.has_value());
  if (const auto* success = std::get_if<wire::StunSuccess>(&*response)) {
    check(success->transaction == *transaction && wire::is_candidate(success->mapped));
    check(!success->origin || wire::is_candidate(*success->origin));
    check(!success->other || wire::is_candidate(*success->other));
    const auto again = wire::parse_stun_response(wire::stun_success(*success));
    check(again && *again == *response);
  } else {
    const auto& failure = std::get<wire::StunFailure>(*response);
    check(failure.transaction == *transaction && failure.code >= 300 && failure.code < 700);
    const auto again = wire::parse_stun_response(wire::stun_failure(failure));
    check(again && *again == *response);
  }
  return 0;
}
