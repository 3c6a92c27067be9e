#include "daemon/state_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "os/test_support.h"

namespace {

/// What was synced since it was cleared, by path.
std::set<std::filesystem::path>& synced() {
  static std::set<std::filesystem::path> paths;
  return paths;
}

}  // namespace

/// In the C library's place for this program: also notes what is synced, which nothing but a power
/// failure would show otherwise.
extern "C" int fsync(int fd) {
  std::error_code error;
  synced().insert(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error));
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace ipop::daemon {
namespace {

using engine::FileKind;

class StateStoreTest : public testing::Test {
 protected:
  StateStore open() {
    auto dir = os::StateDir::open(root());
    EXPECT_TRUE(dir) << dir.error().what;
    return StateStore(std::move(*dir));
  }
  static void save(const StateStore& store, FileKind kind, std::string_view text) {
    const auto saved = store.save({1, "family", kind, to_vector(as_bytes(text))});
    ASSERT_TRUE(saved) << saved.error();
  }
  static std::vector<LoadedNetwork> load(const StateStore& store) {
    auto loaded = store.load_networks();
    EXPECT_TRUE(loaded) << loaded.error();
    return loaded ? std::move(*loaded) : std::vector<LoadedNetwork>();
  }
  static void save_all(const StateStore& store) {
    save(store, FileKind::Statements, "statements");
    save(store, FileKind::Secrets, "secrets");
    save(store, FileKind::Clock, "clock");
    save(store, FileKind::Peers, "peers");
    save(store, FileKind::Identity, "identity");
  }
  void damage(const char* name) const {
    for (const char* suffix : {"", ".old"}) {
      std::ofstream(network() / (std::string(name) + suffix), std::ios::trunc) << "?";
    }
  }
  std::filesystem::path root() const { return folder_.path() / "state"; }
  std::filesystem::path network() const { return root() / "networks" / "family"; }

  os::TestFolder folder_;
};

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

TEST_F(StateStoreTest, GivesBackWhatItSaved) {
  const StateStore store = open();
  EXPECT_TRUE(load(store).empty());
  save_all(store);
  const auto loaded = load(store);
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_EQ(loaded[0].name, "family");
  EXPECT_EQ(loaded[0].problem, "");
  EXPECT_TRUE(loaded[0].warnings.empty());
  EXPECT_EQ(as_text(loaded[0].files.identity), "identity");
  EXPECT_EQ(as_text(loaded[0].files.secrets), "secrets");
  EXPECT_EQ(as_text(loaded[0].files.statements), "statements");
  EXPECT_EQ(as_text(loaded[0].files.peers), "peers");
  EXPECT_EQ(as_text(loaded[0].files.clock), "clock");
  ASSERT_TRUE(store.forget("family"));
  EXPECT_TRUE(load(store).empty());
  EXPECT_FALSE(std::filesystem::exists(network()));
}

TEST_F(StateStoreTest, EverythingIsPrivateWhateverTheUmask) {
  const mode_t before = ::umask(0);
  const StateStore store = open();
  save_all(store);
  ::umask(before);
  EXPECT_EQ(mode_of(root() / "networks"), 0700U);
  EXPECT_EQ(mode_of(network()), 0700U);
  for (const auto& file : std::filesystem::directory_iterator(network())) {
    EXPECT_EQ(mode_of(file.path()), 0600U) << file.path();
  }
}

// Bug: files were on the disk when save() returned, but the name of a new network's folder was not.
TEST_F(StateStoreTest, NewFoldersAreOnTheDiskWithTheirFirstFile) {
  const StateStore store = open();
  synced().clear();
  save(store, FileKind::Secrets, "secrets");
  EXPECT_TRUE(synced().contains(root())) << "holds the name networks";
  EXPECT_TRUE(synced().contains(root() / "networks")) << "holds the name family";
  EXPECT_TRUE(synced().contains(network()));
  synced().clear();
  EXPECT_EQ(load(store).size(), 1U);
  EXPECT_TRUE(synced().contains(root() / "networks")) << "a predecessor may not have got so far";
}

TEST_F(StateStoreTest, ACacheMayBeLostAndNothingElse) {
  const StateStore store = open();
  save_all(store);
  damage("peers");
  damage("clock");
  EXPECT_EQ(load(store).at(0).problem, "");
  EXPECT_EQ(load(store).at(0).warnings.size(), 2U);
  damage("statements");
  const std::string problem = load(store).at(0).problem;
  EXPECT_NE(problem.find(network() / "statements"), std::string::npos) << problem;
}

TEST_F(StateStoreTest, WhatIsMissingIsNamed) {
  const StateStore store = open();
  save(store, FileKind::Statements, "statements");
  EXPECT_EQ(load(store).at(0).problem, (network() / "identity").string() + " is missing");
  save(store, FileKind::Identity, "identity");
  const std::string problem = load(store).at(0).problem;
  EXPECT_NE(problem.find((network() / "secrets").string() + " is missing"), std::string::npos)
      << problem;
}

// Bug: such a folder looked like no network, and `create` wrote over the keys in it.
TEST_F(StateStoreTest, KeysThatCannotBeReadAreKeysAllTheSame) {
  const StateStore store = open();
  save(store, FileKind::Secrets, "secrets");
  EXPECT_FALSE(load(store).at(0).has_identity);
  save_all(store);
  EXPECT_TRUE(load(store).at(0).has_identity);
  damage("identity");
  EXPECT_TRUE(load(store).at(0).has_identity);
  std::filesystem::remove(network() / "identity");
  EXPECT_TRUE(load(store).at(0).has_identity) << "in identity.old";
}

// Bug: it looked like a computer that is in no network yet.
TEST_F(StateStoreTest, AFolderOfNetworksThatCannotBeReadIsAnError) {
  const StateStore store = open();
  EXPECT_TRUE(load(store).empty()) << "there is none yet";
  std::ofstream(root() / "networks") << "a file";
  const auto loaded = store.load_networks();
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().find((root() / "networks").string()), std::string::npos);
}

TEST_F(StateStoreTest, SetsAsideAsItIsAndAsOftenAsNeeded) {
  const StateStore store = open();
  for (const char* place : {"family", "family-2"}) {
    save_all(store);
    damage("identity");
    const auto moved = store.set_aside("family");
    ASSERT_TRUE(moved) << moved.error();
    EXPECT_EQ(*moved, root() / "left" / place);
    EXPECT_TRUE(std::filesystem::exists(*moved / "identity"));
    EXPECT_EQ(mode_of(root() / "left"), 0700U);
    EXPECT_TRUE(load(store).empty());
  }
  EXPECT_FALSE(store.set_aside("nothing"));
}

TEST_F(StateStoreTest, WhatCannotBeDeletedIsNamed) {
  const StateStore store = open();
  EXPECT_TRUE(store.forget("nothing"));
  save_all(store);
  std::filesystem::remove(network() / "identity");
  std::filesystem::create_directories(network() / "identity" / "in-the-way");
  const auto forgotten = store.forget("family");
  ASSERT_FALSE(forgotten);
  EXPECT_NE(forgotten.error().find("identity"), std::string::npos) << forgotten.error();
}

TEST_F(StateStoreTest, ThePortIsDrawnOnce) {
  const StateStore store = open();
  const auto none = store.load_port();
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  ASSERT_TRUE(store.save_port(40001));
  const auto port = store.load_port();
  ASSERT_TRUE(port);
  EXPECT_EQ(*port, 40001);
}

}  // namespace
}  // namespace ipop::daemon
