#include "os/unix_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "os/test_support.h"

namespace ipop::os {
namespace {

TEST(UnixListener, AcceptsAndKnowsWhoCame) {
  const TestFolder folder;
  const auto path = folder / "run" / "ipopd.sock";  // the folder is made
  auto listener = UnixListener::open(path);
  ASSERT_TRUE(listener) << listener.error().what;
  const auto none = listener->accept();
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_FALSE(is_readable(listener->fd()));

  const auto client = connect_unix(path);
  ASSERT_TRUE(client);
  EXPECT_TRUE(is_readable(listener->fd()));
  const auto accepted = listener->accept();
  ASSERT_TRUE(accepted && *accepted);
  const UniqueFd* server = &**accepted;
  EXPECT_NE(::fcntl(server->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(server->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(client->fd(), F_GETFL) & O_NONBLOCK, 0);
  const auto peer = peer_credentials(server->fd());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_EQ(peer->gid, ::getegid());
  EXPECT_FALSE(peer_credentials(-1));
}

TEST(UnixListener, OnlyRootOrTheGroup) {
  const TestFolder folder;
  const auto path = folder / "s";
  const mode_t before = ::umask(0);
  const auto listener = UnixListener::open(path);
  ::umask(before);
  ASSERT_TRUE(listener);
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, ::geteuid());
  if (const group* g = ::getgrnam("ipop"); g != nullptr) {
    EXPECT_EQ(status.st_mode & 07777U, 0660U);
    EXPECT_EQ(status.st_gid, g->gr_gid);
  } else {
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
  }
}

// What it is born with: whoever may not give it to the group keeps it to itself.
TEST(UnixListener, PrivateWhereItCannotBeTheGroups) {
  const TestFolder folder;
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(::chown(folder.path().c_str(), kNobody, kNobody), 0) << "needs root";
  const auto path = folder / "s";
  const mode_t before = ::umask(0);
  ASSERT_EQ(::seteuid(kNobody), 0);
  const auto listener = UnixListener::open(path);
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  ASSERT_EQ(::seteuid(0), 0);
  ::umask(before);
  ASSERT_TRUE(listener) << listener.error().what;
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST(UnixListener, ALiveOneIsLeftAlone) {
  const TestFolder folder;
  const auto path = folder / "s";
  {
    auto first = UnixListener::open(path);
    ASSERT_TRUE(first);
    const auto second = UnixListener::open(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::Busy);
    EXPECT_NE(
        std::string(second.error().what).find("another ipopd is listening on " + path.string()),
        std::string::npos);
    EXPECT_TRUE(connect_unix(path)) << "the refused one must not have removed it";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixListener, AFullOneIsLiveToo) {
  const TestFolder folder;
  const auto path = folder / "s";
  const auto first = UnixListener::open(path);
  ASSERT_TRUE(first);
  std::vector<UniqueFd> waiting;
  ASSERT_EQ(::listen(first->fd(), 0), 0);  // room for one
  waiting.push_back(std::move(*connect_unix(path)));
  const auto second = UnixListener::open(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Busy);
}

TEST(UnixListener, AStaleOneIsReplaced) {
  const TestFolder folder;
  const auto path = folder / "s";
  const auto hidden = folder / "hidden";
  {
    const auto dead = UnixListener::open(path);
    ASSERT_TRUE(dead);
    std::filesystem::rename(path, hidden);  // as if it had been killed
  }
  std::filesystem::rename(hidden, path);
  EXPECT_EQ(connect_unix(path).error().code, Errc::NotFound);
  const auto listener = UnixListener::open(path);
  ASSERT_TRUE(listener) << listener.error().what;
  EXPECT_TRUE(connect_unix(path));
}

TEST(UnixListener, RemovesOnlyItsOwnPath) {
  const TestFolder folder;
  const auto path = folder / "s";
  {
    const auto listener = UnixListener::open(path);
    ASSERT_TRUE(listener);
    std::filesystem::remove(path);
    std::ofstream(path) << "somebody else's";
  }
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(UnixListener, RefusesBadPaths) {
  const TestFolder folder;
  std::ofstream(folder / "file") << "precious";
  std::filesystem::create_directory(folder / "dir");
  std::filesystem::create_symlink(folder / "nowhere", folder / "link");
  for (const auto& path :
       {folder / "file", folder / "dir", folder / "link", folder / "file" / "below",
        folder / std::string(110, 'x').c_str(), std::filesystem::path()}) {
    EXPECT_FALSE(UnixListener::open(path)) << path;
  }
  EXPECT_EQ(std::filesystem::file_size(folder / "file"), 8U);
  EXPECT_EQ(UnixListener::open(folder / "file").error().code, Errc::BadValue);
}

TEST(UnixListener, TwoThatStartAtOnceDoNotFight) {
  const TestFolder folder;
  UniqueFd other(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(other.fd(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(UnixListener::open(folder / "s").error().code, Errc::Busy);
  other.reset();
  EXPECT_TRUE(UnixListener::open(folder / "s"));
}

TEST(ConnectUnix, SaysWhatToDo) {
  const TestFolder folder;
  std::ofstream(folder / "file") << "x";
  const auto absent = connect_unix(folder / "absent");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Errc::NotFound);
  EXPECT_NE(absent.error().what.find("no ipopd is listening"), std::string_view::npos);
  EXPECT_EQ(connect_unix(folder / "file" / "below").error().code, Errc::NotFound);
  EXPECT_FALSE(connect_unix(folder / "file"));
  EXPECT_EQ(connect_unix(std::string(200, 'x')).error().code, Errc::BadValue);
}

}  // namespace
}  // namespace ipop::os
