#include "os/state_file.h"

#include <cerrno>
#include <optional>

#include "base/check.h"
#include "os/crc32c.h"
#include "os/error_text.h"
#include "os/file_system.h"

namespace ipop::os {
namespace {

using std::filesystem::path;

constexpr std::string_view kMagic = "IPOP";
constexpr std::size_t kHeaderBytes = 4 + 1 + 2 + 4;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kFileMax = kHeaderBytes + kStatePayloadMax + kChecksumBytes;

void put(ByteVector& out, std::uint32_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

std::uint32_t take(Bytes bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | std::to_integer<std::uint32_t>(bytes[i]);
  }
  return value;
}

path with_suffix(path file, const char* suffix) {
  file += suffix;
  return file;
}

path folder_of(const path& file) { return file.has_parent_path() ? file.parent_path() : path("."); }

/// Private keys do not stay in freed memory longer than the caller keeps them.
void wipe(ByteVector& bytes) {
  if (!bytes.empty()) ::explicit_bzero(bytes.data(), bytes.size());
}

/// What one of the two names holds.
struct Copy {
  bool exists = true;
  std::optional<LoadedFile> file;  // set: complete, undamaged and of this kind
  Error error{};                   // otherwise: why not
};

Copy load(FileSystem& files, const path& file, FileKind kind) {
  auto bytes = files.read(file, kFileMax);
  if (!bytes) {
    return {.exists = bytes.error().code != Errc::NotFound, .file = {}, .error = bytes.error()};
  }
  const auto envelope = parse_state_file(*bytes, kind);
  Copy out;
  if (envelope) {
    out.file = LoadedFile{to_vector(envelope->payload), envelope->version, {}};
  } else {
    out.error = envelope.error();
  }
  wipe(*bytes);
  return out;
}

/// Wrong permissions and a lack of descriptors say nothing about the content: going back in time
/// would be wrong. A sector that cannot be read is damage.
bool is_for_operator(const Copy& copy) {
  if (copy.file || !copy.exists) return false;
  return copy.error.code == Errc::Denied || (copy.error.os != 0 && copy.error.os != EIO);
}

std::string describe(const path& file, const Copy& copy) {
  if (!copy.exists) return file.string() + " is missing";
  if (copy.error.os != 0) return file.string() + " cannot be read";
  return file.string() + " " + std::string(copy.error.what);
}

std::unexpected<Error> newer(const path& file, std::uint16_t version) {
  return fail_text(Errc::Unsupported, file.string() + " was written by a newer ipop (format " +
                                          std::to_string(version) + ", this one knows " +
                                          std::to_string(kStateFileVersion) +
                                          "); install that version again");
}

Result<LoadedFile> accept(const path& file, LoadedFile loaded) {
  if (loaded.version > kStateFileVersion) return newer(file, loaded.version);
  return loaded;
}

/// A new file `to` with this content, on the disk, through `temporary`. Its name in the folder is
/// durable only after sync_folder().
Result<void> replace(FileSystem& files, const path& temporary, const path& to, Bytes content) {
  const auto handle = files.create(temporary);
  if (!handle) return std::unexpected(handle.error());
  Result<void> written = files.write(*handle, content);
  if (written) written = files.sync(*handle);
  files.close(*handle);
  if (written) written = files.rename(temporary, to);
  if (!written) static_cast<void>(files.remove(temporary));
  return written;
}

/// Makes NAME.old a second name of the present NAME. NAME itself is untouched and good, so that
/// the moment without NAME.old is safe. (rename() of one link over the other would do nothing.)
Result<void> keep_previous(FileSystem& files, const path& file, const path& old) {
  if (auto r = files.remove(old); !r && r.error().code != Errc::NotFound) return r;
  return files.link(file, old);
}

}  // namespace

Result<StateEnvelope> parse_state_file(Bytes file, FileKind kind) {
  if (file.size() < kHeaderBytes + kChecksumBytes) return fail(Errc::Truncated, "is cut short");
  if (as_text(file.first(kMagic.size())) != kMagic) {
    return fail(Errc::BadValue, "is not an ipop state file");
  }
  const std::size_t length = take(file.subspan(7, 4));
  const std::size_t body = file.size() - kHeaderBytes - kChecksumBytes;
  if (length > body) return fail(Errc::Truncated, "is cut short");
  if (length < body) return fail(Errc::BadValue, "has bytes behind its end");
  if (take(file.last(kChecksumBytes)) != crc32c(file.first(file.size() - kChecksumBytes))) {
    return fail(Errc::BadValue, "has a wrong checksum");
  }
  if (file[4] != std::byte(kind)) return fail(Errc::BadValue, "holds another kind of data");
  return StateEnvelope{.kind = kind,
                       .version = static_cast<std::uint16_t>(take(file.subspan(5, 2))),
                       .payload = file.subspan(kHeaderBytes, length)};
}

ByteVector encode_state_file(FileKind kind, Bytes payload) {
  check(payload.size() <= kStatePayloadMax);
  ByteVector out;
  out.reserve(kHeaderBytes + payload.size() + kChecksumBytes);
  append(out, as_bytes(kMagic));
  put(out, static_cast<std::uint8_t>(kind), 1);
  put(out, kStateFileVersion, 2);
  put(out, static_cast<std::uint32_t>(payload.size()), 4);
  append(out, payload);
  put(out, crc32c(out), kChecksumBytes);
  return out;
}

Result<void> write_state_file(FileSystem& files, const path& file, FileKind kind, Bytes payload,
                              WriteOptions options) {
  if (payload.size() > kStatePayloadMax) {
    return fail_text(Errc::Busy, file.string() + " would become too large");
  }
  const path old = with_suffix(file, ".old");
  const path temporary = with_suffix(file, ".tmp");
  ByteVector content = encode_state_file(kind, payload);
  const auto steps = [&]() -> Result<void> {
    // Only a good NAME may take the place of NAME.old; with both copies, NAME.old is as good as
    // NAME until it is replaced last.
    const Copy present = load(files, file, kind);
    if (present.file && present.file->version > kStateFileVersion) {
      return newer(file, present.file->version);
    }
    if (present.file && !options.both_copies) {
      if (auto r = keep_previous(files, file, old); !r) return r;
    }
    if (auto r = replace(files, temporary, file, content); !r) return r;
    if (auto r = files.sync_folder(folder_of(file)); !r) return r;
    if (!options.both_copies) return {};
    if (auto r = replace(files, temporary, old, content); !r) return r;
    return files.sync_folder(folder_of(file));
  };
  const Result<void> result = steps();
  wipe(content);
  return result;
}

Result<LoadedFile> read_state_file(FileSystem& files, const path& file, FileKind kind) {
  const path old = with_suffix(file, ".old");
  Copy copy = load(files, file, kind);
  if (copy.file) return accept(file, std::move(*copy.file));
  if (is_for_operator(copy)) return std::unexpected(copy.error);
  Copy previous = load(files, old, kind);
  if (!copy.exists && !previous.exists) {
    return fail_text(Errc::NotFound, file.string() + " does not exist", ENOENT);
  }
  if (is_for_operator(previous)) return std::unexpected(previous.error);
  const std::string wrong = describe(file, copy);
  if (!previous.file) {
    return fail_text(Errc::BadValue, wrong + ", and " + describe(old, previous) +
                                         "; restore one of them from a backup");
  }
  previous.file->damaged = wrong + "; its previous version " + old.string() + " was used";
  return accept(old, std::move(*previous.file));
}

Result<void> write_state_file(const path& file, FileKind kind, Bytes payload,
                              WriteOptions options) {
  return write_state_file(real_file_system(), file, kind, payload, options);
}

Result<LoadedFile> read_state_file(const path& file, FileKind kind) {
  return read_state_file(real_file_system(), file, kind);
}

Result<void> remove_state_file(const path& file) {
  FileSystem& files = real_file_system();
  for (const char* suffix : {".tmp", ".old", ""}) {
    const auto removed = files.remove(with_suffix(file, suffix));
    if (!removed && removed.error().code != Errc::NotFound) return removed;
  }
  return files.sync_folder(folder_of(file));
}

}  // namespace ipop::os
