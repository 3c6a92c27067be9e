#pragma once

#include <optional>
#include <string>

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

/// An IPv4 UDP packet of this size, 28 of which are headers.
ByteVector ip_packet(Ipv4 from, Ipv4 to, std::uint16_t size = 28);

}  // namespace ipop::sim
