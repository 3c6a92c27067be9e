#include "wire/invite.h"

#include <algorithm>

#include "base/check.h"
#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

/// The first layout, and the same with hosts that are called by TLS, where there are any.
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kVersionTls = 2;
constexpr std::uint8_t kHostFamilyIpv4 = 4;
constexpr std::uint8_t kHostFamilyIpv6 = 6;
/// The host has the tunnel key of the one before it.
constexpr std::uint8_t kHostSameKey = 0x80;
constexpr std::uint8_t kHostTls = 0x40;

/// Which fields of the compact GRANT are there; an absent one has its usual value.
constexpr std::uint8_t kHasIssuer = 1;      // else the network id: the root issued it
constexpr std::uint8_t kHasRights = 2;      // else kRightJoin
constexpr std::uint8_t kHasUses = 4;        // else 1
constexpr std::uint8_t kHasAddress = 8;     // else 0
constexpr std::uint8_t kHasGroups = 16;     // else 0
constexpr std::uint8_t kHasNotBefore = 32;  // else 0
constexpr std::uint8_t kHasNotAfter = 64;   // else never
constexpr std::uint8_t kHasName = 128;      // else empty

constexpr std::string_view kDamaged = "the invite is damaged: its content does not fit together";
constexpr std::string_view kIncomplete = "the invite is damaged: its end is missing";

StatementId root_issuer(const NetworkId& network) { return StatementId{network.bytes}; }

std::uint8_t grant_flags(const Grant& grant, const NetworkId& network) {
  const auto flag = [](bool set, std::uint8_t bit) { return set ? bit : std::uint8_t{0}; };
  return static_cast<std::uint8_t>(
      flag(grant.issuer != root_issuer(network), kHasIssuer) |
      flag(grant.rights != kRightJoin, kHasRights) | flag(grant.uses != 1, kHasUses) |
      flag(grant.v4.value != 0, kHasAddress) | flag(grant.groups != 0, kHasGroups) |
      flag(grant.not_before.seconds != 0, kHasNotBefore) |
      flag(grant.not_after != UnixTime::never(), kHasNotAfter) |
      flag(!grant.name.empty(), kHasName));
}

void write_grant(const Grant& grant, const NetworkId& network, Writer& writer) {
  check(grant.name.size() <= kNameMax);
  const std::uint8_t flags = grant_flags(grant, network);
  writer.le(flags);
  writer.le(grant.rank);
  writer.le(grant.redeem_until.seconds);
  if ((flags & kHasIssuer) != 0) writer.bytes(grant.issuer.view());
  if ((flags & kHasRights) != 0) writer.le(grant.rights);
  if ((flags & kHasUses) != 0) writer.le(grant.uses);
  if ((flags & kHasAddress) != 0) writer.le(grant.v4.value);
  if ((flags & kHasGroups) != 0) writer.le(grant.groups);
  if ((flags & kHasNotBefore) != 0) writer.le(grant.not_before.seconds);
  if ((flags & kHasNotAfter) != 0) writer.le(grant.not_after.seconds);
  if ((flags & kHasName) != 0) {
    writer.le(static_cast<std::uint8_t>(grant.name.size()));
    writer.bytes(as_bytes(grant.name));
  }
}

Result<Grant> read_grant(const NetworkId& network, Epoch epoch, Reader& reader) {
  Grant out;
  out.epoch = epoch;
  out.kind = GrantKind::Invite;
  const auto flags = reader.le<std::uint8_t>();
  out.rank = reader.le<std::uint8_t>();
  out.redeem_until.seconds = reader.le<std::uint64_t>();
  out.issuer = (flags & kHasIssuer) != 0 ? reader.fixed<StatementId>() : root_issuer(network);
  out.rights = (flags & kHasRights) != 0 ? reader.le<std::uint16_t>() : kRightJoin;
  out.uses = (flags & kHasUses) != 0 ? reader.le<std::uint16_t>() : std::uint16_t{1};
  if ((flags & kHasAddress) != 0) out.v4.value = reader.le<std::uint32_t>();
  if ((flags & kHasGroups) != 0) out.groups = reader.le<std::uint64_t>();
  if ((flags & kHasNotBefore) != 0) out.not_before.seconds = reader.le<std::uint64_t>();
  if ((flags & kHasNotAfter) != 0) out.not_after.seconds = reader.le<std::uint64_t>();
  if ((flags & kHasName) != 0) { out.name = as_text(reader.take(reader.le<std::uint8_t>())); }
  if (!reader.ok()) return fail(Errc::Truncated, kIncomplete);
  // A field that is there with its usual value would be a second encoding of the same grant.
  if (flags != grant_flags(out, network) || !is_consistent(out)) {
    return fail(Errc::BadValue, kDamaged);
  }
  return out;
}

void write_hosts(const std::vector<InviteHost>& hosts, Writer& writer) {
  check(hosts.size() <= kInviteHostsMax);
  writer.le(static_cast<std::uint8_t>(hosts.size()));
  const TunnelKey* previous = nullptr;
  for (const InviteHost& host : hosts) {
    const bool same = previous != nullptr && *previous == host.tunnel_key;
    const IpAddress& address = host.endpoint.address;
    const std::uint8_t family = address.is_v6() ? kHostFamilyIpv6 : kHostFamilyIpv4;
    writer.le(
        static_cast<std::uint8_t>(family | (same ? kHostSameKey : 0) | (host.tls ? kHostTls : 0)));
    if (!same) writer.bytes(host.tunnel_key.view());
    if (address.is_v6()) {
      writer.bytes(address.v6().bytes);
    } else {
      writer.bytes(address.v4().to_bytes());
    }
    writer.le(host.endpoint.port);
    previous = &host.tunnel_key;
  }
}

