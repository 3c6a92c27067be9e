#include "daemon/state_store.h"

#include <algorithm>
#include <system_error>

#include "os/file_system.h"
#include "os/state_file.h"
#include "wire/reader.h"
#include "wire/statement.h"
#include "wire/writer.h"

namespace ipop::daemon {
namespace {

namespace fs = std::filesystem;

struct FileRule {
  engine::FileKind kind;
  const char* name;
  os::FileKind os_kind;
  bool both_copies;  ///< cannot be made again
};
constexpr FileRule kFiles[] = {
    {engine::FileKind::Identity, "identity", os::FileKind::Identity, true},
    {engine::FileKind::Secrets, "secrets", os::FileKind::Secrets, true},
    {engine::FileKind::Statements, "statements", os::FileKind::Statements, false},
    {engine::FileKind::Peers, "peers", os::FileKind::Peers, false},
    {engine::FileKind::Clock, "clock", os::FileKind::Clock, false},
    {engine::FileKind::Devices, "devices", os::FileKind::Devices, true},
};

const FileRule& rule_of(engine::FileKind kind) {
  return *std::find_if(std::begin(kFiles), std::end(kFiles),
                       [&](const FileRule& r) { return r.kind == kind; });
}

ByteVector& content_of(engine::StoredFiles& files, engine::FileKind kind) {
  switch (kind) {
    case engine::FileKind::Identity:
      return files.identity;
    case engine::FileKind::Secrets:
      return files.secrets;
    case engine::FileKind::Statements:
      return files.statements;
    case engine::FileKind::Peers:
      return files.peers;
    case engine::FileKind::Clock:
      return files.clock;
    case engine::FileKind::Devices:
      return files.devices;
  }
  return files.clock;
}

/// A cache may be lost; everything else must be there for the network to start.
bool is_cache(engine::FileKind kind) {
  return kind == engine::FileKind::Peers || kind == engine::FileKind::Clock;
}

}  // namespace

std::expected<std::optional<std::uint16_t>, std::string> StateStore::load_port() const {
  const auto file = os::read_state_file(dir_.file("port"), os::FileKind::Daemon);
  if (!file) {
    if (file.error().code == Errc::NotFound) return std::nullopt;
    return std::unexpected(std::string(file.error().what));
  }
  wire::Reader r(file->payload);
  const auto port = r.le<std::uint16_t>();
  if (!r.done() || port == 0) return std::nullopt;
  return port;
}

std::expected<void, std::string> StateStore::save_port(std::uint16_t port) const {
  ByteVector payload;
  wire::Writer(payload).le(port);
  const auto saved = os::write_state_file(dir_.file("port"), os::FileKind::Daemon, payload);
  if (!saved) return std::unexpected(std::string(saved.error().what));
  return {};
}

nat::PortMapper::Key StateStore::mapping_key(Rng& rng) const {
  const auto path = dir_.file("mapping");
  const auto file = os::read_state_file(path, os::FileKind::Daemon);
  if (file) {
    if (auto key = nat::PortMapper::Key::from(file->payload)) return std::move(*key);
  }
  auto key = nat::PortMapper::Key::random(rng);
  static_cast<void>(os::write_state_file(path, os::FileKind::Daemon, key.reveal()));
  return key;
}

std::expected<std::vector<LoadedNetwork>, std::string> StateStore::load_networks() const {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path networks = dir_.path() / "networks";
  // As in StateDir::open(): where a predecessor was killed before it had synced a folder's name.
  static_cast<void>(os::real_file_system().sync_folder(networks));
  const auto failed = [&] { return std::unexpected(networks.string() + ": " + error.message()); };
  fs::directory_iterator entries(networks, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return failed();
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) return failed();
    const std::string name = entries->path().filename().string();
    const bool is_folder = entries->is_directory(error);
    if (error) return failed();
    if (is_folder && wire::is_valid_name(name)) names.push_back(name);
  }
  if (error) return failed();
  std::sort(names.begin(), names.end());
  std::vector<LoadedNetwork> out;
  for (const std::string& name : names) {
    LoadedNetwork loaded = load_network(name);
    // A folder without an identity is one whose making was interrupted (the identity is written
    // last), or somebody took the file away: nothing to start, and nothing to delete either.
    if (loaded.problem.empty() && loaded.files.identity.empty()) {
      loaded.problem = (folder(name) / "identity").string() + " is missing";
    }
    out.push_back(std::move(loaded));
  }
  return out;
}

