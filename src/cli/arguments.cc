#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

#include "control/codec.h"

namespace ipop::cli {
namespace {

constexpr const char* kDescription =
    "A private network of your own: create one, invite others, no server in between";
constexpr const char* kFooter =
    "NETWORK may be left out where there is exactly one. MEMBER is a name (bob, bob.family) or an\n"
    "address. Exit codes: 0 done, 1 failed, 2 usage. More: man ipop";

/// Where CLI11 puts what it reads; turned into a Request afterwards.
struct Raw {
  std::string socket = kDefaultSocket;
  bool json = false;
  bool yes = false;
  std::string network;
  std::string member;
  std::string name;
  std::string subnet;
  std::string invite;
  std::string address;
  std::string endpoint;
  bool no_psk = false;
  std::string expires = "24h";
  std::int64_t uses = 1;
  std::uint32_t count = 4;
  double interval_seconds = 1.0;
};

std::optional<std::string> present(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

/// The commands and their options, bound to a Raw. Not movable: CLI11 keeps pointers into it.
class Grammar {
 public:
  Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  CLI::App app{kDescription, "ipop"};
  Raw raw;
  CLI::App* create = verb("create", "Found a network; prints its recovery key once");
  CLI::App* invite = verb("invite", "Make an invite for somebody else");
  CLI::App* join = verb("join", "Join the network of an invite");
  CLI::App* leave = verb("leave", "Leave a network for good");
  CLI::App* up = verb("up", "Switch a network on");
  CLI::App* down = verb("down", "Switch a network off until `up`");
  CLI::App* networks = verb("networks", "List the networks of this computer");
  CLI::App* status = verb("status", "Show networks, members and the paths to them");
  CLI::App* ping = verb("ping", "Ask a member for a sign of life through its session");
  CLI::App* kick = verb("kick", "Put a member out of a network");
  CLI::App* admin = verb("admin", "Give or take the right to kick and to make admins");
  CLI::App* admin_add = part(admin, "add", "Make a member an admin");
  CLI::App* admin_remove = part(admin, "remove", "Take a member's admin right");
  CLI::App* device = verb("device", "Bring phones and routers in that run WireGuard");
  CLI::App* device_add = part(device, "add", "Make a device's WireGuard configuration");
  CLI::App* device_list = part(device, "list", "List the devices of a network");
  CLI::App* device_show = part(device, "show", "Show a device's configuration, without its key");
  CLI::App* netcheck = verb("netcheck", "Show how this computer is seen from outside its NAT");
  CLI::App* doctor = verb("doctor", "Find out why the path to a member is as it is");
  CLI::App* version = verb("version", "Print the versions of ipop and ipopd");

 private:
  /// Options that a verb does not know fall through to the program: --json and --socket stand
  /// before or after it.
  CLI::App* part(CLI::App* parent, const char* name, const char* help) {
    CLI::App* command = parent->add_subcommand(name, help);
    command->fallthrough();
    return command;
  }
  CLI::App* verb(const char* name, const char* help) { return part(&app, name, help); }
  void network_argument(CLI::App* command) {
    command->add_option("NETWORK", raw.network, "Which network, where there is more than one");
  }
  void member_arguments(CLI::App* command) {
    command->add_option("MEMBER", raw.member, "Name or address of the member")->required();
    command->add_option("--network", raw.network, "Which network, where there is more than one")
        ->type_name("NETWORK");
  }
};

Grammar::Grammar() {
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Print this help");
  app.add_option("--socket", raw.socket, "Control socket of ipopd")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_flag("--json", raw.json, "Print one JSON document; errors as JSON on standard error");
  admin->require_subcommand(1);
  device->require_subcommand(1);

  create->add_option("NETWORK", raw.network, "Name of the new network")->required();
  create->add_option("--name", raw.name, "Your name in it (default: the host's name)")
      ->type_name("MEMBER");
  create->add_option("--subnet", raw.subnet, "IPv4 subnet (default: one that is free here)")
      ->type_name("CIDR");
  network_argument(invite);
  invite->add_option("--uses", raw.uses, "How many may join with it")
      ->type_name("N")
      ->capture_default_str();
  invite->add_option("--expires", raw.expires, "For how long: 90s, 30m, 24h, 7d, 2w")
      ->type_name("TIME")
      ->capture_default_str();
  invite->add_option("--name", raw.name, "Name of who joins with it")->type_name("MEMBER");
  invite->add_option("--address", raw.address, "IPv4 address of who joins with it")->type_name("A");
  join->add_option("INVITE", raw.invite,
                   "The invite, or - to read it from standard input, where other users of this "
                   "computer do not see it")
      ->required();
  join->add_option("--name", raw.name, "Your name (default: the host's name)")->type_name("MEMBER");
  network_argument(leave);
  leave->add_flag("-y,--yes", raw.yes, "Do not ask");
  network_argument(up);
  network_argument(down);
  network_argument(status);
  member_arguments(ping);
  ping->add_option("-c,--count", raw.count, "How many to send")
      ->type_name("N")
      ->capture_default_str();
  ping->add_option("-i,--interval", raw.interval_seconds, "Seconds between two of them")
      ->type_name("SECONDS")
      ->capture_default_str();
  member_arguments(kick);
  member_arguments(doctor);
  network_argument(doctor);
  member_arguments(admin_add);
  member_arguments(admin_remove);
  for (CLI::App* command : {device_add, device_show}) {
    command->add_option("NAME", raw.name, "Name of the device")->required();
    network_argument(command);
  }
  network_argument(device_list);
  device_add->add_option("--address", raw.address, "IPv4 address (default: a free one)")
      ->type_name("A");
  device_add
      ->add_option("--endpoint", raw.endpoint,
                   "Where the device finds this computer (default: its best address)")
      ->type_name("ADDRESS:PORT");
  device_add->add_flag("--no-psk", raw.no_psk, "Without a preshared key, for old devices");
}

using Mistake = std::unexpected<std::string>;

/// "bob.family" and "bob.family.internal" name the network too; addresses stay as they are.
std::expected<void, std::string> split_member(Raw& raw) {
  if (IpAddress::parse(raw.member)) return {};
  std::string_view member = raw.member;
  constexpr std::string_view kDomain = ".internal";
  if (member.ends_with('.')) member.remove_suffix(1);
  if (member.ends_with(kDomain)) member.remove_suffix(kDomain.size());
  const auto dot = member.find('.');
  if (dot == std::string_view::npos) return {};
  const std::string network(member.substr(dot + 1));
  if (!raw.network.empty() && raw.network != network) {
    return Mistake(raw.member + " is not in the network " + raw.network);
  }
  raw.member = member.substr(0, dot);
  raw.network = network;
  return {};
}

std::expected<control::Request, std::string> create_request(const Raw& raw) {
  control::CreateRequest request{.network = raw.network, .name = present(raw.name)};
  if (!raw.subnet.empty()) {
    request.subnet = Prefix4::parse(raw.subnet);
    if (!request.subnet) {
      return Mistake("--subnet: " + raw.subnet +
                     " is no IPv4 subnet; write it like 10.83.0.0/16 or 192.168.77.0/24, "
                     "with zeros after the prefix");
    }
  }
  return request;
}

std::expected<control::Request, std::string> invite_request(const Raw& raw) {
  control::InviteRequest request{.network = present(raw.network), .name = present(raw.name)};
  if (raw.uses < 1 || raw.uses > UINT16_MAX) return Mistake("--uses: between 1 and 65535");
  request.uses = static_cast<std::uint16_t>(raw.uses);
  const auto expires = parse_duration(raw.expires);
  if (!expires) {
    return Mistake("--expires: " + raw.expires + " is no time; write it like 90s, 30m, 24h or 7d");
  }
  request.expires = *expires;
  if (!raw.address.empty()) {
    request.address = Ipv4::parse(raw.address);
    if (!request.address) return Mistake("--address: " + raw.address + " is no IPv4 address");
  }
  if (raw.uses > 1 && (request.name || request.address)) {
    return Mistake("--name and --address are for one member; leave out --uses");
  }
  return request;
}

std::expected<control::Request, std::string> device_request(const Raw& raw,
                                                            control::DeviceAction action) {
  control::DeviceRequest request{.action = action,
                                 .name = present(raw.name),
                                 .network = present(raw.network),
                                 .psk = !raw.no_psk};
  if (!raw.address.empty()) {
    request.address = Ipv4::parse(raw.address);
    if (!request.address) return Mistake("--address: " + raw.address + " is no IPv4 address");
  }
  if (!raw.endpoint.empty()) {
    request.endpoint = Endpoint::parse(raw.endpoint);
    if (!request.endpoint) {
      return Mistake("--endpoint: " + raw.endpoint +
                     " is no address with a port; write it like 203.0.113.7:41820 or "
                     "[2001:db8::7]:41820");
    }
  }
  return request;
}

std::expected<control::Request, std::string> ping_request(const Raw& raw) {
  if (raw.count == 0 || raw.count > control::kPingCountMax) {
    return Mistake("--count: must be from 1 to " + std::to_string(control::kPingCountMax));
  }
  if (!(raw.interval_seconds >= 0.01 && raw.interval_seconds <= 3600)) {
    return Mistake("--interval: must be from 0.01 to 3600 seconds");
  }
  return control::PingRequest{
      .member = raw.member,
      .network = present(raw.network),
      .count = raw.count,
      .interval = std::chrono::milliseconds(std::lround(raw.interval_seconds * 1000))};
}

std::expected<control::Request, std::string> request_of(Grammar& grammar) {
  Raw& raw = grammar.raw;
  const auto network = present(raw.network);
  if (*grammar.create) return create_request(raw);
  if (*grammar.invite) return invite_request(raw);
  if (*grammar.join) return control::JoinRequest{.invite = raw.invite, .name = present(raw.name)};
  if (*grammar.leave) return control::LeaveRequest{.network = network, .confirmed = raw.yes};
  if (*grammar.up) return control::UpRequest{.network = network};
  if (*grammar.down) return control::DownRequest{.network = network};
  if (*grammar.networks) return control::NetworksRequest{};
  if (*grammar.status) return control::StatusRequest{.network = network};
  if (*grammar.netcheck) return control::NetcheckRequest{};
  if (*grammar.version) return control::VersionRequest{};
  if (*grammar.device) {
    return device_request(raw, *grammar.device_add    ? control::DeviceAction::Add
                               : *grammar.device_show ? control::DeviceAction::Show
                                                      : control::DeviceAction::List);
  }

  if (const auto split = split_member(raw); !split) return Mistake(split.error());
  const auto of_member = present(raw.network);
  if (*grammar.ping) return ping_request(raw);
  if (*grammar.doctor) return control::DoctorRequest{.member = raw.member, .network = of_member};
  if (*grammar.kick) return control::KickRequest{.member = raw.member, .network = of_member};
  return control::AdminRequest{
      .action = *grammar.admin_add ? control::AdminAction::Add : control::AdminAction::Remove,
      .member = raw.member,
      .network = of_member};
}

/// CLI11 only says that a subcommand is required, also when an unknown one was given.
std::string verb_mistake(const Grammar& grammar, std::span<const std::string> arguments) {
  if (*grammar.admin) return "say which: admin add MEMBER, or admin remove MEMBER";
  if (*grammar.device) return "say which: device add NAME, device list, or device show NAME";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--socket") {
      ++i;
    } else if (!arguments[i].starts_with('-')) {
      return "ipop has no command " + arguments[i];
    } else if (!arguments[i].starts_with("--json") && !arguments[i].starts_with("--socket=")) {
      return "ipop has no option " + arguments[i];
    }
  }
  return "say what to do, for example: ipop status";
}

Stop mistake(std::string message, bool json) {
  control::ControlError error{
      .code = control::ErrorCode::Usage, .message = std::move(message), .next = "see: ipop --help"};
  std::string text =
      json ? control::document(error) : "ipop: " + error.message + "\n      " + error.next + "\n";
  return {.exit_code = kExitUsage, .text = std::move(text), .json = json};
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || end - rest != 1 || number == 0) return std::nullopt;
  constexpr std::string_view kUnits = "smhdw";
  constexpr std::uint64_t kSeconds[] = {1, 60, 3600, 86400, 604800};
  const auto unit = kUnits.find(*rest);
  if (unit == std::string_view::npos) return std::nullopt;
  const std::uint64_t seconds = number * kSeconds[unit];
  constexpr std::uint64_t kTenYears = 3653ULL * 86400;
  if (seconds > kTenYears) return std::nullopt;
  return std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

std::expected<Invocation, Stop> parse_arguments(std::span<const std::string> arguments) {
  Grammar grammar;
  try {
    // CLI11 takes them last first.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    grammar.app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      std::ostringstream out;
      grammar.app.exit(error, out, out);
      return std::unexpected(Stop{.exit_code = kExitDone, .text = out.str()});
    }
    // The parse may have stopped before it came to the flag.
    const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    const auto is_alone = [](const CLI::App* verb) {
      return *verb && verb->get_subcommands().empty();
    };
    const bool no_verb = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr &&
                         (is_alone(grammar.admin) || is_alone(grammar.device) ||
                          grammar.app.get_subcommands().empty());
    return std::unexpected(
        mistake(no_verb ? verb_mistake(grammar, arguments) : error.what(), json));
  }
  const bool json = grammar.raw.json;
  auto request = request_of(grammar);
  if (!request) return std::unexpected(mistake(std::move(request.error()), json));
  return Invocation{.request = *std::move(request),
                    .socket = grammar.raw.socket,
                    .json = json,
                    .yes = grammar.raw.yes,
                    .invite_from_input = *grammar.join && grammar.raw.invite == "-"};
}

}  // namespace ipop::cli
