// What an invite's text carries: one encoding for one value.
#include "base/check.h"
#include "wire/invite.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  const auto invite = wire::parse_invite(input);
  if (!invite) {
    check(!invite.error().what.empty());
    return 0;
  }
  check(equal_bytes(wire::write_invite(*invite), input));
  const auto* grant = std::get_if<wire::Grant>(&invite->grant.body);
  check(grant != nullptr && grant->kind == wire::GrantKind::Invite && wire::is_consistent(*grant));
  check(invite->hosts.size() <= wire::kInviteHostsMax);
  return 0;
}