LoadedNetwork StateStore::load_network(const std::string& name) const {
  LoadedNetwork out;
  out.name = name;
  for (const char* file : {"identity", "identity.old"}) {
    std::error_code error;
    const bool exists = fs::exists(folder(name) / file, error);
    out.has_identity |= exists || error;
  }
  for (const FileRule& rule : kFiles) {
    const fs::path path = folder(name) / rule.name;
    auto file = os::read_state_file(path, rule.os_kind);
    if (file) {
      if (!file->damaged.empty()) out.warnings.push_back(file->damaged);
      content_of(out.files, rule.kind) = std::move(file->payload);
    } else if (is_cache(rule.kind)) {
      if (file.error().code != Errc::NotFound) out.warnings.emplace_back(file.error().what);
    } else if (file.error().code != Errc::NotFound) {
      out.problem = std::string(file.error().what);
      return out;
    }
  }
  const auto missing = [&](const char* file) {
    out.problem = (folder(name) / file).string() + " is missing";
  };
  // The identity is written last when a network is founded or joined: without it there is none.
  if (!out.files.identity.empty() && out.files.secrets.empty()) missing("secrets");
  return out;
}

std::expected<void, std::string> StateStore::save(const engine::Store& store) const {
  const FileRule& rule = rule_of(store.kind);
  std::error_code error;
  const fs::path path = folder(store.network);
  for (const fs::path& p : {dir_.path() / "networks", path}) {
    const bool made = fs::create_directory(p, error);
    if (made) fs::permissions(p, fs::perms::owner_all, fs::perm_options::replace, error);
    if (error) return std::unexpected(p.string() + ": " + error.message());
    if (!made) continue;
    // A power failure must not take the folder away with the files that were synced in it.
    const auto synced = os::real_file_system().sync_folder(p.parent_path());
    if (!synced) return std::unexpected(std::string(synced.error().what));
  }
  const auto saved = os::write_state_file(path / rule.name, rule.os_kind, store.bytes,
                                          {.both_copies = rule.both_copies});
  if (!saved) return std::unexpected(std::string(saved.error().what));
  return {};
}

std::expected<void, std::string> StateStore::forget(const std::string& network) const {
  const fs::path path = folder(network);
  std::error_code error;
  if (!fs::exists(path, error) && !error) return {};
  // The identity first: a rest without it is no network.
  for (const FileRule& rule : kFiles) {
    const auto removed = os::remove_state_file(path / rule.name);
    if (!removed) return std::unexpected(std::string(removed.error().what));
  }
  fs::remove(path, error);  // stays where somebody has put other files in it
  return {};
}

std::expected<fs::path, std::string> StateStore::set_aside(const std::string& network) const {
  const fs::path left = dir_.path() / "left";
  std::error_code error;
  if (fs::create_directory(left, error)) {
    fs::permissions(left, fs::perms::owner_all, fs::perm_options::replace, error);
  }
  fs::path to = left / network;
  for (int n = 2; !error && fs::exists(to, error); ++n) {
    to = left / (network + "-" + std::to_string(n));
  }
  if (!error) fs::rename(folder(network), to, error);
  if (error) return std::unexpected(folder(network).string() + ": " + error.message());
  for (const fs::path& p : {left, dir_.path() / "networks", dir_.path()}) {
    const auto synced = os::real_file_system().sync_folder(p);
    if (!synced) return std::unexpected(std::string(synced.error().what));
  }
  return to;
}

fs::path StateStore::folder(const std::string& network) const {
  return dir_.path() / "networks" / network;
}

}  // namespace ipop::daemon
