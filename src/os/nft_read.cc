// The kernel's nftables ruleset, by its own netlink messages: no program needs to be installed.

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "os/error_text.h"
#include "os/nft_ruleset.h"

namespace ipop::os {
namespace {

constexpr std::size_t kReceiveBytes = 65536;
/// Against a kernel that never ends, and a ruleset that nobody can follow.
constexpr int kPartsMax = 1000;
constexpr std::size_t kRulesMax = 20000;
constexpr std::size_t kElementsMax = 10000;

using Attributes = std::array<const nlattr*, 32>;

void take(const nlattr* attribute, Attributes& out) {
  const std::uint16_t type = mnl_attr_get_type(attribute);
  if (type < out.size()) out[type] = attribute;
}

int take_attribute(const nlattr* attribute, void* out) {
  take(attribute, *static_cast<Attributes*>(out));
  return MNL_CB_OK;
}

/// By type; what is not there is null.
Attributes nested(const nlattr* parent) {
  Attributes out{};
  if (parent != nullptr) mnl_attr_parse_nested(parent, take_attribute, &out);
  return out;
}

std::uint32_t number(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < 4) return 0;
  return ntohl(mnl_attr_get_u32(attribute));
}

std::string text(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const Bytes bytes(static_cast<const std::byte*>(mnl_attr_get_payload(attribute)),
                    mnl_attr_get_payload_len(attribute));
  const std::string_view all = as_text(bytes);
  return std::string(all.substr(0, all.find('\0')));
}

ByteVector value(const nlattr* data) {
  const Attributes inner = nested(data);
  const nlattr* bytes = inner[NFTA_DATA_VALUE];
  if (bytes == nullptr) return {};
  return to_vector(Bytes(static_cast<const std::byte*>(mnl_attr_get_payload(bytes)),
                         mnl_attr_get_payload_len(bytes)));
}

NftStep meta(const Attributes& a) {
  if (a[NFTA_META_DREG] == nullptr) return NftRiddle{};  // it sets a mark, or the like
  NftLoad out{.what = NftLoad::What::Else, .to = number(a[NFTA_META_DREG])};
  switch (number(a[NFTA_META_KEY])) {
    case NFT_META_L4PROTO:
      out.what = NftLoad::What::L4Protocol;
      break;
    case NFT_META_NFPROTO:
      out.what = NftLoad::What::Family;
      break;
    case NFT_META_IIFNAME:
      out.what = NftLoad::What::InputName;
      break;
    case NFT_META_IIF:
      out.what = NftLoad::What::InputIndex;
      break;
    default:
      break;
  }
  return out;
}

NftStep payload(const Attributes& a) {
  if (a[NFTA_PAYLOAD_DREG] == nullptr) return NftRiddle{};  // it writes into the packet
  const bool is_port = number(a[NFTA_PAYLOAD_BASE]) == NFT_PAYLOAD_TRANSPORT_HEADER &&
                       number(a[NFTA_PAYLOAD_OFFSET]) == 2 && number(a[NFTA_PAYLOAD_LEN]) == 2;
  return NftLoad{.what = is_port ? NftLoad::What::UdpDestination : NftLoad::What::Else,
                 .to = number(a[NFTA_PAYLOAD_DREG])};
}

NftStep conntrack(const Attributes& a) {
  if (a[NFTA_CT_DREG] == nullptr) return NftRiddle{};
  const bool is_state = number(a[NFTA_CT_KEY]) == NFT_CT_STATE;
  return NftLoad{.what = is_state ? NftLoad::What::ConntrackState : NftLoad::What::Else,
                 .to = number(a[NFTA_CT_DREG])};
}

NftStep bitwise(const Attributes& a) {
  if (number(a[NFTA_BITWISE_OP]) != NFT_BITWISE_BOOL) return NftRiddle{};
  return NftBitwise{.from = number(a[NFTA_BITWISE_SREG]),
                    .to = number(a[NFTA_BITWISE_DREG]),
                    .mask = value(a[NFTA_BITWISE_MASK]),
                    .flip = value(a[NFTA_BITWISE_XOR])};
}

NftStep compare(const Attributes& a) {
  static_assert(NFT_CMP_EQ == 0 && NFT_CMP_NEQ == 1 && NFT_CMP_LT == 2 && NFT_CMP_LTE == 3 &&
                NFT_CMP_GT == 4 && NFT_CMP_GTE == 5);
  const std::uint32_t op = number(a[NFTA_CMP_OP]);
  if (op > NFT_CMP_GTE) return NftRiddle{};
  return NftCompare{.from = number(a[NFTA_CMP_SREG]),
                    .relation = static_cast<NftCompare::Relation>(op),
                    .value = value(a[NFTA_CMP_DATA])};
}

/// nullopt: one that is none of these, as `queue`.
std::optional<NftVerdict> verdict_of(const nlattr* data) {
  const Attributes verdict = nested(nested(data)[NFTA_DATA_VERDICT]);
  using Kind = NftVerdict::Kind;
  const std::string chain = text(verdict[NFTA_VERDICT_CHAIN]);
  switch (static_cast<int>(number(verdict[NFTA_VERDICT_CODE]))) {
    case NF_ACCEPT:
      return NftVerdict{Kind::Accept, {}};
    case NF_DROP:
      return NftVerdict{Kind::Drop, {}};
    case NFT_CONTINUE:
      return NftVerdict{Kind::Continue, {}};
    case NFT_RETURN:
      return NftVerdict{Kind::Return, {}};
    case NFT_JUMP:
      return NftVerdict{Kind::Jump, chain};
    case NFT_GOTO:
      return NftVerdict{Kind::Goto, chain};
    default:
      return std::nullopt;
  }
}

NftStep immediate(const Attributes& a) {
  if (number(a[NFTA_IMMEDIATE_DREG]) != NFT_REG_VERDICT) {
    return NftLoad{.what = NftLoad::What::Else, .to = number(a[NFTA_IMMEDIATE_DREG])};
  }
  if (auto verdict = verdict_of(a[NFTA_IMMEDIATE_DATA])) return *std::move(verdict);
  return NftRiddle{.may_decide = true};
}

NftStep lookup(const Attributes& a) {
  const bool decides =
      a[NFTA_LOOKUP_DREG] != nullptr && number(a[NFTA_LOOKUP_DREG]) == NFT_REG_VERDICT;
  if (a[NFTA_LOOKUP_DREG] != nullptr && !decides) {  // a map to a value
    return NftLoad{.what = NftLoad::What::Else, .to = number(a[NFTA_LOOKUP_DREG])};
  }
  return NftLookup{.from = number(a[NFTA_LOOKUP_SREG]),
                   .set = text(a[NFTA_LOOKUP_SET]),
                   .inverted = (number(a[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV) != 0,
                   .decides = decides};
}

/// Appends what an expression does; one that changes nothing for us adds nothing.
void take_expression(const nlattr* element, std::vector<NftStep>& out) {
  const Attributes parts = nested(element);
  const std::string name = text(parts[NFTA_EXPR_NAME]);
  const Attributes a = nested(parts[NFTA_EXPR_DATA]);
  if (name == "counter" || name == "log" || name == "notrack") return;
  if (name == "meta") {
    out.push_back(meta(a));
  } else if (name == "payload") {
    out.push_back(payload(a));
  } else if (name == "ct") {
    out.push_back(conntrack(a));
  } else if (name == "bitwise") {
    out.push_back(bitwise(a));
  } else if (name == "cmp") {
    out.push_back(compare(a));
  } else if (name == "immediate") {
    out.push_back(immediate(a));
  } else if (name == "reject") {
    out.push_back(NftVerdict{NftVerdict::Kind::Drop, {}});
  } else if (name == "range" && number(a[NFTA_RANGE_OP]) == NFT_RANGE_EQ) {
    const std::uint32_t from = number(a[NFTA_RANGE_SREG]);
    using Relation = NftCompare::Relation;
    out.push_back(NftCompare{from, Relation::GreaterEqual, value(a[NFTA_RANGE_FROM_DATA])});
    out.push_back(NftCompare{from, Relation::LessEqual, value(a[NFTA_RANGE_TO_DATA])});
  } else if (name == "lookup") {
    out.push_back(lookup(a));
  } else {
    // Of the rest, these only match or load.
    constexpr std::array<std::string_view, 9> kHarmless{
        "limit", "match", "fib", "rt", "socket", "numgen", "hash", "connlimit", "quota"};
    out.push_back(NftRiddle{.may_decide = std::ranges::find(kHarmless, name) == kHarmless.end()});
  }
}

int take_element(const nlattr* element, void* out) {
  take_expression(element, *static_cast<std::vector<NftStep>*>(out));
  return MNL_CB_OK;
}

std::optional<NftChain> take_chain(const nlmsghdr* message, const Attributes& a) {
  NftChain out;
  out.family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
  out.table = text(a[NFTA_CHAIN_TABLE]);
  out.name = text(a[NFTA_CHAIN_NAME]);
  if (out.name.empty()) return std::nullopt;
  if (a[NFTA_CHAIN_HOOK] == nullptr) return out;
  // A chain of type nat sees the first packet only, and moves rather than drops.
  out.is_filter = text(a[NFTA_CHAIN_TYPE]) != "nat";
  out.hook = number(nested(a[NFTA_CHAIN_HOOK])[NFTA_HOOK_HOOKNUM]);
  out.drops = a[NFTA_CHAIN_POLICY] != nullptr && number(a[NFTA_CHAIN_POLICY]) == NF_DROP;
  return out;
}

/// `last`: index of the chain of the rule before, which is mostly this one's, too.
void take_rule(const nlmsghdr* message, const Attributes& a, NftRuleset& out, std::size_t& last) {
  const auto family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
  const std::string table = text(a[NFTA_RULE_TABLE]);
  const std::string name = text(a[NFTA_RULE_CHAIN]);
  const auto is_it = [&](const NftChain& c) {
    return c.family == family && c.table == table && c.name == name;
  };
  if (last >= out.chains.size() || !is_it(out.chains[last])) {
    const auto found = std::ranges::find_if(out.chains, is_it);
    if (found == out.chains.end()) return;
    last = static_cast<std::size_t>(found - out.chains.begin());
  }
  NftRule rule;
  if (a[NFTA_RULE_HANDLE] != nullptr) rule.handle = be64toh(mnl_attr_get_u64(a[NFTA_RULE_HANDLE]));
  if (const nlattr* list = a[NFTA_RULE_EXPRESSIONS]) {
    mnl_attr_parse_nested(list, take_element, &rule.steps);
  }
  out.chains[last].rules.push_back(std::move(rule));
}

int take_set_element(const nlattr* element, void* out) {
  const Attributes a = nested(element);
  NftSet::Element taken{.key = value(a[NFTA_SET_ELEM_KEY]), .verdict = std::nullopt};
  taken.is_gap = (number(a[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END) != 0;
  if (a[NFTA_SET_ELEM_DATA] != nullptr) taken.verdict = verdict_of(a[NFTA_SET_ELEM_DATA]);
  // A range with an end of its own, or an element for all the rest: no key says that.
  if (a[NFTA_SET_ELEM_KEY_END] != nullptr) taken.key.clear();
  static_cast<std::vector<NftSet::Element>*>(out)->push_back(std::move(taken));
  return MNL_CB_OK;
}

NftSet take_set(const nlmsghdr* message, const Attributes& a) {
  NftSet out;
  out.family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
  out.table = text(a[NFTA_SET_TABLE]);
  out.name = text(a[NFTA_SET_NAME]);
  out.is_interval = (number(a[NFTA_SET_FLAGS]) & NFT_SET_INTERVAL) != 0;
  return out;
}

struct SocketCloser {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, SocketCloser>;

/// Asks for all objects of a type, or all elements of a set; `on_object(message, attributes)` for
/// each, until it says false: then the rest is still to come by the socket, and Busy comes back.
template <class OnObject>
Result<void> dump(mnl_socket* socket, std::uint16_t type, const NftSet* set, OnObject on_object) {
  alignas(nlmsghdr) std::array<char, 1024> request{};  // names have at most 256 bytes
  nlmsghdr* header = mnl_nlmsg_put_header(request.data());
  header->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | type);
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  body->nfgen_family = set == nullptr ? std::uint8_t{NFPROTO_UNSPEC} : set->family;
  body->version = NFNETLINK_V0;
  if (set != nullptr) {
    mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, set->table.c_str());
    mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set->name.c_str());
  }
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
    return fail_errno("nftables", errno);
  std::vector<char> buffer(kReceiveBytes);
  for (int part = 0; part < kPartsMax; ++part) {
    const auto bytes = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (bytes < 0) return fail_errno("nftables", errno);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    int left = static_cast<int>(bytes);
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_DONE) return {};
      if (message->nlmsg_type == NLMSG_ERROR) {
        const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
        if (error == 0) return {};
        return fail(error == EPERM ? Errc::Denied : Errc::NotFound, "nftables", error);
      }
      if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
        return fail(Errc::Busy, "the nftables ruleset is being changed", EINTR);
      }
      Attributes attributes{};
      mnl_attr_parse(message, sizeof(nfgenmsg), take_attribute, &attributes);
      if (!on_object(message, attributes)) {
        return fail(Errc::Busy, "the nftables ruleset is too long");
      }
    }
  }
  return fail(Errc::Busy, "the nftables ruleset does not end");
}

