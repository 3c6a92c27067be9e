#include "crypto/blake2s.h"
#include "member/statement_set.h"

namespace ipop::member {
namespace {

ByteVector body_of(const wire::Statement& statement) {
  ByteVector body;
  wire::write_statement_body(statement, body);
  return body;
}

}  // namespace

wire::NetworkId network_id_of(const wire::Statement& genesis) {
  return {crypto::blake2s_128({as_bytes("net"), body_of(genesis)}).bytes};
}

wire::StatementId statement_id_of(const wire::Statement& statement) {
  ByteVector text = body_of(statement);
  if (wire::type_of(statement) == wire::StatementType::Roll) {
    append(text, statement.signature.view());
  }
  return {crypto::blake2s_128({text}).bytes};
}

wire::NodeId node_id_of(const wire::NetworkId& network, const IdentityKey& identity) {
  return {crypto::blake2s_128({as_bytes("node"), network.view(), identity.view()}).bytes};
}

Ipv6 ipv6_prefix_of(const wire::NetworkId& network) {
  Ipv6 out;
  out.bytes[0] = std::byte{0xfd};
  copy_bytes(MutableBytes(out.bytes).subspan(1), crypto::blake2s({network.view()}).view().first(5));
  return out;
}

std::array<std::byte, 10> ipv6_host_of(const IdentityKey& identity) {
  std::array<std::byte, 10> out{};
  copy_bytes(out, crypto::blake2s({identity.view()}).view().first(out.size()));
  return out;
}

Ipv6 ipv6_of(const wire::NetworkId& network, const IdentityKey& identity) {
  Ipv6 out = ipv6_prefix_of(network);
  const auto host = ipv6_host_of(identity);
  copy_bytes(MutableBytes(out.bytes).last(host.size()), host);
  return out;
}

Ipv6 device_ipv6_of(const wire::NetworkId& network, const wire::StatementId& grant) {
  Ipv6 out = ipv6_prefix_of(network);
  const crypto::Hash32 hash = crypto::blake2s({as_bytes("device"), grant.view()});
  copy_bytes(MutableBytes(out.bytes).last(10), hash.view().first(10));
  return out;
}

FixedBytes<wire::SecretCommitTag, 32> secret_commit_of(const crypto::Secret<32>& secret) {
  return {crypto::blake2s({as_bytes("ipop secret commit"), secret.reveal()}).bytes};
}

wire::StatementId root_issuer_of(const wire::NetworkId& network) { return {network.bytes}; }

StoredStatement sign_statement(wire::Statement statement, const crypto::SigningKey& key) {
  statement.signature =
      key.sign(as_bytes(wire::domain_of(wire::type_of(statement))), body_of(statement));
  StoredStatement out;
  out.id = statement_id_of(statement);
  wire::write_statement(statement, out.bytes);
  out.statement = std::move(statement);
  out.signer = key.public_key();
  return out;
}

}  // namespace ipop::member
