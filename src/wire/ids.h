#pragma once

#include "base/bytes.h"

namespace ipop::wire {

/// H16("net" || GENESIS without its signature), H16 the first half of BLAKE2s (crypto/blake2s.h);
/// known to members and holders of an invite only.
using NetworkId = FixedBytes<struct NetworkIdTag, 16>;
/// H16("node" || network id || member's identity key); the ring position later.
using NodeId = FixedBytes<struct NodeIdTag, 16>;
/// H16 of a statement's canonical bytes without its signature; a ROLL's covers the signature too.
using StatementId = FixedBytes<struct StatementIdTag, 16>;

}  // namespace ipop::wire
