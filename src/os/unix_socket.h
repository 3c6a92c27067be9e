#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// Who is at the other end, as the kernel knows it.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// The control socket's listening end (stream). The path is removed with the object, if it is still
/// ours. One thread.
class UnixListener {
 public:
  /// Makes the folder where there is none, removes a socket that nobody listens on, and listens:
  /// 0660 root:ipop where the group exists and we may, else 0600. Busy: another ipopd listens
  /// there. BadValue: path too long, or something that is no socket is there.
  static Result<UnixListener> open(const std::filesystem::path& path);

  UnixListener(UnixListener&&) noexcept = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  /// The next waiting connection, non-blocking and close-on-exec; nullopt when there is none. Busy:
  /// one waits, but the descriptors of this process or machine are used up, so that it goes on
  /// waiting and fd() stays readable.
  Result<std::optional<UniqueFd>> accept();
  int fd() const { return socket_.fd(); }

 private:
  UnixListener(UniqueFd socket, std::filesystem::path path, dev_t device, ino_t inode)
      : socket_(std::move(socket)), path_(std::move(path)), device_(device), inode_(inode) {}

  UniqueFd socket_;
  std::filesystem::path path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Connects to a daemon; blocking, close-on-exec. NotFound: no daemon there. Denied: not allowed to
/// talk to it. Texts say what to do.
Result<UniqueFd> connect_unix(const std::filesystem::path& path);

Result<PeerCredentials> peer_credentials(int fd);

}  // namespace ipop::os
