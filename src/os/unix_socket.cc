#include "os/unix_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "os/error_text.h"

namespace ipop::os {
namespace {

using std::filesystem::path;

constexpr const char* kGroup = "ipop";
constexpr int kBacklog = 64;

Result<sockaddr_un> to_address(const path& file) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  const std::string text = file.string();
  if (text.empty() || text.size() >= sizeof out.sun_path) {
    return fail_text(Errc::BadValue,
                     "socket path \"" + text +
                         "\" must have 1 to 107 characters; choose one with "
                         "--socket",
                     0, "the socket path is too long");
  }
  text.copy(out.sun_path, sizeof out.sun_path - 1);
  return out;
}

int connect_to(const UniqueFd& socket, const sockaddr_un& address) {
  const int r = ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return r == 0 ? 0 : errno;
}

/// Makes the path free, or says who has it.
Result<void> clear_path(const path& file, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(file.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(file.string(), errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail_text(Errc::BadValue, file.string() +
                                         " exists and is not a socket; remove it or "
                                         "choose another path with --socket");
  }
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail(Errc::Os, "unix socket", errno);
  const int error = connect_to(probe, address);
  if (error == ECONNREFUSED || error == ENOENT) {
    if (::unlink(file.c_str()) == 0 || errno == ENOENT) return {};
    return fail_errno(file.string(), errno);
  }
  // Connected, or EAGAIN: somebody listens and has a full backlog.
  if (error == 0 || error == EAGAIN) {
    return fail_text(Errc::Busy,
                     "another ipopd is listening on " + file.string() +
                         "; stop it or choose another path with --socket",
                     EADDRINUSE);
  }
  return fail_errno(file.string(), error);
}

std::optional<gid_t> group_id(const char* name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(16384);  // a group with a thousand members
  if (::getgrnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0) return std::nullopt;
  return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

/// 0660 for the group where it exists and we may give the socket to it.
void open_to_group(const path& file) {
  const auto group = group_id(kGroup);
  if (group && ::chown(file.c_str(), static_cast<uid_t>(-1), *group) == 0) {
    ::chmod(file.c_str(), 0660);
  }
}

/// Holds the folder while we look and bind, so that two daemons that start at once do not remove
/// each other's socket. The kernel lets go of it when the descriptor closes.
Result<UniqueFd> lock_folder(const path& file) {
  const path folder = file.has_parent_path() ? file.parent_path() : path(".");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail_errno(folder.string(), error.value());
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(folder.string(), errno);
  if (::flock(fd.fd(), LOCK_EX | LOCK_NB) != 0) {
    return fail_text(Errc::Busy, "another ipopd is starting in " + folder.string() + "; try again",
                     errno);
  }
  return fd;
}

}  // namespace

Result<UnixListener> UnixListener::open(const path& file) {
  const auto address = to_address(file);
  if (!address) return std::unexpected(address.error());
  const auto lock = lock_folder(file);
  if (!lock) return std::unexpected(lock.error());
  if (auto r = clear_path(file, *address); !r) return std::unexpected(r.error());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail(Errc::Os, "unix socket", errno);
  // The mode of the socket's own inode is what bind() gives the file (unix(7) on Linux), so there
  // is no moment in which others can connect; umask() would be the whole process's.
  if (::fchmod(socket.fd(), 0600) != 0) return fail_errno(file.string(), errno);
  if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return fail_errno("control socket " + file.string(), errno);
  }
  struct stat status{};
  if (::lstat(file.c_str(), &status) != 0) return fail_errno(file.string(), errno);
  UnixListener out(std::move(socket), file, status.st_dev, status.st_ino);
  if (::listen(out.fd(), kBacklog) != 0) return fail_errno(file.string(), errno);
  open_to_group(file);
  return out;
}

UnixListener::~UnixListener() {
  if (!socket_) return;
  struct stat status{};
  if (::lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
}

Result<std::optional<UniqueFd>> UnixListener::accept() {
  while (true) {
    UniqueFd connection(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) return connection;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    // A client that gave up in the queue is not the end of the queue.
    if (errno != EINTR && errno != ECONNABORTED) return fail(Errc::Busy, "accept", errno);
  }
}

Result<UniqueFd> connect_unix(const path& file) {
  const auto address = to_address(file);
  if (!address) return std::unexpected(address.error());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(Errc::Os, "unix socket", errno);
  const int error = connect_to(socket, *address);
  if (error == 0) return socket;
  if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) {
    return fail_text(
        Errc::NotFound,
        "no ipopd is listening on " + file.string() + "; start it: systemctl start ipopd", error);
  }
  if (error == EACCES || error == EPERM) {
    return fail_text(Errc::Denied,
                     "no permission to use " + file.string() +
                         "; use sudo, or join the group: usermod -aG ipop USER",
                     error);
  }
  return fail_errno(file.string(), error);
}

Result<PeerCredentials> peer_credentials(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || length != sizeof peer) {
    return fail(Errc::Os, "SO_PEERCRED", errno);
  }
  return PeerCredentials{.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
}

}  // namespace ipop::os
