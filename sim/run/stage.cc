#include "sim/run/stage.h"

#include <algorithm>

#include "base/check.h"
#include "sim/run/checkers.h"
#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSampleEvery = 1s;
constexpr std::size_t kMarkerSize = 16;

double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

Stage::Stage(Report& report)
    : report_(&report),
      world_(report.seed),
      villains_(report.seed + 1),
      traffic_(world_, report),
      rng_(report.seed + 2),
      open_(report.nodes),
      begun_(world_.at()) {
  world_.villains = &villains_;
  world_.marker.resize(kMarkerSize);
  rng_.fill(world_.marker);
  world_.terrain.emplace(Terrain::Options{.seed = report.seed});
  world_.default_path = {};
  for (std::size_t i = 0; i < report.nodes; ++i) world_.add_node();
}

double Stage::seconds() const { return to_seconds(world_.at() - begun_); }

void Stage::run(Duration time) {
  const Instant end = world_.at() + time;
  while (world_.at() < end) tick();
}

void Stage::begin() { found(node(0), "family", name(0)); }

bool Stage::call_to_join(std::size_t i) {
  std::vector<std::size_t> inviters;
  for (std::size_t k = 0; k < std::min(open_, size()); ++k) {
    const bool is_met = k != i && world_.group(k) == world_.group(i) && is_live(k);
    if (is_met && is_honest(k) && self(k)->v4) inviters.push_back(k);
  }
  const auto text = invite_of_one(std::move(inviters));
  if (!text) return false;
  Node& joiner = node(i);
  joiner.updates.clear();
  begin_join(joiner, *text, name(i));
  joining_.push_back({.node = i, .called = world_.at()});
  return true;
}

/// Who has not heard of the newest secret yet does not invite.
std::optional<std::string> Stage::invite_of_one(std::vector<std::size_t> inviters) {
  while (!inviters.empty()) {
    const auto drawn = inviters.begin() + static_cast<std::ptrdiff_t>(rng_.below(inviters.size()));
    Node& inviter = node(*drawn);
    const auto made = inviter.engine().invite(inviter.now(), {}, {});
    inviter.drain();
    if (made) return made->text;
    inviters.erase(drawn);
  }
  return std::nullopt;
}

void Stage::join_everybody(Duration spread, Duration patience) {
  const Instant begun = world_.at();
  const auto joiners = static_cast<std::int64_t>(size() - 1);
  for (std::int64_t i = 1; i <= joiners; ++i) {
    check(call_to_join(static_cast<std::size_t>(i)));
    run(begun + spread * i / joiners - world_.at());
  }
  wait([&] { return joining_.empty(); }, patience);
  for (const Joining& j : joining_) {
    const auto failure = join_failure(node(j.node));
    report_->check(Property::MembershipIsAgreed,
                   name(j.node) + (j.joined  ? " is a member without a place in the ring"
                                   : failure ? " was refused"
                                             : " waits for an answer to its join"));
  }
}

std::size_t Stage::add_node() { return world_.add_node().index(); }

std::vector<std::size_t> Stage::live() {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < size(); ++i) {
    if (is_live(i)) out.push_back(i);
  }
  return out;
}

const member::Member* Stage::self(std::size_t i) {
  return outcasts_.contains(i) ? nullptr : self_of(node(i));
}

const overlay::Ring& Stage::ring(std::size_t i) { return *network_of(node(i)).ring(); }

const member::Membership& Stage::membership(std::size_t i) {
  return network_of(node(i)).membership();
}

void Stage::tick() {
  world_.run_for(kTick);
  traffic_.collect();
  villains_.act(world_);
  follow_joins();
  if (world_.at() >= sample_at_) {
    sample_at_ = world_.at() + kSampleEvery;
    sample();
  }
}

void Stage::follow_joins() {
  std::erase_if(joining_, [&](Joining& j) {
    Node& joiner = node(j.node);
    if (!joiner.is_running()) return true;
    const double passed = to_seconds(world_.at() - j.called);
    if (!j.joined && has_joined(joiner)) {
      j.joined = true;
      report_->add("join to admitted", "s", passed);
    }
    if (!j.joined || !is_live(j.node) || !ring(j.node).in_ring()) return false;
    report_->add("join to in the ring", "s", passed);
    return true;
  });
}

void Stage::sample() {
  const std::vector<std::size_t> live_now = live();
  Report::Moment moment{.seconds = seconds(), .live = live_now.size()};
  std::size_t most = 0;
  for (const std::size_t i : live_now) most = std::max(most, membership(i).members().size());
  for (const std::size_t i : live_now) moment.aware += membership(i).members().size() == most;
  moment.right = count_right(*this);
  report_->moments.push_back(moment);
}

}  // namespace ipop::sim
