// Statements: one encoding for one value, and what was accepted keeps the rules of its fields.
#include "base/check.h"
#include "wire/statement.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  const auto statement = wire::parse_statement(input);
  if (!statement) return 0;
  check(input.size() <= wire::kStatementSizeMax);
  ByteVector out;
  wire::write_statement(*statement, out);
  check(equal_bytes(out, input));
  ByteVector body;
  wire::write_statement_body(*statement, body);
  check(equal_bytes(body, input.first(input.size() - Signature::kSize)));
  check(static_cast<std::byte>(wire::type_of(*statement)) == input[0]);
  check(!wire::domain_of(wire::type_of(*statement)).empty());
  if (const auto* grant = std::get_if<wire::Grant>(&statement->body)) {
    check(wire::is_consistent(*grant));
  }
  if (const auto* admit = std::get_if<wire::Admit>(&statement->body)) {
    check(wire::is_valid_name(admit->name));
  }
  return 0;
}