/// Whether some rule of the table looks things up in it by what is known of a packet.
bool is_of_use(const NftRuleset& rules, const NftSet& set) {
  for (const NftChain& chain : rules.chains) {
    if (chain.family != set.family || chain.table != set.table) continue;
    for (const NftRule& rule : chain.rules) {
      std::uint32_t known = 0;  // the register, of which there is one in all but odd rules
      for (const NftStep& step : rule.steps) {
        if (const auto* load = std::get_if<NftLoad>(&step)) {
          known = load->what == NftLoad::What::Else ? 0 : load->to;
        }
        const auto* look = std::get_if<NftLookup>(&step);
        if (look != nullptr && look->set == set.name && look->from == known) return true;
      }
    }
  }
  return false;
}

/// No more than a few beyond kElementsMax.
Result<void> read_elements(mnl_socket* socket, NftSet& set) {
  return dump(socket, NFT_MSG_GETSETELEM, &set, [&](const nlmsghdr*, const Attributes& a) {
    const nlattr* list = a[NFTA_SET_ELEM_LIST_ELEMENTS];
    if (list == nullptr || set.elements.size() > kElementsMax) return true;
    mnl_attr_parse_nested(list, take_set_element, &set.elements);
    return true;
  });
}

}  // namespace

Result<NftRuleset> read_nft_ruleset() {
  const Socket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr) return fail_errno("nftables", errno);
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return fail_errno("nftables", errno);
  NftRuleset out;
  const auto chains = dump(socket.get(), NFT_MSG_GETCHAIN, nullptr,
                           [&](const nlmsghdr* message, const Attributes& a) {
                             if (auto chain = take_chain(message, a)) {
                               out.chains.push_back(std::move(*chain));
                             }
                             return true;
                           });
  if (!chains) return std::unexpected(chains.error());
  std::size_t rules = 0;
  std::size_t last = 0;
  const auto read = dump(socket.get(), NFT_MSG_GETRULE, nullptr,
                         [&](const nlmsghdr* message, const Attributes& a) {
                           if (++rules > kRulesMax) return false;
                           take_rule(message, a, out, last);
                           return true;
                         });
  if (!read) return std::unexpected(read.error());
  const auto sets = dump(socket.get(), NFT_MSG_GETSET, nullptr,
                         [&](const nlmsghdr* message, const Attributes& a) {
                           out.sets.push_back(take_set(message, a));
                           return true;
                         });
  if (!sets) return std::unexpected(sets.error());
  std::erase_if(out.sets, [&](const NftSet& set) { return !is_of_use(out, set); });
  for (NftSet& set : out.sets) {
    if (auto elements = read_elements(socket.get(), set); !elements) {
      return std::unexpected(elements.error());
    }
  }
  std::erase_if(out.sets, [](const NftSet& set) { return set.elements.size() > kElementsMax; });
  return out;
}

}  // namespace ipop::os
