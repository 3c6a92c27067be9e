#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "crypto/testing.h"

namespace ipop::crypto {
namespace {

using test::Way;

constexpr int kMessages = 100'000;
/// A key's contexts serve this many messages, so that what one leaves behind meets the next.
constexpr int kMessagesOfAKey = 500;

/// Mostly what packets are; now and then as long as a datagram gets.
std::size_t draw_size(Rng& rng) {
  const std::uint64_t kind = rng.below(100);
  if (kind < 30) return rng.below(130);
  if (kind < 98) return rng.below(1500);
  return rng.below(kind == 98 ? 9000 : 65000);
}

class Agreement : public testing::TestWithParam<Suite> {
 protected:
  /// One message by both: equal bytes, each opens the other's, both refuse a changed one.
  void compare(Rng& rng) {
    const std::size_t size = draw_size(rng);
    const std::size_t at = rng.below(64);
    const Bytes aad =
        Bytes(random_).subspan(rng.below(100), rng.below(4) == 0 ? rng.below(64) : 16);
    AeadNonce nonce;
    rng.fill(nonce);
    const Bytes text = Bytes(random_).subspan(rng.below(random_.size() - size), size);
    const MutableBytes one = MutableBytes(areas_[0]).subspan(at, size + kTagSize);
    const MutableBytes two = MutableBytes(areas_[1]).subspan(rng.below(64), size + kTagSize);
    copy_bytes(one, text);
    copy_bytes(two, text);
    openssl_->seal(nonce, aad, one);
    ipsec_mb_->seal(nonce, aad, two);
    ASSERT_TRUE(equal_bytes(one, two)) << size;

    const std::uint64_t bit = rng.below(one.size() * 8);
    const bool forged = rng.below(8) == 0;
    if (forged) {
      one[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      two[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    }
    const auto by_openssl = openssl_->open(nonce, aad, two);
    const auto by_ipsec_mb = ipsec_mb_->open(nonce, aad, one);
    ASSERT_EQ(by_openssl.has_value(), !forged) << size;
    ASSERT_EQ(by_ipsec_mb.has_value(), !forged) << size;
    if (forged) {
      ASSERT_TRUE(std::all_of(one.begin(), one.end(), [](auto b) { return b == std::byte{0}; }));
    } else {
      ASSERT_TRUE(equal_bytes(*by_ipsec_mb, text)) << size;
    }
  }

  ByteVector random_ = ByteVector(1 << 17);
  ByteVector areas_[2] = {ByteVector(65000 + 200), ByteVector(65000 + 200)};
  std::unique_ptr<Aead> openssl_;
  std::unique_ptr<Aead> ipsec_mb_;
};

// `./run soak` shuffles and repeats, which gives each repetition another seed.
TEST_P(Agreement, OfTheBackendsOnRandomMessages) {
  if (!has_ipsec_mb()) {
    std::printf("this processor has nothing for ipsec-mb to run on\n");
    return;
  }
  const int seed =
      GTEST_FLAG_GET(random_seed) == 0 ? 0 : testing::UnitTest::GetInstance()->random_seed();
  SeededRng rng(1000 * static_cast<std::uint64_t>(seed) + static_cast<std::uint64_t>(GetParam()));
  rng.fill(random_);
  for (int i = 0; i < kMessages; ++i) {
    if (i % kMessagesOfAKey == 0) {
      const Secret<32> key = Secret<32>::random(rng);
      openssl_ = open_aead(Backend::Openssl, GetParam(), key);
      ipsec_mb_ = open_aead(Backend::IpsecMb, GetParam(), key);
    }
    ASSERT_NO_FATAL_FAILURE(compare(rng)) << "message " << i << " of seed " << seed;
  }
  std::printf("%d messages agree, seed %d\n", kMessages, seed);
}

INSTANTIATE_TEST_SUITE_P(All, Agreement, testing::ValuesIn(test::kSuites),
                         [](const auto& suite) { return test::name_of(suite.param); });

/// Bytes with an unmapped page on either side: what a library reads or writes beyond them ends the
/// process. The sanitizers cannot see into assembly.
class FencedBytes {
 public:
  FencedBytes() {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    size_ = 3 * page;
    void* area = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(area, MAP_FAILED);
    area_ = static_cast<std::byte*>(area);
    EXPECT_EQ(mprotect(area_ + page, page, PROT_READ | PROT_WRITE), 0);
    usable_ = MutableBytes(area_ + page, page);
  }
  FencedBytes(const FencedBytes&) = delete;
  FencedBytes& operator=(const FencedBytes&) = delete;
  ~FencedBytes() { munmap(area_, size_); }

  MutableBytes at_the_end(std::size_t size) const { return usable_.last(size); }
  MutableBytes at_the_beginning(std::size_t size) const { return usable_.first(size); }

 private:
  std::byte* area_ = nullptr;
  std::size_t size_ = 0;
  MutableBytes usable_;
};

class Fences : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(All, Fences, testing::ValuesIn(test::ways()), test::name_of_way);

TEST_P(Fences, NothingIsReadOrWrittenBesideTheMessage) {
  SeededRng rng(5);
  const auto aead = GetParam().open(Secret<32>::random(rng));
  FencedBytes messages;
  FencedBytes aads;
  ByteVector text(2100);
  rng.fill(text);
  for (std::size_t size = 0; size <= 2048; ++size) {
    for (const bool end : {true, false}) {
      const auto place = [&](const FencedBytes& where, std::size_t n) {
        return end ? where.at_the_end(n) : where.at_the_beginning(n);
      };
      const MutableBytes aad = place(aads, size % 35);
      copy_bytes(aad, Bytes(text).last(aad.size()));
      const MutableBytes message = place(messages, size + kTagSize);
      copy_bytes(message, Bytes(text).first(size));
      const AeadNonce nonce = nonce_of(GetParam().suite, size);
      aead->seal(nonce, aad, message);
      const auto opened = aead->open(nonce, aad, message);
      ASSERT_TRUE(opened && equal_bytes(*opened, Bytes(text).first(size))) << size;
    }
  }
}

TEST_P(Fences, NorBesideTheNonce) {
  const auto aead = GetParam().open(Secret<32>());
  FencedBytes nonces;
  for (const MutableBytes place : {nonces.at_the_end(12), nonces.at_the_beginning(12)}) {
    const auto* nonce = reinterpret_cast<const AeadNonce*>(place.data());  // of single bytes
    ByteVector buffer(500 + kTagSize);
    aead->seal(*nonce, {}, buffer);
    EXPECT_TRUE(aead->open(*nonce, {}, buffer).has_value());
  }
}

// Bytes beside the message that belong to others keep their value.
TEST_P(Fences, NeighboursAreUntouched) {
  const auto aead = GetParam().open(Secret<32>());
  constexpr std::size_t kMargin = 128;
  for (std::size_t size = 0; size <= 700; ++size) {
    ByteVector area(size + kTagSize + 2 * kMargin, std::byte{0xa5});
    const MutableBytes message = MutableBytes(area).subspan(kMargin, size + kTagSize);
    const AeadNonce nonce = nonce_of(GetParam().suite, size);
    aead->seal(nonce, {}, message);
    ASSERT_TRUE(aead->open(nonce, {}, message).has_value());
    const auto is_old = [](std::byte b) { return b == std::byte{0xa5}; };
    ASSERT_TRUE(std::all_of(area.begin(), area.begin() + kMargin, is_old)) << size;
    ASSERT_TRUE(std::all_of(area.end() - kMargin, area.end(), is_old)) << size;
  }
}

}  // namespace
}  // namespace ipop::crypto
