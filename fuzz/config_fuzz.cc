// ipopd.toml, as an editor that went wrong may leave it.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "daemon/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ipop::daemon::DaemonConfig;
  const auto text = ipop::as_text(std::as_bytes(std::span(data, size)));
  DaemonConfig config;
  const auto outcome = ipop::daemon::read_config(text, "f", config);
  if (!outcome) {
    ipop::check(outcome.error().starts_with("f:"));
    ipop::check(config == DaemonConfig{});
    return 0;
  }
  ipop::check(config.state.is_absolute() && config.socket.is_absolute());
  ipop::check(!config.interface || ipop::daemon::is_valid_interface(*config.interface));
  ipop::check(!config.listen || *config.listen != 0);
  return 0;
}
