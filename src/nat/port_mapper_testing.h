#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "nat/port_mapper.h"
#include "wire/port_mapping_testing.h"

/// What the port mapper's tests share: a gateway, and a mapper that talks to it in virtual time.
namespace ipop::nat {

using namespace std::chrono_literals;

inline constexpr std::uint16_t kPort = 40000;
inline const PortMapper::Gateway kGateway{Ipv4{0xc0a80101}, Ipv4{0xc0a80102}};
inline const Endpoint kGatewayPort{kGateway.gateway, 5351};
inline const Endpoint kExternal{Ipv4{0xcb007107}, 50000};

/// A gateway that forwards whatever it is asked to, in the ways that are out there.
struct FakeGateway {
  bool pcp = true;
  bool nat_pmp = true;
  bool tells_version = true;  ///< RFC 6886 3.5, when it has no PCP
  std::uint8_t pcp_result = 0;
  std::uint16_t nat_pmp_result = 0;
  std::uint32_t error_lifetime = 0;
  Endpoint external = kExternal;
  std::uint32_t lifetime = 7200;
  Instant booted{};
  std::optional<wire::PcpNonce> owner;
  int deletions = 0;
  std::vector<wire::PcpMapRequest> map_requests;

  std::uint32_t epoch(Instant now) const {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now - booted).count());
  }
  std::optional<wire::PortMappingResponse> answer(Instant now, Bytes datagram) {
    const auto request = wire::read_port_mapping_request(datagram);
    EXPECT_TRUE(request) << to_hex(datagram);
    if (!request) return std::nullopt;
    if (const auto* map = std::get_if<wire::PcpMapRequest>(&*request)) {
      return answer_pcp(now, *map);
    }
    if (!nat_pmp) return std::nullopt;
    if (nat_pmp_result != 0) return wire::NatPmpError{nat_pmp_result, epoch(now)};
    if (const auto* map = std::get_if<wire::NatPmpMapRequest>(&*request)) {
      if (map->lifetime_seconds == 0) {
        EXPECT_EQ(map->suggested_port, 0);
        ++deletions;
        return wire::NatPmpMapped{map->internal_port, 0, 0, epoch(now)};
      }
      return wire::NatPmpMapped{map->internal_port, external.port, lifetime, epoch(now)};
    }
    return wire::NatPmpAddress{external.address.v4(), epoch(now)};
  }
  std::optional<wire::PortMappingResponse> answer_pcp(Instant now, const wire::PcpMapRequest& map) {
    if (!pcp) {
      if (!tells_version) return std::nullopt;
      return wire::NatPmpError{1, epoch(now)};
    }
    map_requests.push_back(map);
    auto result = pcp_result;
    if (owner && owner != map.nonce) result = wire::kPcpNotAuthorized;
    if (result != 0) return wire::PcpError{2, result, error_lifetime, epoch(now), map.nonce};
    owner = map.nonce;
    if (map.lifetime_seconds == 0) {
      EXPECT_EQ(map.suggested.port, 0);
      ++deletions;
      owner.reset();
    }
    return wire::PcpMapped{map.nonce, map.internal_port, external,
                           std::min(lifetime, map.lifetime_seconds), epoch(now)};
  }
};

struct Bench {
  SeededRng rng{7};
  PortMapper mapper{PortMapper::Key::random(rng), rng};
  FakeGateway gateway;
  bool answering = true;
  Instant now{100h};
  Instant wait = Instant::max();
  std::vector<std::pair<Instant, PortMapper::SendTo>> sent;
  std::vector<PortMapper::Mapped> mapped;
  std::vector<PortMapper::Lost> lost;
  std::vector<PortMapper::Unavailable> unavailable;

  void start(std::uint16_t port = kPort, const PortMapper::Gateway& g = kGateway) {
    mapper.set_network(now, port, std::vector{g});
    drain();
  }
  void drain() {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 1000) << "it answers itself without end";
      const auto output = mapper.poll_output();
      if (const auto* w = std::get_if<PortMapper::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (const auto* m = std::get_if<PortMapper::Mapped>(&output)) mapped.push_back(*m);
      if (const auto* l = std::get_if<PortMapper::Lost>(&output)) lost.push_back(*l);
      if (const auto* u = std::get_if<PortMapper::Unavailable>(&output)) unavailable.push_back(*u);
      if (const auto* s = std::get_if<PortMapper::SendTo>(&output)) {
        sent.emplace_back(now, *s);
        // It arrives when the machine has been drained.
        to_deliver.push_back(answering ? gateway.answer(now, s->datagram) : std::nullopt);
      }
    }
  }
  /// Drains, and delivers what the gateway answered, until both are quiet.
  void settle() {
    drain();
    for (int steps = 0; !to_deliver.empty(); ++steps) {
      ASSERT_LT(steps, 100) << "they talk without end";
      const auto response = to_deliver.front();
      to_deliver.erase(to_deliver.begin());
      if (response) deliver(kGatewayPort, *response);
    }
  }
  void deliver(const Endpoint& from, const wire::PortMappingResponse& response) {
    mapper.handle_datagram(now, from, wire::write_port_mapping_response(response));
    drain();
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    settle();
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 5000) << "the deadline stands still";
      now = std::max(now, wait);
      mapper.handle_timeout(now);
      settle();
    }
    now = end;
  }
  std::vector<Duration> sent_since(Instant begin) const {
    std::vector<Duration> out;
    for (const auto& [at, s] : sent) {
      if (at >= begin) out.push_back(at - begin);
    }
    return out;
  }

  std::vector<std::optional<wire::PortMappingResponse>> to_deliver;
};

}  // namespace ipop::nat
