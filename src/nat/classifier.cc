#include "nat/classifier.h"

#include <algorithm>
#include <map>
#include <utility>

#include "wire/candidate.h"

namespace ipop::nat {
namespace {

/// What one household or server has for itself: an IPv4 address, an IPv6 /64.
IpAddress site_of(const IpAddress& address) {
  if (!address.is_v6()) return address;
  Ipv6 site = address.v6();
  std::fill(site.bytes.begin() + 8, site.bytes.end(), std::byte{0});
  return site;
}

/// Counts witnesses; neither a name nor a site counts twice.
class WitnessCount {
 public:
  void add(Witness witness, const IpAddress& address) {
    if (has(witness, address)) return;
    names_.push_back(witness);
    sites_.push_back(site_of(address));
  }
  bool has(Witness witness, const IpAddress& address) const {
    return std::ranges::count(names_, witness) > 0 ||
           std::ranges::count(sites_, site_of(address)) > 0;
  }
  std::size_t size() const { return names_.size(); }

 private:
  std::vector<Witness> names_;
  std::vector<IpAddress> sites_;
};

template <class Entries>
WitnessCount count_witnesses(const Entries& entries) {
  WitnessCount out;
  for (const auto* e : entries) out.add(e->what.witness, e->what.observer.address);
  return out;
}

template <class Entry>
bool together(const Entry& a, const Entry& b) {
  return a.first <= b.last + Classifier::kTogether && b.first <= a.last + Classifier::kTogether;
}

/// The base, and how many contradict it.
template <class Entries>
struct Verdict {
  Entries base;
  std::size_t agree = 0;
  std::size_t contradict = 0;
};

template <class Entries>
Verdict<Entries> judge(const Entries& entries) {
  std::map<Endpoint, Entries> groups;
  for (const auto* e : entries) groups[e->what.seen].push_back(e);
  Verdict<Entries> out;
  Instant newest = Instant::min();
  for (const auto& [seen, group] : groups) {
    const std::size_t size = count_witnesses(group).size();
    Instant last = Instant::min();
    for (const auto* e : group) last = std::max(last, e->last);
    if (std::pair(size, last) > std::pair(out.agree, newest)) {
      out.base = group;
      out.agree = size;
      newest = last;
    }
  }
  const WitnessCount agreeing = count_witnesses(out.base);
  WitnessCount contradicting;
  for (const auto* e : entries) {
    const bool at_once =
        std::ranges::any_of(out.base, [&](const auto* b) { return together(*e, *b); });
    const auto& w = e->what;
    if (at_once && w.seen != out.base.front()->what.seen &&
        !agreeing.has(w.witness, w.observer.address)) {
      contradicting.add(w.witness, w.observer.address);
    }
  }
  out.contradict = contradicting.size();
  return out;
}

template <class Entries>
PortPreservation preservation(const Entries& entries) {
  WitnessCount same;
  WitnessCount other;
  for (const auto* e : entries) {
    auto& count = e->what.seen.port == e->what.local.port ? same : other;
    count.add(e->what.witness, e->what.observer.address);
  }
  if (same.size() >= 2 && same.size() > other.size()) return PortPreservation::Preserved;
  return other.size() >= 2 && other.size() >= same.size() ? PortPreservation::Changed
                                                          : PortPreservation::Unknown;
}

/// The base, or what two witnesses saw some time after anybody saw the base.
template <class Entries>
Endpoint external_of(const Entries& entries, const Entries& base) {
  Instant last = base.front()->last;
  for (const auto* e : base) last = std::max(last, e->last);
  Entries later;
  std::ranges::copy_if(entries, std::back_inserter(later),
                       [&](const auto* e) { return e->first > last + Classifier::kTogether; });
  const auto newer = judge(later);
  return newer.agree >= 2 ? newer.base.front()->what.seen : base.front()->what.seen;
}

/// Room for one more: the oldest goes of who has most, so that one who talks much drives out
/// itself.
template <class Records, class Age>
void make_room(Records& records, Age age) {
  if (records.size() < Classifier::kObservationsMax) return;
  const auto held = [&](Witness w) {
    return std::ranges::count_if(records, [&](const auto& r) { return r.what.witness == w; });
  };
  records.erase(std::ranges::min_element(
      records, {}, [&](const auto& r) { return std::pair(-held(r.what.witness), age(r)); }));
}

}  // namespace

bool Classifier::is_ours(const Endpoint& endpoint) const {
  return endpoint.address.is_v6() == (family_ == Family::V6) && wire::is_candidate(endpoint);
}

void Classifier::handle_observation(Instant now, const Observation& observation) {
  if (!is_ours(observation.seen) || !is_ours(observation.observer)) return;
  std::erase_if(entries_, [&](const Entry& e) { return e.last + kExpiry <= now; });
  const auto it = std::ranges::find_if(entries_, [&](const Entry& e) {
    return e.what.witness == observation.witness && e.what.observer == observation.observer &&
           e.what.local == observation.local;
  });
  if (it == entries_.end()) {
    make_room(entries_, [](const Entry& e) { return e.last; });
    entries_.push_back({observation, now, now, {}});
    return;
  }
  if (now < it->last) return;
  it->last = now;
  if (it->what.seen == observation.seen) return;
  it->before = it->what.seen;
  it->what.seen = observation.seen;
  it->what.created = now;  // the mapping that it had at first is gone
  it->first = now;
}

void Classifier::handle_reach(Instant now, const Reach& reach) {
  if (!is_ours(reach.from)) return;
  std::erase_if(arrivals_, [&](const Arrival& a) {
    const bool same = a.what.witness == reach.witness && a.what.from == reach.from &&
                      a.what.contact == reach.contact;
    return same || a.at + kExpiry <= now;
  });
  make_room(arrivals_, [](const Arrival& a) { return a.at; });
  arrivals_.push_back({reach, now});
}

void Classifier::handle_network_changed() {
  entries_.clear();
  arrivals_.clear();
}

Classifier::Conclusion Classifier::classify(Instant now) const {
  Conclusion out{.filtering = filtering(now)};
  const Entries all = current(now);
  if (all.empty()) return out;
  out.ports = preservation(all);
  const Entries entries = of_busiest_port(all);
  const auto verdict = judge(entries);
  if (verdict.contradict >= 2 && verdict.contradict > verdict.agree) {
    out.mapping = dependence(entries);
    std::vector<PortSample> samples;
    for (const Entry* e : all) {
      samples.push_back({e->what.witness, e->what.created, e->what.seen.port});
    }
    out.step = find_port_step(samples);
    out.span = find_port_span(samples);
  } else if (verdict.agree >= 2 && verdict.agree > verdict.contradict) {
    out.external = external_of(entries, verdict.base);
    const auto is_local = [&](const Entry* e) { return e->what.local == *out.external; };
    out.mapping = std::ranges::any_of(entries, is_local) ? MappingKind::None
                                                         : MappingKind::EndpointIndependent;
  }
  return out;
}

Classifier::Entries Classifier::current(Instant now) const {
  const auto retired = [&](const Entry& e) {
    WitnessCount left;
    Instant at = Instant::min();
    for (const Entry& other : entries_) {
      if (other.before != e.what.seen || other.what.local != e.what.local) continue;
      left.add(other.what.witness, other.what.observer.address);
      at = std::max(at, other.first);
    }
    return left.size() >= 2 && e.last <= at;
  };
  Entries out;
  for (const Entry& e : entries_) {
    if (e.last + kExpiry > now && !retired(e)) out.push_back(&e);
  }
  return out;
}

Classifier::Entries Classifier::of_busiest_port(const Entries& entries) {
  std::map<Endpoint, Entries> by_port;
  for (const Entry* e : entries) by_port[e->what.local].push_back(e);
  return std::ranges::max_element(
             by_port, {}, [](const auto& pair) { return count_witnesses(pair.second).size(); })
      ->second;
}

MappingKind Classifier::dependence(const Entries& entries) {
  std::map<IpAddress, Entries> by_address;
  for (const Entry* e : entries) by_address[e->what.observer.address].push_back(e);
  int alike = 0;
  int unlike = 0;
  for (const auto& [address, same] : by_address) {
    const Entry& first = *same.front();
    const auto other_port = [&](const Entry* e) {
      return e->what.observer != first.what.observer && together(*e, first);
    };
    const auto differs = [&](const Entry* e) {
      return other_port(e) && e->what.seen != first.what.seen;
    };
    if (std::ranges::any_of(same, differs)) {
      ++unlike;
    } else if (std::ranges::any_of(same, other_port)) {
      ++alike;
    }
  }
  return alike > unlike ? MappingKind::AddressDependent : MappingKind::AddressAndPortDependent;
}

FilteringKind Classifier::filtering(Instant now) const {
  const auto count = [&](Contact contact, bool arrived) {
    WitnessCount out;
    for (const Arrival& a : arrivals_) {
      if (a.at + kExpiry > now && a.what.contact == contact && a.what.arrived == arrived) {
        out.add(a.what.witness, a.what.from.address);
      }
    }
    return out.size();
  };
  const std::size_t strangers = count(Contact::None, true);
  const std::size_t strangers_missed = count(Contact::None, false);
  const std::size_t neighbours = count(Contact::SameAddress, true);
  const std::size_t neighbours_missed = count(Contact::SameAddress, false);
  if (strangers >= 2 && strangers >= strangers_missed) return FilteringKind::EndpointIndependent;
  if (strangers_missed < 2 && neighbours_missed < 2) return FilteringKind::Unknown;
  // There is a filter. Without two arrivals that say otherwise it is taken for the strictest.
  return neighbours >= 2 && neighbours > neighbours_missed ? FilteringKind::AddressDependent
                                                           : FilteringKind::AddressAndPortDependent;
}

}  // namespace ipop::nat
