#pragma once

#include <memory>

#include "crypto/aead.h"

namespace ipop::crypto {

/// An Aead of OpenSSL's. Never null.
std::unique_ptr<Aead> open_openssl_aead(Suite suite, const Secret<32>& key);

}  // namespace ipop::crypto
