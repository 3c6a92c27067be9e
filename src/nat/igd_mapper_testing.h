#pragma once

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "nat/igd_mapper.h"

/// What the tests of mappings by UPnP share: a router with its table.
namespace ipop::nat {

/// A router that forwards whatever it is asked to, in the ways that are out there.
struct FakeIgd {
  struct Entry {
    Ipv4 client;
    std::uint16_t port = 0;
    Instant ends = Instant::max();
  };
  Ipv4 external{0xcb007107};
  bool silent = false;
  bool for_ever_only = false;  ///< 725
  bool can_be_checked = true;  ///< else 401
  bool silent_when_checked = false;
  bool forgets = false;           ///< says it did, and did not
  bool never_renews = false;      ///< 718 also to whom it forwards
  std::uint16_t map_refusal = 0;  ///< error code
  std::uint16_t address_refusal = 0;
  IgdLease lease_max = std::chrono::hours(24);
  std::map<std::uint16_t, Entry> table;
  std::vector<IgdQuestion> asked;

  void expire(Instant now) {
    std::erase_if(table, [&](const auto& e) { return e.second.ends <= now; });
  }
  IgdAnswer answer(Instant now, const IgdQuestion& question) {
    asked.push_back(question);
    expire(now);
    IgdAnswer out{question.id, IgdAnswer::Silent{}};
    const bool checked = std::holds_alternative<IgdQuestion::Check>(question.what);
    if (silent || (checked && silent_when_checked)) return out;
    std::visit([&](const auto& what) { carry_out(now, question, what, out); }, question.what);
    return out;
  }
  std::size_t count_asked() const { return asked.size(); }
  template <class What>
  std::vector<What> all() const {
    std::vector<What> out;
    for (const IgdQuestion& q : asked) {
      if (const auto* what = std::get_if<What>(&q.what)) out.push_back(*what);
    }
    return out;
  }

 private:
  void carry_out(Instant, const IgdQuestion&, const IgdQuestion::Address&, IgdAnswer& out) {
    out.what = IgdAnswer::Address{external};
    if (address_refusal != 0) out.what = IgdAnswer::Refused{address_refusal};
  }
  void carry_out(Instant now, const IgdQuestion& q, const IgdQuestion::Map& map, IgdAnswer& out) {
    std::uint16_t refusal = map_refusal;
    if (for_ever_only && map.lease.count() != 0) refusal = 725;
    const auto there = table.find(map.external_port);
    const bool others = there != table.end() && there->second.client != q.local;
    if (others || (there != table.end() && never_renews)) refusal = 718;
    out.what = IgdAnswer::Done{};
    if (refusal != 0) {
      out.what = IgdAnswer::Refused{refusal};
    } else if (!forgets) {
      const Instant ends =
          map.lease.count() == 0 ? Instant::max() : now + std::min(map.lease, lease_max);
      table[map.external_port] = {q.local, q.port, ends};
    }
  }
  void carry_out(Instant now, const IgdQuestion&, const IgdQuestion::Check& check, IgdAnswer& out) {
    const auto there = table.find(check.external_port);
    if (!can_be_checked) {
      out.what = IgdAnswer::Refused{401};
    } else if (there == table.end()) {
      out.what = IgdAnswer::Refused{714};
    } else {
      const Entry& e = there->second;
      IgdLease lease{};
      if (e.ends != Instant::max()) lease = std::chrono::duration_cast<IgdLease>(e.ends - now);
      out.what = IgdAnswer::Entry{e.client, e.port, true, lease};
    }
  }
  /// With the question that comes before a deletion.
  void carry_out(Instant, const IgdQuestion& q, const IgdQuestion::Unmap& unmap, IgdAnswer& out) {
    out.what = IgdAnswer::Done{};
    const auto there = table.find(unmap.external_port);
    if (there == table.end()) return;
    const Entry& e = there->second;
    const bool ours = (e.client == q.local || e.client == unmap.client) && e.port == q.port;
    const bool seen = can_be_checked && !silent_when_checked;
    if (seen ? ours : unmap.confirmed) table.erase(there);
  }
};

}  // namespace ipop::nat
