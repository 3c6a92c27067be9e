// What is wrong, in `ipop status` and with what creates or joins a network.

#include "daemon/daemon.h"
#include "daemon/replies.h"
#include "engine/text.h"

namespace ipop::daemon {

/// What keeps members from reaching us by TLS, or us from dialling them.
std::vector<control::Health> Daemon::tls_health() const {
  std::vector<control::Health> out;
  if (streams_problem_) out.push_back(*streams_problem_);
  if (proxy_.problem()) out.push_back(*proxy_.problem());
  return out;
}

/// What is wrong with the files of networks, and joins that wait for their user.
std::vector<control::Health> Daemon::state_health() const {
  std::vector<control::Health> out = start_health_;
  for (const auto& [name, problem] : engine_.held()) {
    out.push_back(
        {"state_damaged", "network " + name + " is off: " + problem, engine::held_advice(name)});
  }
  for (const auto& [slot, network] : engine_.networks()) {
    if (!network->is_unfinished_join()) continue;
    out.push_back({"join_unfinished", "a join was begun and not finished: " + network->name(),
                   "`ipop join` with the same invite finishes it, `ipop leave " + network->name() +
                       "` gives it up"});
  }
  return out;
}

std::vector<control::Health> Daemon::health_of(const engine::NetworkStatus& status) const {
  std::vector<control::Health> out;
  for (const engine::Health& h : status.health) out.push_back(daemon::health_of(h));
  const Interfaces::Problem names = interfaces_.dns_problem(status.slot);
  if (!names.what.empty()) {
    out.push_back({"names_not_integrated", status.name + ": " + names.what, names.next});
  }
  return out;
}

}  // namespace ipop::daemon
