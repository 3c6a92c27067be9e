#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "base/address.h"
#include "base/random.h"

/// A NAT of any of the kinds that are out there, for tests: RFC 4787's mapping and filtering, and
/// the ways to choose ports. No time: mappings live until reboot().
namespace ipop::nat {

class NatForTest {
 public:
  enum class Depends : std::uint8_t { None, Nothing, Address, AddressAndPort };
  enum class Ports : std::uint8_t { Preserve, Random, Sequential };

  Depends mapping = Depends::Nothing;  ///< None: no NAT
  Depends filter = Depends::AddressAndPort;
  Ports ports = Ports::Preserve;
  int step = 1;
  std::uint16_t low = 1024;
  std::uint16_t high = 65535;
  Ipv4 address{0xcb007107};

  explicit NatForTest(std::uint64_t seed) : rng_(std::make_unique<SeededRng>(seed)) {}

  /// A datagram goes out; what its receiver sees as its source.
  Endpoint send(const Endpoint& from, const Endpoint& to) {
    if (mapping == Depends::None) {
      sent_.insert({from, to});
      return from;
    }
    const Key key{from, mapping >= Depends::Address ? to.address : IpAddress{},
                  mapping == Depends::AddressAndPort ? to.port : std::uint16_t{0}};
    const auto [it, fresh] = mappings_.try_emplace(key);
    if (fresh) it->second = {address, allocate(from.port)};
    sent_.insert({it->second, to});
    return it->second;
  }
  /// Whether a datagram from `from` to our `outer` endpoint passes.
  bool passes(const Endpoint& outer, const Endpoint& from) const {
    for (const auto& [ours, theirs] : sent_) {
      if (ours != outer) continue;
      const bool same_address = theirs.address == from.address;
      if (filter <= Depends::Nothing) return true;
      if (filter == Depends::Address && same_address) return true;
      if (theirs == from) return true;
    }
    return false;
  }
  /// A stranger behind the same NAT opens a flow.
  void strangers_flow() { allocate(static_cast<std::uint16_t>(1024 + rng_->below(60000))); }
  void reboot() {
    mappings_.clear();
    sent_.clear();
    used_.clear();
    address.value ^= 1;
    next_ = static_cast<std::uint16_t>(30000 + rng_->below(10000));
  }

 private:
  using Key = std::tuple<Endpoint, IpAddress, std::uint16_t>;

  std::uint16_t allocate(std::uint16_t inner) {
    std::uint16_t port = inner;
    if (ports == Ports::Sequential) {
      port = next_;
      next_ = static_cast<std::uint16_t>(next_ + step);
    } else if (ports == Ports::Random) {
      do {
        port = static_cast<std::uint16_t>(low + rng_->below(high - low + 1U));
      } while (used_.contains(port));
    }
    used_.insert(port);
    return port;
  }

  std::unique_ptr<SeededRng> rng_;
  std::uint16_t next_ = static_cast<std::uint16_t>(30000 + rng_->below(10000));
  std::map<Key, Endpoint> mappings_;
  std::set<std::pair<Endpoint, Endpoint>> sent_;
  std::set<std::uint16_t> used_;
};

}  // namespace ipop::nat
