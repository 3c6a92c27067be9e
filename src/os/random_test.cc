#include "os/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

namespace ipop::os {
namespace {

TEST(KernelRng, FillsEveryByteOfAnyLength) {
  KernelRng rng;
  for (const std::size_t size : {0U, 1U, 7U, 32U, 255U, 256U, 257U, 100000U}) {
    ByteVector seen(size, std::byte{0});
    // 20 draws leave a byte zero by chance with 2^-160.
    for (int i = 0; i < 20; ++i) {
      ByteVector drawn(size);
      rng.fill(drawn);
      for (std::size_t j = 0; j < size; ++j) seen[j] |= drawn[j];
    }
    for (const std::byte b : seen) ASSERT_NE(b, std::byte{0});
  }
}

TEST(KernelRng, DoesNotRepeat) {
  KernelRng rng;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(rng.next_u64()).second);
}

TEST(KernelRng, ChildAndParentDrawDifferently) {
  KernelRng rng;
  static_cast<void>(rng.next_u64());  // a buffer would be filled now
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::uint64_t drawn = rng.next_u64();
    ::_exit(::write(ends[1], &drawn, sizeof drawn) == sizeof drawn ? 0 : 1);
  }
  std::uint64_t theirs = 0;
  ASSERT_EQ(::read(ends[0], &theirs, sizeof theirs), ssize_t{sizeof theirs});
  EXPECT_NE(theirs, rng.next_u64());
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace ipop::os
