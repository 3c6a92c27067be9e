#include "sim/run/checkers.h"

#include <algorithm>
#include <map>
#include <set>

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kNearPerSide = 4;
constexpr std::size_t kLongInMax = 14;
constexpr Duration kRest = 60s;
constexpr Duration kGrace = 3s;
constexpr Duration kBetweenPairs = 20ms;
/// Ring and membership are looked at so often while they are waited for.
constexpr Duration kLookEvery = 200ms;

/// Live members of one group in the order of their ring ids, with a lookup by place.
using Circle = std::vector<std::size_t>;

std::map<unsigned, Circle> circles_of(Stage& stage) {
  std::map<unsigned, Circle> out;
  for (const std::size_t i : stage.live()) out[stage.world().group(i)].push_back(i);
  for (auto& [group, circle] : out) {
    std::ranges::sort(circle, {}, [&](std::size_t i) { return stage.self(i)->node; });
  }
  return out;
}

bool is_near(Stage& stage, std::size_t at, std::size_t other) {
  const overlay::Link* link = stage.ring(at).links().find(stage.self(other)->node);
  return link != nullptr && link->near == overlay::NearState::Up;
}

/// Its nearest in the circle, each once.
std::vector<std::size_t> nearest_of(const Circle& circle, std::size_t place) {
  std::vector<std::size_t> out;
  const std::size_t n = circle.size();
  for (std::size_t step = 1; step < n; ++step) {
    if (step <= kNearPerSide || n - step <= kNearPerSide) out.push_back(circle[(place + step) % n]);
  }
  return out;
}

/// Calls `wrong` with both ends of each missing near link, from the first end's point of view.
template <class Wrong>
void for_each_missing(Stage& stage, Wrong wrong) {
  for (const auto& [group, circle] : circles_of(stage)) {
    for (std::size_t place = 0; place < circle.size(); ++place) {
      for (const std::size_t other : nearest_of(circle, place)) {
        if (!is_near(stage, circle[place], other)) wrong(circle[place], other);
      }
    }
  }
}

/// Pairs with which something is wrong, and what.
using Faults = std::map<std::pair<std::size_t, std::size_t>, std::string>;

std::string roles_text(const overlay::Link* link) {
  if (link == nullptr) return "none";
  std::string out = link->near == overlay::NearState::Up ? "near" : "";
  if (link->long_out) out += " long";
  if (link->long_in) out += " given";
  return out.empty() ? "no role" : out;
}

Faults missing_near(Stage& stage) {
  Faults out;
  for_each_missing(stage, [&](std::size_t at, std::size_t other) {
    const overlay::Link* there = stage.ring(at).links().find(stage.self(other)->node);
    const overlay::Link* back = stage.ring(other).links().find(stage.self(at)->node);
    out.emplace(std::pair(at, other), " (" + roles_text(there) + " / " + roles_text(back) + ")");
  });
  return out;
}

/// Links of which the two ends do not say the same.
Faults not_mutual(Stage& stage) {
  Faults out;
  std::map<wire::NodeId, std::size_t> numbers;
  for (const std::size_t i : stage.live()) numbers[stage.self(i)->node] = i;
  for (const auto& [node, i] : numbers) {
    for (const overlay::Link& link : stage.ring(i).links()) {
      const auto other = numbers.find(link.node);
      if (!link.established() || other == numbers.end()) continue;
      const overlay::Link* back = stage.ring(other->second).links().find(node);
      const bool is_up = link.near == overlay::NearState::Up;
      const bool same = back != nullptr && is_up == (back->near == overlay::NearState::Up) &&
                        link.long_out == back->long_in && link.long_in == back->long_out;
      if (same) continue;
      out.emplace(std::pair(i, other->second),
                  " (" + roles_text(&link) + " / " + roles_text(back) + ")");
    }
  }
  return out;
}

void check_none(Stage& stage, Property property, const std::string& what, const Faults& faults) {
  std::string wrong;
  for (const auto& [pair, why] : faults) {
    if (wrong.size() > 100) break;
    wrong += " " + Stage::name(pair.first) + "-" + Stage::name(pair.second) + why;
  }
  stage.report().check(property, wrong.empty() ? "" : what + wrong);
}

