#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "base/address.h"

namespace ipop::os {

/// An Endpoint in the kernel's form.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// For a dual-stack socket (`mapped`): IPv4 becomes ::ffff:a.b.c.d.
SocketAddress to_socket_address(const Endpoint& endpoint, bool mapped);

/// From either family, IPv4-mapped addresses as IPv4; nullopt for another family or a short one.
std::optional<Endpoint> to_endpoint(const sockaddr_storage& storage, socklen_t length);

}  // namespace ipop::os
