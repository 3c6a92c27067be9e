#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/stored.h"
#include "sim/world.h"

/// What most simulated stories begin with.
namespace ipop::sim {

/// Founds a network on the node; returns the recovery key's text.
std::string found(Node& node, const std::string& network = "family",
                  const std::string& member = "alice");
/// An invite of the node's only network.
std::string invite(Node& node, std::uint16_t uses = 1);
void begin_join(Node& node, const std::string& text, const std::string& member);

/// The node's last command came to its end.
bool is_done(const Node& node);
bool has_joined(const Node& node);
std::optional<engine::Failure> join_failure(const Node& node);

/// Two nodes, alice (founder) and bob, online with each other.
void make_pair(World& world);
/// Three nodes: carol as well.
void make_trio(World& world);

/// One of the node's proven sessions with a member.
SessionIndex session_with(const Node& node, const Node& member);
/// The worker hands up a control frame as if the session's other end had sent it.
void hand_up(Node& node, SessionIndex session, const Endpoint& from, const wire::Frame& frame);
engine::StoredIdentity identity_of(const Node& node, const std::string& network);
/// Puts statements into the file of a node that is off.
void add_to_file(Node& node, const std::string& network, const std::vector<ByteVector>& statements);
/// So many more statements of the node's, which change nothing.
std::vector<ByteVector> make_statements(const Node& node, const std::string& network,
                                        std::size_t count);
/// Statements in the node's file.
std::size_t statements_stored(const Node& node, const std::string& network);
const engine::Network& network_of(Node& node);
/// The node's own membership; null where it is off, asleep, or no member. Valid until the next
/// thing that happens to the node.
const member::Member* self_of(Node& node);

/// An IPv4 UDP packet of this size, 28 of which are headers.
ByteVector ip_packet(Ipv4 from, Ipv4 to, std::uint16_t size = 28);

}  // namespace ipop::sim
