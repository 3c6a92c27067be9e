#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crypto/aead_ipsec_mb.h"

/// For tests that run with every backend and suite.
namespace ipop::crypto::test {

inline constexpr Suite kSuites[] = {Suite::ChaCha20Poly1305, Suite::Aes256Gcm};

/// All that this processor can run. One without AVX-512 and VAES never uses ipsec-mb, and so
/// does not test it.
inline std::vector<Backend> backends() {
  std::vector<Backend> out{Backend::Openssl};
  if (has_ipsec_mb()) out.push_back(Backend::IpsecMb);
  return out;
}

/// One suite by one backend.
struct Way {
  Backend backend;
  Suite suite;

  std::unique_ptr<Aead> open(const Secret<32>& key) const { return open_aead(backend, suite, key); }
};

inline std::vector<Way> ways() {
  std::vector<Way> out;
  for (const Backend backend : backends()) {
    for (const Suite suite : kSuites) out.push_back({backend, suite});
  }
  return out;
}

/// For the names of tests.
inline std::string name_of(Suite suite) {
  return suite == Suite::Aes256Gcm ? "Aes256Gcm" : "ChaCha20Poly1305";
}
inline std::string name_of_way(const testing::TestParamInfo<Way>& info) {
  return (info.param.backend == Backend::Openssl ? "Openssl" : "IpsecMb") +
         name_of(info.param.suite);
}

}  // namespace ipop::crypto::test