/// Roles are agreed on by messages: what is on its way is no fault. So what is wrong has to be so
/// again after kGrace.
void check_links(Stage& stage) {
  Faults missing = missing_near(stage);
  Faults uneven = not_mutual(stage);
  if (!missing.empty() || !uneven.empty()) {
    stage.run(kGrace);
    const Faults still_missing = missing_near(stage);
    const Faults still_uneven = not_mutual(stage);
    std::erase_if(missing, [&](const auto& f) { return !still_missing.contains(f.first); });
    std::erase_if(uneven, [&](const auto& f) { return !still_uneven.contains(f.first); });
  }
  check_none(stage, Property::NearestAreLinked, "nearest but not linked:", missing);
  check_none(stage, Property::LinksAreMutual, "the ends disagree:", uneven);
}

void check_degree(Stage& stage) {
  for (const std::size_t i : stage.live()) {
    std::size_t near = 0;
    std::size_t given = 0;
    std::size_t asked_for = 0;
    for (const overlay::Link& link : stage.ring(i).links()) {
      near += link.near == overlay::NearState::Up;
      given += link.long_in;
      asked_for += link.long_out;
    }
    const std::size_t wanted = stage.ring(i).long_links_wanted();
    const bool fits = near <= 2 * kNearPerSide && given <= kLongInMax && asked_for <= wanted;
    stage.report().check(Property::DegreeIsBounded,
                         fits ? ""
                              : Stage::name(i) + ": " + std::to_string(near) + " near, " +
                                    std::to_string(asked_for) + " of " + std::to_string(wanted) +
                                    " long, " + std::to_string(given) + " given");
  }
}

bool agree(Stage& stage, std::size_t a, std::size_t b) {
  const member::Membership& one = stage.membership(a);
  const member::Membership& two = stage.membership(b);
  return one.members() == two.members() && one.invites() == two.invites() &&
         one.secret() == two.secret();
}

/// The first two of a group that disagree.
std::optional<std::pair<std::size_t, std::size_t>> disagreement(Stage& stage) {
  std::map<unsigned, std::size_t> first;
  for (const std::size_t i : stage.live()) {
    const auto [it, is_new] = first.emplace(stage.world().group(i), i);
    if (!is_new && !agree(stage, it->second, i)) return std::pair(it->second, i);
  }
  return std::nullopt;
}

void check_agreement(Stage& stage) {
  const auto pair = disagreement(stage);
  stage.report().check(
      Property::MembershipIsAgreed,
      pair ? Stage::name(pair->first) + " and " + Stage::name(pair->second) + " disagree: " +
                 std::to_string(stage.membership(pair->first).members().size()) + " and " +
                 std::to_string(stage.membership(pair->second).members().size()) + " members"
           : "");
}

/// Of one group's members, by the eyes of its first one.
void check_owners(Stage& stage) {
  std::set<unsigned> seen;
  for (const std::size_t i : stage.live()) {
    if (!seen.insert(stage.world().group(i)).second) continue;
    std::set<Ipv4> addresses;
    std::set<std::string> names;
    std::string wrong;
    for (const auto& [node, m] : stage.membership(i).members()) {
      if (!m.v4 || m.name.empty()) {
        wrong = "a member has no address or name";
      } else if (!addresses.insert(*m.v4).second || !names.insert(m.name).second) {
        wrong = m.name + " or " + m.v4->to_string() + " has two owners";
      }
    }
    stage.report().check(Property::OneOwnerOfAnAddress, wrong);
  }
}

/// Whether it is so within that time.
template <class Predicate>
bool comes_true(Stage& stage, Predicate holds, Duration limit) {
  const Instant end = stage.world().at() + limit;
  while (!holds()) {
    if (stage.world().at() >= end) return false;
    stage.run(kLookEvery);
  }
  return true;
}

