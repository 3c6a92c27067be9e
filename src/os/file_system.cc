#include "os/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "os/error_text.h"

namespace ipop::os {
namespace {

using std::filesystem::path;

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

Result<void> outcome(int result, const path& file) {
  if (result == 0) return {};
  return fail_errno(file.string(), errno);
}

/// Denied when group or others may do anything with it.
Result<void> require_private(const struct stat& status, const path& what, const char* mode) {
  if ((status.st_mode & kOthers) == 0) return {};
  return fail_text(Errc::Denied, what.string() +
                                     " holds secrets but is open to other users; run: "
                                     "chmod " +
                                     mode + " " + what.string());
}

Result<void> require_private_folder(const path& file) {
  const path folder = file.has_parent_path() ? file.parent_path() : path(".");
  struct stat status{};
  if (::stat(folder.c_str(), &status) != 0) return fail_errno(folder.string(), errno);
  return require_private(status, folder, "700");
}

class RealFileSystem final : public FileSystem {
 public:
  Result<ByteVector> read(const path& file, std::size_t size_max) override;

  Result<Handle> create(const path& file) override {
    // Removed first: a leftover may have other rights, or be a link to somewhere.
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return fail_errno(file.string(), errno);
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno(file.string(), errno);
    return fd;
  }

  Result<void> write(Handle file, Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail_errno("writing a state file", n < 0 ? errno : EIO);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<void> sync(Handle file) override { return outcome(::fsync(file), "fsync"); }
  void close(Handle file) override { ::close(file); }

  Result<void> link(const path& from, const path& to) override {
    return outcome(::link(from.c_str(), to.c_str()), to);
  }
  Result<void> rename(const path& from, const path& to) override {
    return outcome(::rename(from.c_str(), to.c_str()), to);
  }
  Result<void> remove(const path& file) override { return outcome(::unlink(file.c_str()), file); }

  Result<void> sync_folder(const path& folder) override {
    UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail_errno(folder.string(), errno);
    return outcome(::fsync(fd.fd()), folder);
  }
};

Result<ByteVector> RealFileSystem::read(const path& file, std::size_t size_max) {
  // O_NONBLOCK: a FIFO in the file's place must not hold the daemon up.
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!fd) return fail_errno(file.string(), errno);
  struct stat status{};
  if (::fstat(fd.fd(), &status) != 0) return fail_errno(file.string(), errno);
  if (!S_ISREG(status.st_mode)) return fail(Errc::BadValue, "is not a regular file");
  if (auto r = require_private(status, file, "600"); !r) return std::unexpected(r.error());
  if (auto r = require_private_folder(file); !r) return std::unexpected(r.error());
  if (static_cast<std::uint64_t>(status.st_size) > size_max) {
    return fail(Errc::BadValue, "is too large for an ipop state file");
  }
  ByteVector out(static_cast<std::size_t>(status.st_size));
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t n = ::read(fd.fd(), out.data() + have, out.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(file.string(), errno);
    if (n == 0) break;  // became shorter while we read; the envelope will show it
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem files;
  return files;
}

}  // namespace ipop::os
