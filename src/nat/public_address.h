#pragma once

#include "base/address.h"

namespace ipop::nat {

/// Whether a stranger anywhere could send there: a unicast address that is not private (RFC 1918,
/// RFC 4193), shared between a provider's customers (RFC 6598), link-local or reserved. The blocks
/// for documentation and benchmarks count as public: nothing private is behind them.
bool is_public(const IpAddress& address);
/// Whether a provider shares it among its customers (RFC 6598): these reach it, strangers do not.
bool is_shared(const IpAddress& address);

}  // namespace ipop::nat
