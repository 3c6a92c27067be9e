// Which networks there are: how they begin, which of them a verb means, and how they end.

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/text.h"

namespace ipop::engine {
namespace {

CommandError held_error(const std::string& name, const std::string& problem) {
  return {Failure::StateError, "network " + name + " is off: " + problem, held_advice(name)};
}

}  // namespace

Outcome<Engine::Created> Engine::create(const Now& now, const CreateOptions& options) {
  if (const auto held = held_.find(options.network); held != held_.end()) {
    return std::unexpected(held_error(held->first, held->second));
  }
  for (const auto& [slot, network] : networks_) {
    if (network->name() == options.network) {
      return std::unexpected(CommandError{Failure::NetworkExists,
                                          "this computer already has a network " + options.network,
                                          "choose another name, or `ipop leave` that one first"});
    }
  }
  Network& made = add_network();
  auto recovery = made.found(now, options);
  if (!recovery) {
    networks_.erase(made.slot());
    return std::unexpected(recovery.error());
  }
  return Created{options.network, std::move(*recovery)};
}

Outcome<void> Engine::join(const Now& now, CommandId command, std::string_view invite,
                           const JoinOptions& options) {
  Network* target = nullptr;
  for (auto& [slot, network] : networks_) {
    if (network->is_joining_with(invite)) target = network.get();
  }
  const bool fresh = target == nullptr;
  if (fresh) target = &add_network();
  const NetworkSlot slot = target->slot();
  if (fresh) {
    if (auto clash = already_member(*target, invite)) {
      networks_.erase(slot);
      return std::unexpected(std::move(*clash));
    }
  }
  auto begun = target->begin_join(now, invite, options, command);
  if (!begun && fresh) networks_.erase(slot);
  settle(now);
  return begun;
}

std::expected<void, std::string> Engine::restore(const Now& now, const std::string& name,
                                                 const StoredFiles& files) {
  Network& network = add_network();
  auto restored = network.restore(now, name, files);
  if (!restored) {
    networks_.erase(network.slot());
    return restored;
  }
  // A join that was finished just when the machine stopped: the member's files stand, the joiner's
  // go. Nobody else's do: two identities in one network are two.
  for (auto& [slot, other] : networks_) {
    const bool half = network.state() == Network::State::Joining;
    const bool other_half = other->state() == Network::State::Joining;
    if (half == other_half || !network.is_same_member(*other)) continue;
    Network& joiner = half ? network : *other;
    ctx_.outputs.emplace_back(Forget{joiner.name()});
    joiner.discard();
  }
  drop_finished();
  return {};
}

/// The names of the others, and what has to make way, are known here alone.
void Engine::finish_joins(const Now& now) {
  for (auto& [slot, network] : networks_) {
    if (!network->is_admitted()) continue;
    make_way(now, *network);
    network->finish_join(now, free_name(*network));
  }
}

/// Whoever is a member now needs neither the membership that it had lost, whose name it takes, nor
/// other attempts to come in.
void Engine::make_way(const Now& now, const Network& joined) {
  for (auto& [slot, other] : networks_) {
    if (other.get() == &joined || !(other->id() == joined.id())) continue;
    switch (other->state()) {
      case Network::State::Joining:
        other->give_up_join(now, {Failure::AlreadyMember,
                                  "this computer has just joined that network by another invite",
                                  "`ipop status` shows it"});
        break;
      case Network::State::Out:
        other->retire(now);
        break;
      case Network::State::Member:
        break;
    }
  }
}

/// The network's own name, or NAME-2, NAME-3, … where this machine has one of that name already.
std::string Engine::free_name(const Network& network) const {
  const auto is_taken = [&](const std::string& name) {
    return held_.contains(name) || std::ranges::any_of(networks_, [&](const auto& entry) {
             return !entry.second->is_finished() && entry.second->name() == name;
           });
  };
  const std::string& own = network.own_name();
  std::string name = own;
  for (int n = 2; is_taken(name); ++n) name = own + "-" + std::to_string(n);
  return name;
}

Outcome<Left> Engine::leave(const Now& now, std::string_view network) {
  const auto n = find(network);
  if (!n) return std::unexpected(n.error());
  Left left{.network = (*n)->name()};
  if ((*n)->state() == Network::State::Joining) {
    (*n)->give_up_join(now, {Failure::NoNetwork, "given up by `ipop leave`", "ask for an invite"});
  } else {
    left.told = (*n)->leave(now);
  }
  drop_finished();
  return left;
}

void Engine::drop_finished() {
  const auto gone = std::erase_if(networks_, [](const auto& n) { return n.second->is_finished(); });
  if (gone != 0) ctx_.snapshot_stale = true;
}

Outcome<Network*> Engine::find(std::string_view name) const {
  std::vector<Network*> candidates;
  std::string names;
  for (const auto& [slot, network] : networks_) {
    if (!name.empty() && network->name() == name) return network.get();
    if (network->state() == Network::State::Joining) continue;
    candidates.push_back(network.get());
    names += (names.empty() ? "" : ", ") + network->name();
  }
  if (const auto held = held_.find(name); held != held_.end()) {
    return std::unexpected(held_error(held->first, held->second));
  }
  if (!name.empty()) {
    return std::unexpected(CommandError{
        Failure::UnknownNetwork, "this computer is in no network called " + std::string(name),
        names.empty() ? "`ipop create NETWORK` founds one, `ipop join INVITE` joins one"
                      : "its networks: " + names});
  }
  if (candidates.size() == 1) return candidates.front();
  if (candidates.empty() && !held_.empty()) {
    return std::unexpected(held_error(held_.begin()->first, held_.begin()->second));
  }
  if (candidates.empty()) {
    return std::unexpected(
        CommandError{Failure::NoNetwork, "this computer is in no network yet",
                     "`ipop create NETWORK` founds one, `ipop join INVITE` joins one"});
  }
  return std::unexpected(CommandError{
      Failure::AmbiguousNetwork, "this computer is in several networks", "name one: " + names});
}

Outcome<Network*> Engine::find_settled(std::string_view name) const {
  auto found = find(name);
  if (found && (*found)->state() == Network::State::Joining) {
    return std::unexpected(
        CommandError{Failure::UnknownNetwork, std::string(name) + " is a join that is not finished",
                     "`ipop join` with the same invite finishes it, `ipop leave " +
                         std::string(name) + "` gives it up"});
  }
  return found;
}

Outcome<Network*> Engine::find_member(std::string_view name) const {
  auto found = find_settled(name);
  if (found && (*found)->state() == Network::State::Out) {
    return std::unexpected(
        CommandError{Failure::RemovedMember,
                     "this computer is not a member of " + (*found)->name() + " any more",
                     "`ipop leave " + (*found)->name() + "`, then join with a new invite"});
  }
  return found;
}

std::optional<CommandError> Engine::already_member(const Network& except,
                                                   std::string_view invite) const {
  const auto id = Network::network_of_invite(invite);
  if (!id) return std::nullopt;
  for (const auto& [slot, network] : networks_) {
    if (network.get() == &except || network->state() != Network::State::Member) continue;
    if (network->id() == *id) {
      return CommandError{Failure::AlreadyMember,
                          "this computer is already a member of " + network->name(),
                          "`ipop status " + network->name() + "` shows it"};
    }
  }
  return std::nullopt;
}

Network& Engine::add_network() {
  const NetworkSlot slot{next_slot_++};
  return *networks_.emplace(slot, std::make_unique<Network>(ctx_, slot)).first->second;
}

}  // namespace ipop::engine
