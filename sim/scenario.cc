#include "sim/scenario.h"

#include "base/check.h"

namespace ipop::sim {

using namespace std::chrono_literals;

std::string found(Node& node, const std::string& network, const std::string& member) {
  const auto created =
      node.engine().create(node.now(), {network, member, *Prefix4::parse("10.83.0.0/16"), {}, ""});
  check(created.has_value());
  node.drain();
  return created->recovery_key;
}

std::string invite(Node& node, std::uint16_t uses) {
  engine::InviteOptions options;
  options.uses = uses;
  const auto made = node.engine().invite(node.now(), {}, options);
  check(made.has_value());
  node.drain();
  return made->text;
}

void begin_join(Node& node, const std::string& text, const std::string& member) {
  const auto begun = node.engine().join(node.now(), node.index() + 1000, text, {member, ""});
  check(begun.has_value());
  node.drain();
}

bool is_done(const Node& node) { return !node.updates.empty() && node.updates.back().last; }

bool has_joined(const Node& node) {
  return is_done(node) && std::holds_alternative<engine::Joined>(node.updates.back().update);
}

std::optional<engine::Failure> join_failure(const Node& node) {
  if (!is_done(node)) return std::nullopt;
  const auto* error = std::get_if<engine::CommandError>(&node.updates.back().update);
  return error ? std::optional(error->failure) : std::nullopt;
}

void make_pair(World& world) {
  world.add_node();
  world.add_node();
  found(world.node(0));
  begin_join(world.node(1), invite(world.node(0)), "bob");
  check(world.run_until(
      [&] {
        return has_joined(world.node(1)) && world.node(0).is_online_with("bob") &&
               world.node(1).is_online_with("alice");
      },
      10s));
  world.run_for(2s);  // each remembers the other's address on its disk
}

void make_trio(World& world) {
  for (int i = 0; i < 3; ++i) world.add_node();
  found(world.node(0));
  const std::string text = invite(world.node(0), 2);
  begin_join(world.node(1), text, "bob");
  check(world.run_until([&] { return has_joined(world.node(1)); }, 10s));
  begin_join(world.node(2), text, "carol");
  check(world.run_until([&] { return has_joined(world.node(2)); }, 10s));
  check(world.run_until(
      [&] {
        return world.node(1).is_online_with("carol") && world.node(2).is_online_with("bob") &&
               world.node(0).is_online_with("bob") && world.node(0).is_online_with("carol");
      },
      10s));
}

ByteVector ip_packet(Ipv4 from, Ipv4 to, std::uint16_t size) {
  const auto put_be16 = [](ByteVector& p, std::size_t at, std::size_t value) {
    p[at] = static_cast<std::byte>(value >> 8U);
    p[at + 1] = static_cast<std::byte>(value & 0xffU);
  };
  ByteVector p(size);
  p[0] = std::byte{0x45};
  put_be16(p, 2, size);
  p[8] = std::byte{64};
  p[9] = std::byte{17};
  copy_bytes(MutableBytes(p).subspan(12), from.to_bytes());
  copy_bytes(MutableBytes(p).subspan(16), to.to_bytes());
  put_be16(p, 24, size - 20U);
  return p;
}

SessionIndex session_with(const Node& node, const Node& member) {
  const auto& sessions = node.snapshot().sessions;
  return std::ranges::find_if(sessions,
                              [address = member.status().v4](const auto& entry) {
                                return entry.second.proven && entry.second.source4 == address;
                              })
      ->first;
}

void hand_up(Node& node, SessionIndex session, const Endpoint& from, const wire::Frame& frame) {
  ByteVector plaintext;
  wire::write_frame(frame, plaintext);
  node.engine().handle_event(node.now(), dataplane::FrameEvent{session, from, plaintext});
  node.drain();
}

engine::StoredIdentity identity_of(const Node& node, const std::string& network) {
  return *engine::parse_stored_identity(node.file(network, engine::FileKind::Identity));
}

void add_to_file(Node& node, const std::string& network,
                 const std::vector<ByteVector>& statements) {
  const ByteVector file = to_vector(node.file(network, engine::FileKind::Statements));
  const auto stored = engine::parse_stored_statements(file);
  check(stored.has_value());
  std::vector<Bytes> all = *stored;
  all.insert(all.end(), statements.begin(), statements.end());
  node.replace_file(network, engine::FileKind::Statements, engine::write_stored_statements(all));
}

std::vector<ByteVector> make_statements(const Node& node, const std::string& network,
                                        std::size_t count) {
  const engine::StoredIdentity identity = identity_of(node, network);
  const auto key =
      crypto::SigningKey::from_seed(*crypto::Secret<32>::from(identity.identity_seed.reveal()));
  std::vector<ByteVector> out;
  for (std::size_t n = 0; n < count; ++n) {
    out.push_back(
        member::sign_statement(
            {.network = identity.network,
             .body = wire::Config{.issuer = identity.grant, .version = n + 1, .blob = {}}},
            key)
            .bytes);
  }
  return out;
}

std::size_t statements_stored(const Node& node, const std::string& network) {
  const auto stored =
      engine::parse_stored_statements(node.file(network, engine::FileKind::Statements));
  return stored ? stored->size() : 0;
}

const engine::Network& network_of(Node& node) {
  check(node.engine().networks().size() == 1);
  return *node.engine().networks().begin()->second;
}

const member::Member* self_of(Node& node) {
  if (!node.is_awake() || node.engine().networks().size() != 1) return nullptr;
  const engine::Network& network = network_of(node);
  return network.state() == engine::Network::State::Member ? network.self() : nullptr;
}

}  // namespace ipop::sim