bool has_tls(const std::vector<InviteHost>& hosts) {
  return std::ranges::any_of(hosts, &InviteHost::tls);
}

Result<std::vector<InviteHost>> read_hosts(std::uint8_t version, Reader& reader) {
  std::vector<InviteHost> out;
  const auto count = reader.le<std::uint8_t>();
  if (count > kInviteHostsMax) return fail(Errc::BadValue, kDamaged);
  for (std::size_t i = 0; i < count; ++i) {
    const auto head = reader.le<std::uint8_t>();
    const bool same = (head & kHostSameKey) != 0;
    InviteHost host;
    host.tls = version == kVersionTls && (head & kHostTls) != 0;
    const auto family =
        static_cast<std::uint8_t>(head & ~(kHostSameKey | (host.tls ? kHostTls : 0)));
    if (!same) host.tunnel_key = reader.fixed<TunnelKey>();
    if (same && i > 0) host.tunnel_key = out.back().tunnel_key;
    if (family == kHostFamilyIpv6) {
      host.endpoint.address = Ipv6{reader.fixed<std::array<std::byte, 16>>()};
    } else {
      host.endpoint.address = Ipv4::from_bytes(reader.fixed<std::array<std::byte, 4>>());
    }
    host.endpoint.port = reader.le<std::uint16_t>();
    if (!reader.ok()) return fail(Errc::Truncated, kIncomplete);
    const bool repeated = !same && i > 0 && out.back().tunnel_key == host.tunnel_key;
    if ((family != kHostFamilyIpv4 && family != kHostFamilyIpv6) || (same && i == 0) || repeated ||
        host.tunnel_key.is_zero() || !is_candidate(host.endpoint)) {
      return fail(Errc::BadValue, kDamaged);
    }
    out.push_back(host);
  }
  if (!reader.ok()) return fail(Errc::Truncated, kIncomplete);
  // Each invite has one layout.
  if (has_tls(out) != (version == kVersionTls)) return fail(Errc::BadValue, kDamaged);
  return out;
}

Result<std::vector<ByteVector>> read_chain(Reader& reader) {
  std::vector<ByteVector> out;
  const auto count = reader.le<std::uint8_t>();
  if (count > kInviteChainMax) return fail(Errc::BadValue, kDamaged);
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes statement = reader.take(reader.le<std::uint16_t>());
    if (!reader.ok()) return fail(Errc::Truncated, kIncomplete);
    if (statement.empty()) return fail(Errc::BadValue, kDamaged);
    out.push_back(to_vector(statement));
  }
  return out;
}

}  // namespace

ByteVector write_invite(const Invite& invite) {
  const auto* grant = std::get_if<Grant>(&invite.grant.body);
  check(grant != nullptr && grant->kind == GrantKind::Invite && grant->epoch == invite.epoch);
  check(invite.chain.size() <= kInviteChainMax);
  ByteVector out;
  Writer writer(out);
  writer.le(has_tls(invite.hosts) ? kVersionTls : kVersion);
  writer.bytes(invite.network.view());
  writer.bytes(invite.seed);
  writer.le(invite.epoch.value);
  writer.bytes(invite.secret);
  write_grant(*grant, invite.network, writer);
  writer.bytes(invite.grant.signature.view());
  writer.le(static_cast<std::uint8_t>(invite.chain.size()));
  for (const ByteVector& statement : invite.chain) {
    check(statement.size() <= kStatementSizeMax);
    writer.le(static_cast<std::uint16_t>(statement.size()));
    writer.bytes(statement);
  }
  write_hosts(invite.hosts, writer);
  return out;
}

bool is_invite_readable(const Invite& invite) {
  return invite.chain.size() <= kInviteChainMax &&
         write_invite(invite).size() + InviteChecksum{}.size() <= kInviteSizeMax;
}

Result<Invite> parse_invite(Bytes layout) {
  Reader reader(layout);
  const auto version = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, kIncomplete);
  if (version != kVersion && version != kVersionTls) {
    return fail(Errc::Unsupported, "this invite needs a newer ipop");
  }
  Invite out;
  out.network = reader.fixed<NetworkId>();
  out.seed = reader.fixed<std::array<std::byte, 32>>();
  out.epoch.value = reader.le<std::uint32_t>();
  out.secret = reader.fixed<std::array<std::byte, 32>>();
  auto grant = read_grant(out.network, out.epoch, reader);
  if (!grant) return std::unexpected(grant.error());
  out.grant.network = out.network;
  out.grant.body = std::move(*grant);
  out.grant.signature = reader.fixed<Signature>();
  auto chain = read_chain(reader);
  if (!chain) return std::unexpected(chain.error());
  out.chain = std::move(*chain);
  auto hosts = read_hosts(version, reader);
  if (!hosts) return std::unexpected(hosts.error());
  out.hosts = std::move(*hosts);
  if (!reader.done()) return fail(Errc::BadValue, kDamaged);
  return out;
}

}  // namespace ipop::wire
