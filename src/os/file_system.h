#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// The steps of a crash-safe write, one system call each, so that a test can stop between any two
/// and see what a restart finds. Errors keep errno in `os`; NotFound = no such file.
class FileSystem {
 public:
  /// A file being written.
  using Handle = int;

  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  /// The whole file. Denied when group or others may use it or its folder; BadValue when it is no
  /// regular file or longer than `size_max`.
  virtual Result<ByteVector> read(const std::filesystem::path& path, std::size_t size_max) = 0;
  /// An empty file of mode 0600 in place of whatever is there.
  virtual Result<Handle> create(const std::filesystem::path& path) = 0;
  virtual Result<void> write(Handle file, Bytes bytes) = 0;
  /// On the disk when it returns.
  virtual Result<void> sync(Handle file) = 0;
  virtual void close(Handle file) = 0;
  virtual Result<void> link(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual Result<void> rename(const std::filesystem::path& from,
                              const std::filesystem::path& to) = 0;
  virtual Result<void> remove(const std::filesystem::path& path) = 0;
  /// The names in `folder` are on the disk when it returns.
  virtual Result<void> sync_folder(const std::filesystem::path& folder) = 0;
};

/// The machine's own. One object for the process; any thread.
FileSystem& real_file_system();

}  // namespace ipop::os
