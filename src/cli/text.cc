#include "cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/device_text.h"
#include "cli/format.h"

namespace ipop::cli {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace): its structs are all this is about

std::string address_text(const std::optional<Ipv4>& address) {
  return address ? address->to_string() : "no address yet";
}

std::string name_text(const std::string& name) { return name.empty() ? "(no name)" : name; }

/// "direct, udp 203.0.113.7:41820, 12.3 ms"
std::string path_text(const PathStatus& path) {
  std::string out;
  switch (path.kind) {
    case PathKind::None:
      return "none";
    case PathKind::Direct:
      out = "direct";
      if (path.endpoint) out += ", udp " + path.endpoint->to_string();
      break;
    case PathKind::Tls:
      out = "tls";
      if (path.endpoint) out += " " + path.endpoint->to_string();
      break;
    case PathKind::Relay:
      out = "relay";
      if (path.via) out += " via " + *path.via;
      break;
  }
  if (path.rtt) out += ", " + rtt_text(*path.rtt);
  return out;
}

std::string network_text(const NetworkInfo& network) {
  return fmt::format("{}  {}  {}/{}  on {}", network.name, network.subnet4.to_string(),
                     network.subnet6.base.to_string(), network.subnet6.length, network.interface);
}

std::string you_text(const Self& self) {
  return fmt::format("{}  {}  {}", name_text(self.name), address_text(self.ipv4), self.dns_name);
}

std::string count_text(std::uint64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

/// "bob, 10.83.0.9" for what an invite fixes.
std::string fixed_text(const std::optional<std::string>& name, const std::optional<Ipv4>& address) {
  std::string out = name.value_or("");
  if (address) out += (out.empty() ? "" : ", ") + address->to_string();
  return out.empty() ? "anybody" : out;
}

std::string invites_table(const std::vector<InviteStatus>& invites, UnixTime now) {
  Table table({"INVITE", "BY", "FOR", "USED", "EXPIRES"});
  for (const InviteStatus& invite : invites) {
    table.add({invite.id.substr(0, 8), invite.issuer.value_or("-"),
               fixed_text(invite.name, invite.address),
               fmt::format("{} of {}", invite.used, invite.uses),
               expiry_text(invite.expires, now)});
  }
  return table.text(2);
}

std::string member_state(const MemberStatus& member) {
  if (member.online) return "online";
  if (!member.last_seen) return "offline";
  return "seen " + span_text(*member.last_seen) + " ago";
}

/// Short, as the table should fit a terminal; the time has a column of its own.
std::string path_cell(const PathStatus& path) {
  switch (path.kind) {
    case PathKind::None:
      break;
    case PathKind::Direct:
      return "direct" + (path.endpoint ? " " + path.endpoint->to_string() : "");
    case PathKind::Tls:
      return "tls" + (path.endpoint ? " " + path.endpoint->to_string() : "");
    case PathKind::Relay:
      return "relay" + (path.via ? " via " + *path.via : "");
  }
  return "-";
}

std::string members_table(const NetworkStatus& status) {
  Table table({"MEMBER", "ADDRESS", "STATE", "PATH", "TIME", "RECEIVED", "SENT"});
  for (const std::size_t column : {4U, 5U, 6U}) table.align_right(column);
  for (const MemberStatus& member : status.members) {
    table.add({name_text(member.name) + (member.admin ? " *" : ""),
               member.ipv4 ? member.ipv4->to_string() : member.ipv6.to_string(),
               member_state(member), path_cell(member.path),
               member.path.rtt ? rtt_text(*member.path.rtt) : "-", bytes_text(member.rx_bytes),
               bytes_text(member.tx_bytes)});
  }
  return table.text(2);
}

std::string text_of_network(const NetworkStatus& status, UnixTime now) {
  const NetworkInfo& network = status.network;
  const bool up = status.state == NetworkState::Up;
  std::string out = fmt::format("{}  {}\n", network.name,
                                !up                         ? "down"
                                : network.interface.empty() ? "up, without an interface"
                                                            : "up on " + network.interface);
  out += fmt::format("  network   {}  {}/{}\n", network.subnet4.to_string(),
                     network.subnet6.base.to_string(), network.subnet6.length);
  out += fmt::format("  you       {}{}\n", you_text(network.self),
                     network.self.admin ? "  admin" : "");
  if (up) out += fmt::format("  link      mtu {}, udp port {}\n", status.mtu, status.port);
  if (!up) out += fmt::format("  next      ipop up {}\n", network.name);
  out += "\n";
  out += status.members.empty()
             ? fmt::format("  Nobody else is here yet. Invite somebody: ipop invite {}\n",
                           network.name)
             : members_table(status);
  if (!status.devices.empty()) out += "\n" + devices_table(status.devices);
  if (!status.invites.empty()) out += "\n" + invites_table(status.invites, now);
  return out;
}

}  // namespace

std::string text_of(const CreateReply& reply) {
  const NetworkInfo& network = reply.network;
  std::string out = line("network", network_text(network));
  out += line("you", you_text(network.self) + "  founder");
  out += fmt::format(
      "\nRecovery key, shown this once:\n\n  {}\n\n"
      "Write it down and keep it away from this computer: whoever has it rules the network, also\n"
      "when this computer is lost. (No command takes it yet; a later version's will.)\n\n",
      reply.recovery_key);
  out += line("next", "ipop invite " + network.name);
  return out + text_of(reply.health);
}

