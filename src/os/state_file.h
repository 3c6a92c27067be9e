#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace ipop::os {

class FileSystem;

/// What a file of the state folder holds; stored in it, so that files cannot be mixed up. The
/// numbers are for ever.
enum class FileKind : std::uint8_t {
  Daemon = 1,      ///< port and other choices made at the first start
  Identity = 2,    ///< private keys of one network
  Statements = 3,  ///< the statement set of one network
  Secrets = 4,     ///< epoch secrets of one network
  Peers = 5,       ///< remembered endpoints
  Clock = 6,       ///< reserved handshake timestamps of one network
  Devices = 7,     ///< keys of the stock devices that a network's member hosts
};

/// Version of everything we write; a file of a later version is refused, not guessed at.
inline constexpr std::uint16_t kStateFileVersion = 1;
/// Largest payload, against a length field or a file that is not ours.
inline constexpr std::size_t kStatePayloadMax = std::size_t{64} << 20U;

struct WriteOptions {
  /// Also replaces NAME.old by the new content, so that the loss of either file loses nothing: for
  /// what cannot be made again (private keys). Twice the writes.
  bool both_copies = false;
};

struct LoadedFile {
  ByteVector payload;
  std::uint16_t version = 0;
  /// Not empty when NAME could not be used and NAME.old was: names the file, says what is wrong
  /// and what was done; for a health line.
  std::string damaged;
};

/// Replaces the file, so that at every instant, also when power fails, a complete good copy stands
/// under NAME or NAME.old: the old content or the new one. After success the new content is on the
/// disk. Mode 0600. A NAME that is damaged is not made NAME.old.
///
///   envelope: "IPOP" | kind u8 | version u16 LE | length u32 LE | payload | CRC-32C u32 LE
///
/// The CRC covers everything before it. CRC-32C finds every error burst up to 32 bits and every
/// 1-3 bit error at these lengths; it is against decay and half-written files, not against
/// attackers, who are kept out by the file's mode.
Result<void> write_state_file(const std::filesystem::path& path, FileKind kind, Bytes payload,
                              WriteOptions options = {});
Result<void> write_state_file(FileSystem& files, const std::filesystem::path& path, FileKind kind,
                              Bytes payload, WriteOptions options = {});

/// The newest good one of NAME and NAME.old. NotFound: neither exists. Denied: others can read the
/// file or its folder (the text says which chmod). BadValue: both damaged. Unsupported: written by
/// a newer ipop. Texts name the file.
Result<LoadedFile> read_state_file(const std::filesystem::path& path, FileKind kind);
Result<LoadedFile> read_state_file(FileSystem& files, const std::filesystem::path& path,
                                   FileKind kind);

/// Deletes NAME, NAME.old and what an interrupted write left, for `leave`. Files that are not there
/// are not an error.
Result<void> remove_state_file(const std::filesystem::path& path);

/// What is inside one file, borrowed from `file`. The version is not judged.
struct StateEnvelope {
  FileKind kind{};
  std::uint16_t version = 0;
  Bytes payload;
};
Result<StateEnvelope> parse_state_file(Bytes file, FileKind kind);
/// The envelope around `payload`, which is at most kStatePayloadMax long (checked).
ByteVector encode_state_file(FileKind kind, Bytes payload);

}  // namespace ipop::os
