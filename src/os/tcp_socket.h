#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/error.h"
#include "os/unique_fd.h"

/// TCP sockets that never block.
namespace ipop::os {

/// Takes connections at a port of every address, of both families where the machine has them.
/// Errors: Os; EADDRINUSE where another program has the port. Port 0: a free one.
Result<UniqueFd> listen_tcp(std::uint16_t port);
/// The port that a listening socket has.
std::uint16_t tcp_port(const UniqueFd& listener);

struct AcceptedTcp {
  UniqueFd socket;
  Endpoint from;
};
/// The next connection that waits. Errors: Os; EAGAIN where there is none, EMFILE and the like
/// where one waits that we cannot take.
Result<AcceptedTcp> accept_tcp(const UniqueFd& listener);

/// Begins a connection. It is there, or has failed, when the socket is writable.
Result<UniqueFd> connect_tcp(const Endpoint& to);
/// What became of it then: 0, or an errno.
int connect_result(const UniqueFd& socket);

}  // namespace ipop::os