std::string text_of(const JoinReply& reply) {
  const NetworkInfo& network = reply.network;
  std::string out = line("joined", network_text(network));
  out += line("you", you_text(network.self));
  if (!reply.admitted_by.empty()) {
    out += line("path", fmt::format("to {}: {}", reply.admitted_by, path_text(reply.path)));
    const bool by_name =
        std::ranges::count(reply.health, "names_not_integrated", &control::Health::code) == 0;
    out +=
        line("next", by_name ? fmt::format("ping {}.{}.internal", reply.admitted_by, network.name)
                             : "ipop ping " + reply.admitted_by);
  } else {
    out += line("next", "ipop status " + network.name);
  }
  return out + text_of(reply.health);
}

std::string text_of(const LeaveReply& reply) {
  std::string out = fmt::format("You have left {}.\n", reply.network);
  if (reply.moved_to) return out + fmt::format("What its folder held is in {}\n", *reply.moved_to);
  out += reply.told == 0
             ? "No other member could be told now: they will see this computer as offline.\n"
             : fmt::format("{}; they tell the others.\n",
                           count_text(reply.told, "member was told", "members were told"));
  return out + "To come back you need a new invite.\n";
}

std::string text_of(const UpReply& reply) {
  return fmt::format("{} {} up on {}\n", reply.network, reply.changed ? "is" : "was already",
                     reply.interface);
}

std::string text_of(const DownReply& reply) {
  return fmt::format("{} {} down; switch it on again: ipop up {}\n", reply.network,
                     reply.changed ? "is" : "was already", reply.network);
}

std::string text_of(const NetworksReply& reply) {
  if (reply.networks.empty()) {
    return text_of(StatusReply{.networks = {}, .drops = {}, .health = reply.health}, UnixTime{});
  }
  Table table({"NETWORK", "STATE", "INTERFACE", "SUBNET", "YOU", "ADDRESS", "ONLINE"});
  for (const NetworkSummary& one : reply.networks) {
    const NetworkInfo& network = one.network;
    table.add({network.name, one.state == NetworkState::Up ? "up" : "down", network.interface,
               network.subnet4.to_string(), name_text(network.self.name),
               address_text(network.self.ipv4), fmt::format("{} of {}", one.online, one.members)});
  }
  return table.text(0) + text_of(reply.health);
}

std::string text_of(const StatusReply& reply, UnixTime now) {
  std::string out;
  const auto is_off = [](const Health& health) { return health.code == "state_damaged"; };
  if (reply.networks.empty() && std::ranges::none_of(reply.health, is_off)) {
    out =
        "This computer is in no network yet.\n"
        "  found one:  ipop create NETWORK\n"
        "  join one:   ipop join INVITE\n";
  }
  for (const NetworkStatus& network : reply.networks) {
    if (!out.empty()) out += "\n";
    out += text_of_network(network, now);
  }
  return out + text_of(reply.health);
}

std::string text_of(const PingReply& reply) {
  std::string out = fmt::format("\n{} of {} answered", reply.received, reply.sent);
  if (reply.rtt_min && reply.rtt_average && reply.rtt_max) {
    out += fmt::format("; fastest {}, average {}, slowest {}", rtt_text(*reply.rtt_min),
                       rtt_text(*reply.rtt_average), rtt_text(*reply.rtt_max));
  }
  out += "\n";
  if (reply.received == 0) {
    out += fmt::format("{} does not answer; see whether there is a path: ipop status {}\n",
                       reply.member, reply.network);
  }
  return out;
}

std::string text_of(const KickReply& reply, UnixTime now) {
  std::string out = fmt::format("{} is out of {}.\n", reply.member, reply.network);
  out += reply.told == 0 ? "No other member could be told yet: each is when it connects.\n"
                         : fmt::format("{} already; the others are told when they connect.\n",
                                       count_text(reply.told, "member knows", "members know"));
  if (reply.closed_invites.empty()) return out + "No invite was open.\n";
  const std::string how_many =
      count_text(reply.closed_invites.size(), "open invite", "open invites");
  out += fmt::format("\nThis closed {}, so that nobody comes back by it:\n\n{}", how_many,
                     invites_table(reply.closed_invites, now));
  return out + fmt::format("\nMake a new one: ipop invite {}\n", reply.network);
}

std::string text_of(const AdminReply& reply) {
  return fmt::format(
      "{} {} admin of {}: {}\n", reply.member, reply.admin ? "is now an" : "is no longer an",
      reply.network,
      reply.admin ? "it may kick members and make admins" : "it keeps its place as a member");
}

std::string text_of(const VersionReply& reply) {
  return fmt::format("ipop   {}\nipopd  {}\n", reply.client, reply.daemon.value_or("not reached"));
}

std::string text_of(const Event& event, const std::string& member) {
  struct Visitor {
    const std::string& member;
    std::string operator()(const JoinCalling& e) const {
      return line("calling", e.host.to_string());
    }
    std::string operator()(const JoinFound& e) const {
      return line("found", fmt::format("{} at {}", name_text(e.member), e.host.to_string()));
    }
    std::string operator()(const JoinWaiting&) const {
      return line("waiting", "for a member to let you in");
    }
    std::string operator()(const PingAnswer& e) const {
      return fmt::format("{:>4}  {}: {}\n", e.sequence, member, path_text(e.path));
    }
    std::string operator()(const PingLost& e) const {
      return fmt::format("{:>4}  {}: no answer\n", e.sequence, member);
    }
  };
  return std::visit(Visitor{member}, event);
}

std::string text_of(const ControlError& error) {
  std::string out = "ipop: " + error.message + "\n";
  if (!error.next.empty()) out += "      " + error.next + "\n";
  return out;
}

std::string text_of(const std::vector<Health>& health) {
  std::string out;
  for (const Health& one : health) {
    out += "\n! " + one.message + "\n";
    if (!one.next.empty()) out += "  " + one.next + "\n";
  }
  return out;
}

}  // namespace ipop::cli
