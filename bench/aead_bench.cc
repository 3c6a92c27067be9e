// What one packet costs to seal and to open, by library, suite and size: nanoseconds.
//
// The libraries take turns within each round, because the clock of a shared machine wanders by
// more than they differ; printed are the median over all rounds, and in brackets the quickest.
// Build: cmake --build --preset release --target aead_bench

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "crypto/backends.h"

namespace ipop::crypto {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 41;
constexpr std::size_t kSizes[] = {64, 512, 1400, 16384};
constexpr std::size_t kHeaderSize = 16;
/// Bytes for one library to work on before the other has its turn: about 0.1 ms.
constexpr std::size_t kTurnBytes = std::size_t{256} * 1024;

struct Times {
  std::vector<double> seal_ns;
  std::vector<double> open_ns;
};

double since_ns(Clock::time_point begin, std::size_t count) {
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
         static_cast<double>(count);
}

/// One turn: seals a row of packets, each in a place of its own, and opens them.
void take_turn(Aead& aead, Suite suite, std::size_t size, Times& times) {
  const std::size_t count = std::clamp<std::size_t>(kTurnBytes / size, 16, 1024);
  const std::size_t stride = size + kTagSize;
  static ByteVector area;
  area.resize(count * stride);
  const std::array<std::byte, kHeaderSize> header{};
  const auto packet = [&](std::size_t i) { return MutableBytes(area).subspan(i * stride, stride); };
  auto begin = Clock::now();
  for (std::size_t i = 0; i < count; ++i) { aead.seal(nonce_of(suite, i), header, packet(i)); }
  times.seal_ns.push_back(since_ns(begin, count));
  begin = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    check(aead.open(nonce_of(suite, i), header, packet(i)).has_value());
  }
  times.open_ns.push_back(since_ns(begin, count));
}

void print(const char* what, std::vector<double> ns) {
  std::sort(ns.begin(), ns.end());
  std::printf("   %s %6.0f (%.0f)", what, ns[ns.size() / 2], ns.front());
}

void measure(Suite suite, std::size_t size) {
  const Backends chosen = choose_backends();
  std::map<Backend, std::unique_ptr<Aead>> aeads;
  for (const Backend backend : {Backend::Openssl, chosen.of(suite)}) {
    if (!aeads.contains(backend)) { aeads[backend] = open_aead(backend, suite, Secret<32>()); }
  }
  std::map<Backend, Times> times;
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& [backend, aead] : aeads) take_turn(*aead, suite, size, times[backend]);
  }
  for (const auto& [backend, t] : times) {
    std::printf("%-17s %6zu bytes  %-8s",
                suite == Suite::Aes256Gcm ? "AES-256-GCM" : "ChaCha20-Poly1305", size,
                std::string(backend_name(backend)).c_str());
    print("seal", t.seal_ns);
    print("open", t.open_ns);
    std::printf("\n");
  }
}

void measure_all() {
  std::printf("nanoseconds a packet: median of %d rounds (quickest)\n", kRounds);
  for (const Suite suite : {Suite::Aes256Gcm, Suite::ChaCha20Poly1305}) {
    for (const std::size_t size : kSizes) measure(suite, size);
  }
}

}  // namespace
}  // namespace ipop::crypto

int main() { ipop::crypto::measure_all(); }
