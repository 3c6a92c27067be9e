#pragma once

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "os/error_text.h"
#include "os/file_system.h"

namespace ipop::os {

/// A disk in memory that can stop at any step, and that remembers what was not synced yet: the fake
/// beside FileSystem, for tests. Names that changed since the last sync_folder() may come back as
/// any of their values since then, each by itself (more than real file systems lose); content that
/// was not synced may be missing, cut or garbage.
class CrashDisk final : public FileSystem {
 public:
  /// From the `n`th change on (counting from 0) nothing happens any more; that one may be a write
  /// that got half way.
  void stop_after(std::size_t n) { left_ = n; }
  std::size_t changes() const { return changes_; }
  bool stopped() const { return stopped_; }

  /// The process died: what it did stays, and the disk works again.
  void restart() {
    left_ = SIZE_MAX;
    stopped_ = false;
    open_.clear();
  }
  /// The machine lost power: what was not synced is up to `rng`.
  void lose_power(Rng& rng) {
    restart();
    for (auto& [name, history] : names_) history = {history[rng.below(history.size())]};
    for (Inode& inode : inodes_) {
      if (inode.synced) continue;
      switch (rng.below(4)) {
        case 0:
          inode.content.clear();
          break;
        case 1:
          inode.content.resize(rng.below(inode.content.size() + 1));
          break;
        case 2:
          rng.fill(inode.content);
          break;
        default:
          break;
      }
      inode.synced = true;
    }
  }

  /// Puts a file there as if it had been there always.
  void put(const std::filesystem::path& path, ByteVector content) {
    inodes_.push_back({std::move(content), true});
    names_[path] = {static_cast<int>(inodes_.size()) - 1};
  }
  void put_link(const std::filesystem::path& from, const std::filesystem::path& to) {
    names_[to] = {names_.at(from).back()};
  }
  bool exists(const std::filesystem::path& path) const { return find(path) >= 0; }

  Result<ByteVector> read(const std::filesystem::path& path, std::size_t size_max) override {
    const int inode = find(path);
    if (inode < 0) return fail_errno(path.string(), ENOENT);
    const ByteVector& content = inodes_[static_cast<std::size_t>(inode)].content;
    if (content.size() > size_max) return fail(Errc::BadValue, "too large");
    return content;
  }
  Result<Handle> create(const std::filesystem::path& path) override {
    if (!step()) return dead();
    inodes_.push_back({{}, false});
    point(path, static_cast<int>(inodes_.size()) - 1);
    open_.push_back(static_cast<int>(inodes_.size()) - 1);
    return open_.back();
  }
  Result<void> write(Handle file, Bytes bytes) override {
    Inode& inode = inodes_[static_cast<std::size_t>(file)];
    inode.synced = false;
    const bool alive = step();
    if (alive || just_stopped_)
      append(inode.content, alive ? bytes : bytes.first(bytes.size() / 2));
    just_stopped_ = false;
    if (!alive) return dead();
    return {};
  }
  Result<void> sync(Handle file) override {
    if (!step()) return dead();
    inodes_[static_cast<std::size_t>(file)].synced = true;
    return {};
  }
  void close(Handle) override {}
  Result<void> link(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (!step()) return dead();
    if (find(from) < 0) return fail_errno(from.string(), ENOENT);
    if (find(to) >= 0) return fail_errno(to.string(), EEXIST);
    point(to, find(from));
    return {};
  }
  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (!step()) return dead();
    if (find(from) < 0) return fail_errno(from.string(), ENOENT);
    if (find(from) == find(to)) return {};  // POSIX: two links of one file stay as they are
    point(to, find(from));
    point(from, kNone);
    return {};
  }
  Result<void> remove(const std::filesystem::path& path) override {
    if (!step()) return dead();
    if (find(path) < 0) return fail_errno(path.string(), ENOENT);
    point(path, kNone);
    return {};
  }
  Result<void> sync_folder(const std::filesystem::path&) override {
    if (!step()) return dead();
    for (auto& [name, history] : names_) history = {history.back()};
    return {};
  }

 private:
  static constexpr int kNone = -1;
  struct Inode {
    ByteVector content;
    bool synced = false;
  };

  static std::unexpected<Error> dead() { return fail(Errc::Os, "stopped", EIO); }
  bool step() {
    just_stopped_ = !stopped_ && left_ == 0;
    if (left_ == 0) {
      stopped_ = true;
      return false;
    }
    --left_;
    ++changes_;
    return true;
  }
  int find(const std::filesystem::path& path) const {
    const auto found = names_.find(path);
    return found == names_.end() ? kNone : found->second.back();
  }
  void point(const std::filesystem::path& path, int inode) {
    const auto [entry, fresh] = names_.try_emplace(path);
    if (fresh) entry->second.push_back(kNone);
    entry->second.push_back(inode);
  }

  std::vector<Inode> inodes_;
  std::map<std::filesystem::path, std::vector<int>> names_;  // values since the last sync
  std::vector<int> open_;
  std::size_t left_ = SIZE_MAX;
  std::size_t changes_ = 0;
  bool stopped_ = false;
  bool just_stopped_ = false;
};

}  // namespace ipop::os
