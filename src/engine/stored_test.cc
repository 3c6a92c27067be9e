#include "engine/stored.h"

#include <gtest/gtest.h>

namespace ipop::engine {
namespace {

StoredIdentity sample_identity(bool founder, bool joining) {
  SeededRng rng(7);
  StoredIdentity stored;
  rng.fill(stored.network.bytes);
  stored.identity_seed = crypto::Secret<32>::random(rng);
  stored.tunnel_secret = crypto::Secret<32>::random(rng);
  stored.skey_epoch = 3;
  rng.fill(stored.grant.bytes);
  if (founder) stored.root_seed = crypto::Secret<32>::random(rng);
  stored.up = !joining;
  stored.name = "family";
  stored.interface = "ipop7";
  if (joining) stored.joining = {ByteVector(100, std::byte{1}), ByteVector(270, std::byte{2})};
  return stored;
}

/// Every cut and every extra byte is refused, and a flipped bit is refused or changes the value.
template <class Parse, class Write>
void expect_canonical(const ByteVector& bytes, Parse parse, Write write) {
  ASSERT_TRUE(parse(bytes).has_value());
  EXPECT_EQ(write(*parse(bytes)), bytes);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(parse(Bytes(bytes).first(n)).has_value()) << n;
  }
  ByteVector longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse(longer).has_value());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    ByteVector flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto parsed = parse(flipped);
    if (parsed) { EXPECT_EQ(write(*parsed), flipped) << bit; }
  }
}

TEST(Stored, IdentityIsCanonical) {
  for (const bool founder : {false, true}) {
    for (const bool joining : {false, true}) {
      expect_canonical(write_stored_identity(sample_identity(founder, joining)),
                       parse_stored_identity, write_stored_identity);
    }
  }
}

TEST(Stored, IdentityRefusesBadFields) {
  const ByteVector good = write_stored_identity(sample_identity(true, false));
  const struct {
    const char* what;
    std::size_t offset;
    std::uint8_t value;
  } cases[] = {
      {"version", 0, 2},
      {"flag of the root", 1 + 16 + 64 + 4 + 16, 2},
      {"flag of up", 1 + 16 + 64 + 4 + 16 + 1 + 32, 7},
      {"length of the name", 1 + 16 + 64 + 4 + 16 + 1 + 32 + 1, 200},
      {"first letter of the name", 1 + 16 + 64 + 4 + 16 + 1 + 32 + 2, '-'},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    ByteVector bad = good;
    bad.at(c.offset) = std::byte{c.value};
    EXPECT_FALSE(parse_stored_identity(bad).has_value());
  }
}

TEST(Stored, SecretsAreCanonicalAndNeverEmpty) {
  SeededRng rng(1);
  std::vector<StoredSecret> secrets;
  secrets.push_back({Epoch{4}, crypto::Secret<32>::random(rng)});
  secrets.push_back({Epoch{3}, crypto::Secret<32>::random(rng)});
  expect_canonical(write_stored_secrets(secrets), parse_stored_secrets, write_stored_secrets);
  EXPECT_FALSE(parse_stored_secrets(write_stored_secrets({})).has_value());
}

TEST(Stored, StatementsPeersAndClockAreCanonical) {
  const ByteVector a(30, std::byte{5});
  const ByteVector b(7, std::byte{6});
  expect_canonical(write_stored_statements({a, b}), parse_stored_statements,
                   write_stored_statements);
  wire::PeerHint hint;
  hint.node.bytes.fill(std::byte{9});
  hint.candidates = {*Endpoint::parse("192.0.2.1:7"), *Endpoint::parse("[2001:db8::1]:8")};
  expect_canonical(write_stored_peers({{hint}, {}}), parse_stored_peers, write_stored_peers);
  expect_canonical(write_stored_peers({{hint, hint}, {hint}}), parse_stored_peers,
                   write_stored_peers);
  expect_canonical(write_stored_clock({UnixTime{100}, UnixTime{90}}), parse_stored_clock,
                   write_stored_clock);
}

TEST(Stored, DevicesAreCanonical) {
  SeededRng rng(2);
  StoredDevices stored{.host_key = crypto::Secret<32>::random(rng), .devices = {}};
  expect_canonical(write_stored_devices(stored), parse_stored_devices, write_stored_devices);
  for (const char* endpoint : {"192.0.2.1:7", "[2001:db8::1]:8", ""}) {
    stored.devices.push_back({{}, crypto::Secret<32>::random(rng), Endpoint::parse(endpoint)});
  }
  expect_canonical(write_stored_devices(stored), parse_stored_devices, write_stored_devices);
}

TEST(Stored, HugeCountsCostNothing) {
  ByteVector bytes = write_stored_statements({});
  for (std::size_t i = 1; i < 5; ++i) bytes[i] = std::byte{0xff};
  EXPECT_FALSE(parse_stored_statements(bytes).has_value());
}

}  // namespace
}  // namespace ipop::engine
