#pragma once

#include <filesystem>

#include "base/error.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// The daemon's state folder, held for this process alone.
class StateDir {
 public:
  /// Makes the folder (0700) where there is none, and takes its lock. Busy: another daemon has it
  /// (the text names its process id). Denied: not ours, or others can look inside (the text says
  /// which command helps).
  static Result<StateDir> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

 private:
  StateDir(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  UniqueFd lock_;  // flock() ends when this closes, however the process ends
};

}  // namespace ipop::os
