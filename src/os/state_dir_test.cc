#include "os/state_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "os/test_support.h"

namespace ipop::os {
namespace {

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777U;
}

TEST(StateDir, MakesAPrivateFolder) {
  const TestFolder folder;
  const mode_t before = ::umask(0);
  const auto dir = StateDir::open(folder / "a" / "b");
  ::umask(before);
  ASSERT_TRUE(dir) << dir.error().what;
  EXPECT_EQ(mode_of(dir->path()), 0700U);
  EXPECT_EQ(mode_of(dir->path() / "lock"), 0600U);
  EXPECT_EQ(dir->file("x"), folder / "a" / "b" / "x");
}

TEST(StateDir, HeldByOneProcessWhoseNumberIsTold) {
  const TestFolder folder;
  std::optional<Result<StateDir>> first = StateDir::open(folder.path());
  ASSERT_TRUE(*first);
  for (int i = 0; i < 2; ++i) {
    const auto second = StateDir::open(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::Busy);
    const std::string what(second.error().what);
    EXPECT_NE(what.find("process " + std::to_string(::getpid())), std::string::npos) << what;
    EXPECT_NE(what.find(folder.path()), std::string::npos) << what;
  }
  first.reset();
  EXPECT_TRUE(StateDir::open(folder.path()));
}

TEST(StateDir, AKilledHolderLetsGo) {
  const TestFolder folder;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto dir = StateDir::open(folder.path());
    const char held = dir ? 'y' : 'n';
    if (::write(ends[1], &held, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char held = 0;
  ASSERT_EQ(::read(ends[0], &held, 1), 1);
  EXPECT_EQ(held, 'y');
  const auto refused = StateDir::open(folder.path());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find(std::to_string(child)), std::string_view::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(StateDir::open(folder.path()));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(StateDir, RefusesAnOpenFolder) {
  for (const unsigned mode : {0755U, 0750U, 0701U, 0777U, 0720U}) {
    const TestFolder folder;
    ASSERT_EQ(::chmod(folder.path().c_str(), mode), 0);
    const auto dir = StateDir::open(folder.path());
    ASSERT_FALSE(dir) << mode;
    EXPECT_EQ(dir.error().code, Errc::Denied);
    const std::string what(dir.error().what);
    EXPECT_NE(what.find("chmod 700 " + folder.path().string()), std::string::npos) << what;
  }
}

TEST(StateDir, RefusesSomebodyElsesFolder) {
  const TestFolder folder;
  ASSERT_EQ(::chown(folder.path().c_str(), 12345, 0), 0) << "the tests run as root";
  const auto dir = StateDir::open(folder.path());
  ASSERT_FALSE(dir);
  EXPECT_EQ(dir.error().code, Errc::Denied);
  EXPECT_NE(dir.error().what.find("chown"), std::string_view::npos);
}

TEST(StateDir, RefusesWhatIsNoFolder) {
  const TestFolder folder;
  std::ofstream(folder / "file") << "x";
  EXPECT_FALSE(StateDir::open(folder / "file"));
  EXPECT_FALSE(StateDir::open(folder / "file" / "below"));
  EXPECT_FALSE(StateDir::open("/proc/nothing/here"));
  std::filesystem::create_symlink("/etc/passwd", folder / "lock");
  EXPECT_FALSE(StateDir::open(folder.path()));
}

}  // namespace
}  // namespace ipop::os
