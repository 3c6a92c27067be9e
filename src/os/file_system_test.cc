#include "os/file_system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <string>

#include "base/random.h"
#include "os/state_file.h"
#include "os/test_support.h"

namespace ipop::os {
namespace {

constexpr FileKind kKind = FileKind::Identity;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

TEST(RealFileSystem, WritesPrivateFiles) {
  const TestFolder folder;
  const auto file = folder / "keys";
  const mode_t before = ::umask(0);
  for (const char* payload : {"one", "two", "three"}) {
    ASSERT_TRUE(write_state_file(file, kKind, as_bytes(payload)));
    const auto read = read_state_file(file, kKind);
    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ(as_text(read->payload), payload);
  }
  ::umask(before);
  EXPECT_EQ(mode_of(file), 0600U);
  EXPECT_EQ(mode_of(folder / "keys.old"), 0600U);
  EXPECT_FALSE(std::filesystem::exists(folder / "keys.tmp"));
  ASSERT_TRUE(remove_state_file(file));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  ASSERT_TRUE(remove_state_file(file));
}

TEST(RealFileSystem, RefusesWhatOthersCanRead) {
  const TestFolder folder;
  const auto file = folder / "keys";
  ASSERT_TRUE(write_state_file(file, kKind, as_bytes("x")));
  ASSERT_TRUE(write_state_file(file, kKind, as_bytes("y")));
  for (const unsigned mode : {0644U, 0640U, 0604U, 0620U, 0601U, 0610U}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    const auto read = read_state_file(file, kKind);
    ASSERT_FALSE(read) << "must not fall back to the previous one";
    EXPECT_EQ(read.error().code, Errc::Denied);
    EXPECT_NE(std::string(read.error().what).find("chmod 600 " + file.string()), std::string::npos);
  }
  ASSERT_EQ(::chmod(file.c_str(), 0400), 0);
  EXPECT_TRUE(read_state_file(file, kKind));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  const auto read = read_state_file(file, kKind);
  ASSERT_FALSE(read);
  EXPECT_NE(std::string(read.error().what).find("chmod 700 " + folder.path().string()),
            std::string::npos);
}

TEST(RealFileSystem, RefusesWhatIsNoFile) {
  const TestFolder folder;
  const auto file = folder / "keys";
  EXPECT_EQ(read_state_file(file, kKind).error().code, Errc::NotFound);
  EXPECT_FALSE(write_state_file(folder / "missing" / "keys", kKind, as_bytes("x")));

  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(read_state_file(file, kKind).error().code, Errc::BadValue);  // and does not hang
  std::filesystem::remove(file);

  std::ofstream(folder / "target") << "secret";
  std::filesystem::create_symlink(folder / "target", file);
  EXPECT_FALSE(read_state_file(file, kKind));
  std::filesystem::remove(file);

  std::filesystem::create_directory(file);
  EXPECT_FALSE(read_state_file(file, kKind));
  EXPECT_FALSE(write_state_file(file, kKind, as_bytes("x")));
}

TEST(RealFileSystem, ALeftoverLinkIsNotFollowed) {
  const TestFolder folder;
  std::ofstream(folder / "target") << "precious";
  std::filesystem::create_symlink(folder / "target", folder / "keys.tmp");
  ASSERT_TRUE(write_state_file(folder / "keys", kKind, as_bytes("x")));
  std::string text;
  std::getline(std::ifstream(folder / "target"), text);
  EXPECT_EQ(text, "precious");
}

TEST(RealFileSystem, TooLargeIsRefusedWithoutReadingIt) {
  const TestFolder folder;
  const auto file = folder / "keys";
  ASSERT_TRUE(write_state_file(file, kKind, as_bytes("x")));
  std::filesystem::resize_file(file, std::uint64_t{1} << 40U);  // sparse
  EXPECT_EQ(read_state_file(file, kKind).error().code, Errc::BadValue);
}

/// Writes 0, 1, 2 … until it is killed; each number goes to `report` once it is on the disk.
[[noreturn]] void write_for_ever(const std::filesystem::path& file, int report, WriteOptions o) {
  for (std::uint32_t i = 0;; ++i) {
    if (!write_state_file(file, kKind, std::as_bytes(std::span(&i, 1)), o)) ::_exit(1);
    if (::write(report, &i, sizeof i) != sizeof i) ::_exit(1);
  }
}

TEST(RealFileSystem, KilledAtAnyMoment) {
  SeededRng rng(4);
  for (int run = 0; run < 40; ++run) {
    const TestFolder folder;
    const auto file = folder / "keys";
    const WriteOptions options{.both_copies = run % 2 == 1};
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      write_for_ever(file, ends[1], options);
    }
    ::close(ends[1]);
    std::uint32_t acknowledged = 0;
    for (std::uint64_t n = 1 + rng.below(5); n > 0; --n) {
      ASSERT_EQ(::read(ends[0], &acknowledged, sizeof acknowledged), ssize_t{sizeof acknowledged});
    }
    for (std::uint64_t spin = rng.below(200000); spin > 0; --spin) asm volatile("");
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint32_t number = 0;
    while (::read(ends[0], &number, sizeof number) == sizeof number) acknowledged = number;
    ::close(ends[0]);
    const auto read = read_state_file(file, kKind);
    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ(read->damaged, "");
    ASSERT_EQ(read->payload.size(), sizeof number);
    copy_bytes(std::as_writable_bytes(std::span(&number, 1)), read->payload);
    EXPECT_TRUE(number == acknowledged || number == acknowledged + 1);
    EXPECT_TRUE(write_state_file(file, kKind, as_bytes("after"), options));
  }
}

}  // namespace
}  // namespace ipop::os
