#pragma once

#include <memory>

#include "crypto/aead.h"

/// Intel's ipsec-mb (Debian: libipsec-mb). Its AEADs neither compare tags nor hold plaintext back,
/// so that both are done here, behind the same interface as OpenSSL's.
namespace ipop::crypto {

/// True where ipsec-mb's AVX-512 functions can run: the processor and the operating system both
/// have what they use, the library is the version that this was built with, and its own test
/// passed. The first call takes about 10 ms; later ones a load. Any thread.
bool has_ipsec_mb();

/// An Aead of ipsec-mb's. Never null. Requires: has_ipsec_mb().
std::unique_ptr<Aead> open_ipsec_mb_aead(Suite suite, const Secret<32>& key);

}  // namespace ipop::crypto
