#include "daemon/proxy_health.h"

namespace ipop::daemon {

void ProxyHealth::handle_up(const Endpoint& to) {
  up_.insert(to);
  problem_.reset();
}

bool ProxyHealth::handle_down(Instant now, const Endpoint& to, const std::string& problem) {
  up_.erase(to);
  if (problem.empty() || !up_.empty()) return false;
  problem_ = {"tls_proxy", "members cannot be dialled by TLS: " + problem,
              "see [tls] proxy in ipopd.toml, or https_proxy in its environment"};
  if (logged_at_ && now - *logged_at_ < kLogAgain) return false;
  logged_at_ = now;
  return true;
}

}  // namespace ipop::daemon