std::vector<std::pair<std::size_t, std::size_t>> pairs_of(Stage& stage, std::size_t most) {
  std::vector<std::size_t> who;
  for (const std::size_t i : stage.live()) {
    if (stage.is_honest(i)) who.push_back(i);
  }
  std::vector<std::pair<std::size_t, std::size_t>> out;
  if (who.size() * (who.size() - 1) <= most) {
    for (const std::size_t a : who) {
      for (const std::size_t b : who) {
        if (a != b) out.emplace_back(a, b);
      }
    }
    return out;
  }
  while (out.size() < most) {
    const std::size_t a = who[stage.rng().below(who.size())];
    const std::size_t b = who[stage.rng().below(who.size())];
    if (a != b) out.emplace_back(a, b);
  }
  return out;
}

}  // namespace

std::size_t count_right(Stage& stage) {
  std::set<std::size_t> wrong;
  for_each_missing(stage, [&](std::size_t at, std::size_t other) {
    wrong.insert(at);
    wrong.insert(other);
  });
  return stage.live().size() - wrong.size();
}

void check_state(Stage& stage) {
  check_links(stage);
  check_degree(stage);
  check_agreement(stage);
  check_owners(stage);
}

void settle(Stage& stage, const Settling& within) {
  const double begun = stage.seconds();
  const auto is_ring_right = [&] { return missing_near(stage).empty(); };
  const auto is_settled = [&] { return is_ring_right() && !disagreement(stage); };
  const bool is_early = comes_true(stage, is_settled, within.membership);
  check_agreement(stage);
  if (!is_early) comes_true(stage, is_ring_right, within.ring - within.membership);
  stage.report().add("settled after", "s", stage.seconds() - begun);
  check_none(stage, Property::NearestAreLinked, "nearest but not linked:", missing_near(stage));
}

void check_reach(Stage& stage, const Reach& how) {
  struct Attempt {
    std::size_t from;
    std::size_t to;
    Instant first;
    Instant next;
    std::vector<std::size_t> packets;
  };
  std::vector<Attempt> open;
  const auto look = [&] {
    std::erase_if(open, [&](Attempt& a) {
      for (const std::size_t number : a.packets) {
        const Traffic::Packet& packet = stage.traffic().packet(number);
        if (!packet.arrived) continue;
        stage.report().check(Property::PacketsArrive, "");
        const bool is_first = number == a.packets.front();
        stage.report().add("first packet of a pair lost", "", is_first ? 0 : 1);
        stage.report().add(
            "first to arrive of a pair", "ms",
            std::chrono::duration<double, std::milli>(*packet.arrived - a.first).count());
        return true;
      }
      const Instant now = stage.world().at();
      if (now - a.first >= how.patience) {
        stage.report().check(Property::PacketsArrive,
                             Stage::name(a.from) + " to " + Stage::name(a.to) + ": nothing of " +
                                 std::to_string(a.packets.size()) + " arrived");
        return true;
      }
      if (how.again > Duration(0) && now >= a.next) {
        if (const auto number = stage.traffic().send(a.from, a.to)) a.packets.push_back(*number);
        a.next = now + how.again;
      }
      return false;
    });
  };
  for (const auto& [from, to] : pairs_of(stage, how.pairs_max)) {
    const Instant now = stage.world().at();
    if (const auto number = stage.traffic().send(from, to)) {
      open.push_back({from, to, now, now + how.again, {*number}});
    }
    stage.run(kBetweenPairs);
    look();
  }
  while (!open.empty()) {
    stage.run(kBetweenPairs);
    look();
  }
}

void check_rest(Stage& stage, const Reach& how) {
  const std::uint64_t exhausted = stage.world().forwards().exhausted;
  stage.run(kRest);
  check_state(stage);
  check_reach(stage, how);
  check_state(stage);
  const std::uint64_t more = stage.world().forwards().exhausted - exhausted;
  stage.report().check(Property::NoRoutingLoop,
                       more == 0 ? "" : std::to_string(more) + " FORWARDs ran out of hops");
}

}  // namespace ipop::sim
