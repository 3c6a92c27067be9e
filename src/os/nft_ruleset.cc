#include "os/nft_ruleset.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <map>

namespace ipop::os {
namespace {

/// The kernel's own limit (NFT_JUMP_STACK_SIZE).
constexpr int kDepthMax = 16;

/// What may become of a packet; several at once where that is not known.
struct Outcome {
  bool accepted = false;
  bool dropped = false;
  bool passes = false;  ///< to what follows
  NftJudgement culprit{};
};

void add(Outcome& to, const Outcome& other) {
  to.accepted |= other.accepted;
  to.dropped |= other.dropped;
  if (other.dropped) to.culprit = other.culprit;
}

enum class Match : std::uint8_t { No, Yes, Maybe };

ByteVector native(std::uint32_t value) {
  const auto bytes = std::bit_cast<std::array<std::byte, 4>>(value);
  return {bytes.begin(), bytes.end()};
}

class Judge {
 public:
  Judge(const NftRuleset& rules, const IncomingUdp& packet) : rules_(&rules), packet_(packet) {}

  Outcome of_base(const NftChain& chain) const {
    Outcome out = run(chain, 0);
    if (!out.passes) return out;
    if (chain.drops) {
      out.dropped = true;
      out.culprit = culprit(chain, std::nullopt);
    } else {
      out.accepted = true;
    }
    return out;
  }

 private:
  using Registers = std::map<std::uint32_t, ByteVector>;  // what is not there is not known

  static NftJudgement culprit(const NftChain& chain, std::optional<std::uint64_t> rule) {
    constexpr const char* kFamilies[] = {"", "inet", "ip"};
    const std::string family = chain.family < 3 ? kFamilies[chain.family] : "ip6";
    return {.fate = NftJudgement::Fate::Dropped,
            .chain = family + " " + chain.table + " " + chain.name,
            .rule = rule};
  }

  Outcome run(const NftChain& chain, int depth) const {
    Outcome out;
    for (const NftRule& rule : chain.rules) {
      const NftVerdict* verdict = nullptr;
      bool is_riddle = false;
      const Match match = matches(chain, rule, verdict, is_riddle);
      if (is_riddle) out.accepted = out.dropped = true;
      if (match == Match::No || verdict == nullptr) continue;
      const bool goes_on = apply(chain, rule, *verdict, depth, out);
      if (match == Match::Yes && !goes_on) return out;
    }
    out.passes = true;
    return out;
  }

  /// False: what follows in the chain is not reached.
  bool apply(const NftChain& chain, const NftRule& rule, const NftVerdict& verdict, int depth,
             Outcome& out) const {
    switch (verdict.kind) {
      case NftVerdict::Kind::Accept:
        out.accepted = true;
        return false;
      case NftVerdict::Kind::Drop:
        out.dropped = true;
        out.culprit = culprit(chain, rule.handle);
        return false;
      case NftVerdict::Kind::Continue:
        return true;
      case NftVerdict::Kind::Return:
        out.passes = true;
        return false;
      case NftVerdict::Kind::Jump:
      case NftVerdict::Kind::Goto: {
        const auto target = std::ranges::find_if(rules_->chains, [&](const NftChain& c) {
          return c.family == chain.family && c.table == chain.table && c.name == verdict.chain;
        });
        if (target == rules_->chains.end() || depth == kDepthMax) {
          out.accepted = out.dropped = true;
          return true;
        }
        const Outcome there = run(*target, depth + 1);
        add(out, there);
        if (!there.passes) return false;
        if (verdict.kind == NftVerdict::Kind::Jump) return true;
        out.passes = true;
        return false;
      }
    }
    return true;
  }

  /// `verdict`: what a rule that matches says; null: nothing. `is_riddle`: it may decide anything,
  /// even where the match is No, which may come of a later part.
  Match matches(const NftChain& chain, const NftRule& rule, const NftVerdict*& verdict,
                bool& is_riddle) const {
    Registers registers;
    Match match = Match::Yes;
    for (const NftStep& step : rule.steps) {
      if (const auto* load = std::get_if<NftLoad>(&step)) {
        registers.erase(load->to);
        if (const auto value = loaded(load->what)) registers[load->to] = *value;
      } else if (const auto* bitwise = std::get_if<NftBitwise>(&step)) {
        apply(*bitwise, registers);
      } else if (const auto* compare = std::get_if<NftCompare>(&step)) {
        const auto holds = compared(*compare, registers);
        if (holds == Match::No) return Match::No;
        if (holds == Match::Maybe) match = Match::Maybe;
      } else if (const auto* lookup = std::get_if<NftLookup>(&step)) {
        const NftVerdict* found = nullptr;
        const auto holds = looked_up(chain, *lookup, registers, found);
        if (holds == Match::No) return Match::No;
        if (holds == Match::Maybe) {
          match = Match::Maybe;
          is_riddle |= lookup->decides;
        }
        if (lookup->decides && found != nullptr) {
          verdict = found;
          return match;
        }
      } else if (const auto* decides = std::get_if<NftVerdict>(&step)) {
        verdict = decides;
        return match;
      } else {
        match = Match::Maybe;
        is_riddle |= std::get<NftRiddle>(step).may_decide;
        registers.clear();  // it may load, as `fib` does: what was there is not known any more
      }
    }
    return match;
  }

