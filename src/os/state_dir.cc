#include "os/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "os/error_text.h"

namespace ipop::os {
namespace {

using std::filesystem::path;

Result<void> make_folder(const path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  if (error) return fail_errno(folder.parent_path().string(), error.value());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail_errno("state folder " + folder.string(), errno);
  }
  return {};
}

Result<void> require_ours(const path& folder) {
  struct stat status{};
  if (::stat(folder.c_str(), &status) != 0) return fail_errno(folder.string(), errno);
  if (!S_ISDIR(status.st_mode)) {
    return fail_text(Errc::BadValue, folder.string() + " is not a folder", ENOTDIR);
  }
  if (status.st_uid != ::geteuid()) {
    return fail_text(Errc::Denied, folder.string() + " belongs to user " +
                                       std::to_string(status.st_uid) + "; run: chown -R " +
                                       std::to_string(::geteuid()) + " " + folder.string());
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail_text(Errc::Denied, folder.string() +
                                       " holds secrets but is open to other users; run: chmod "
                                       "700 " +
                                       folder.string());
  }
  return {};
}

path parent_of(const path& folder) {
  return folder.has_parent_path() ? folder.parent_path() : path(".");
}

/// Puts the names in `folder` on the disk. Where a predecessor was killed between a rename and its
/// sync, what we are about to read and act on must not be taken back by a power failure.
Result<void> sync_names(const path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.fd()) != 0) return fail_errno(folder.string(), errno);
  return {};
}

std::string holder(int lock) {
  std::array<char, 16> text{};
  const ssize_t n = ::pread(lock, text.data(), text.size() - 1, 0);
  std::string out;
  for (ssize_t i = 0; i < n && text[static_cast<std::size_t>(i)] >= '0' &&
                      text[static_cast<std::size_t>(i)] <= '9';
       ++i) {
    out += text[static_cast<std::size_t>(i)];
  }
  return out.empty() ? "another process" : "another ipopd (process " + out + ")";
}

Result<UniqueFd> take_lock(const path& folder) {
  const path file = folder / "lock";
  UniqueFd lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail_errno(file.string(), errno);
  if (::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(file.string(), errno);
    return fail_text(Errc::Busy,
                     folder.string() + " is in use by " + holder(lock.fd()) +
                         "; stop it or choose another folder with --state",
                     EWOULDBLOCK, "the state folder is in use by another ipopd");
  }
  // For the other daemon's error message only; the lock itself is the kernel's.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.fd(), 0) != 0 ||
      ::pwrite(lock.fd(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail_errno(file.string(), errno);
  }
  return lock;
}

}  // namespace

Result<StateDir> StateDir::open(const std::filesystem::path& folder) {
  if (auto r = make_folder(folder); !r) return std::unexpected(r.error());
  if (auto r = require_ours(folder); !r) return std::unexpected(r.error());
  auto lock = take_lock(folder);
  if (!lock) return std::unexpected(lock.error());
  if (auto r = sync_names(folder); !r) return std::unexpected(r.error());
  if (auto r = sync_names(parent_of(folder)); !r) return std::unexpected(r.error());
  return StateDir(folder, std::move(*lock));
}

}  // namespace ipop::os
