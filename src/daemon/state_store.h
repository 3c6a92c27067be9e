#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/network.h"
#include "engine/output.h"
#include "nat/port_mapper.h"
#include "os/state_dir.h"

namespace ipop::daemon {

/// A network's files as they were found, or why they cannot be used.
struct LoadedNetwork {
  std::string name;
  engine::StoredFiles files;
  std::string problem;                ///< not empty: names the file; the network stays as it is
  bool has_identity = false;          ///< keys are in the folder, readable or not
  std::vector<std::string> warnings;  ///< a second copy was used, a cache was thrown away
};

/// The state folder's layout:
///
///   STATE/lock               held while the daemon runs
///   STATE/port               the UDP port, drawn at the first start
///   STATE/mapping            the key that port mappings are asked for with
///   STATE/networks/NAME/     identity secrets statements peers clock devices
///   STATE/left/NAME/         such a folder that could not be read, moved there by `ipop leave`
///
/// Every file has two generations (os/state_file.h). Nothing here ever makes a new identity in
/// place of one that cannot be read. One thread.
class StateStore {
 public:
  explicit StateStore(os::StateDir dir) : dir_(std::move(dir)) {}

  /// The port of the first start, or nullopt.
  std::expected<std::optional<std::uint16_t>, std::string> load_port() const;
  std::expected<void, std::string> save_port(std::uint16_t port) const;

  /// What proves to a gateway that a port mapping is ours; made at the first start. One that cannot
  /// be kept or read is made anew: the gateway then refuses us what an earlier start mapped, until
  /// that expires.
  nat::PortMapper::Key mapping_key(Rng& rng) const;

  /// Error: the folder of the networks cannot be looked into; nobody knows then which there are.
  std::expected<std::vector<LoadedNetwork>, std::string> load_networks() const;
  /// Durable when it returns. The error names the file.
  std::expected<void, std::string> save(const engine::Store& store) const;
  /// Deletes the network's files. The error names what is still there.
  std::expected<void, std::string> forget(const std::string& network) const;
  /// Moves the network's folder out of the way, as it is; returns where it is now.
  std::expected<std::filesystem::path, std::string> set_aside(const std::string& network) const;
  std::filesystem::path folder(const std::string& network) const;

 private:
  LoadedNetwork load_network(const std::string& name) const;

  os::StateDir dir_;
};

}  // namespace ipop::daemon