  static void apply(const NftBitwise& bitwise, Registers& registers) {
    const auto from = registers.find(bitwise.from);
    if (from == registers.end() || from->second.size() != bitwise.mask.size() ||
        bitwise.flip.size() != bitwise.mask.size()) {
      registers.erase(bitwise.to);
      return;
    }
    ByteVector value = from->second;
    for (std::size_t i = 0; i < value.size(); ++i) {
      value[i] = (value[i] & bitwise.mask[i]) ^ bitwise.flip[i];
    }
    registers[bitwise.to] = std::move(value);
  }

  /// From outside it comes by any interface but the loopback.
  Match compared(const NftCompare& compare, const Registers& registers) const {
    const auto value = registers.find(compare.from);
    if (value == registers.end()) return Match::Maybe;
    if (value->second == kAnyInterface) {
      const bool loopback = compare.value == native(1) || is_loopback_name(compare.value);
      if (!loopback || compare.relation > NftCompare::Relation::NotEqual) return Match::Maybe;
      return compare.relation == NftCompare::Relation::Equal ? Match::No : Match::Yes;
    }
    if (value->second.size() != compare.value.size()) return Match::Maybe;
    return holds(compare.relation, value->second <=> compare.value) ? Match::Yes : Match::No;
  }

  Match looked_up(const NftChain& chain, const NftLookup& lookup, const Registers& registers,
                  const NftVerdict*& found) const {
    const auto value = registers.find(lookup.from);
    const auto set = std::ranges::find_if(rules_->sets, [&](const NftSet& s) {
      return s.family == chain.family && s.table == chain.table && s.name == lookup.set;
    });
    if (value == registers.end() || value->second == kAnyInterface || set == rules_->sets.end()) {
      return Match::Maybe;
    }
    const NftSet::Element* best = nullptr;
    for (const NftSet::Element& element : set->elements) {
      if (element.key.size() != value->second.size()) return Match::Maybe;
      const bool fits =
          set->is_interval ? element.key <= value->second : element.key == value->second;
      if (fits && (best == nullptr || best->key < element.key)) best = &element;
    }
    const bool is_in = best != nullptr && !best->is_gap;
    if (is_in && best->verdict) found = &*best->verdict;
    return is_in != lookup.inverted ? Match::Yes : Match::No;
  }

  static bool holds(NftCompare::Relation relation, std::strong_ordering order) {
    switch (relation) {
      case NftCompare::Relation::Equal:
        return order == 0;
      case NftCompare::Relation::NotEqual:
        return order != 0;
      case NftCompare::Relation::Less:
        return order < 0;
      case NftCompare::Relation::LessEqual:
        return order <= 0;
      case NftCompare::Relation::Greater:
        return order > 0;
      case NftCompare::Relation::GreaterEqual:
        return order >= 0;
    }
    return false;
  }

  static bool is_loopback_name(const ByteVector& name) {
    return name.size() >= 3 && name[0] == std::byte{'l'} && name[1] == std::byte{'o'} &&
           name[2] == std::byte{0};
  }

  std::optional<ByteVector> loaded(NftLoad::What what) const {
    switch (what) {
      case NftLoad::What::L4Protocol:
        return ByteVector{std::byte{IPPROTO_UDP}};
      case NftLoad::What::Family:
        return ByteVector{static_cast<std::byte>(packet_.is_v6 ? NFPROTO_IPV6 : NFPROTO_IPV4)};
      case NftLoad::What::UdpDestination:
        return ByteVector{static_cast<std::byte>(packet_.port >> 8U),
                          static_cast<std::byte>(packet_.port & 0xffU)};
      case NftLoad::What::ConntrackState:
        return native(1U << (packet_.is_established ? IP_CT_ESTABLISHED + 1U
                                                    : IP_CT_NEW + 1U));  // NF_CT_STATE_BIT
      case NftLoad::What::InputName:
      case NftLoad::What::InputIndex:
        return kAnyInterface;
      case NftLoad::What::Else:
        return std::nullopt;
    }
    return std::nullopt;
  }

  /// Stands for all of them but the loopback; no real value is empty.
  inline static const ByteVector kAnyInterface{};

  const NftRuleset* rules_;
  IncomingUdp packet_;
};

}  // namespace

NftJudgement judge_incoming_udp(const NftRuleset& rules, const IncomingUdp& packet) {
  const Judge judge(rules, packet);
  NftJudgement out{.fate = NftJudgement::Fate::Accepted, .chain = {}, .rule = std::nullopt};
  for (const NftChain& chain : rules.chains) {
    const bool sees_it = chain.family == NFPROTO_INET ||
                         chain.family == (packet.is_v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    const bool is_on_the_way = chain.hook == NF_INET_PRE_ROUTING || chain.hook == NF_INET_LOCAL_IN;
    if (!chain.is_filter || !sees_it || !is_on_the_way) continue;
    const Outcome outcome = judge.of_base(chain);
    if (outcome.dropped && !outcome.accepted) return outcome.culprit;
    if (outcome.dropped) out.fate = NftJudgement::Fate::Unknown;
  }
  return out;
}

}  // namespace ipop::os
