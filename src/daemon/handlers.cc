// The control socket's verbs.

#include <unistd.h>

#include <algorithm>
#include <array>

#include "control/doctor_verdict.h"
#include "control/version.h"
#include "daemon/daemon.h"
#include "daemon/doctor_reply.h"
#include "daemon/netcheck_reply.h"
#include "daemon/replies.h"
#include "engine/overload.h"
#include "engine/text.h"
#include "member/subnet.h"
#include "os/clock.h"
#include "os/nft_ruleset.h"
#include "wire/statement.h"

namespace ipop::daemon {
namespace {

std::string_view text_of(const std::optional<std::string>& text) {
  return text ? std::string_view(*text) : std::string_view();
}

/// The machine's name made fit for a member: its first label in lower case.
std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "member";
  std::string out;
  for (const char c : std::string_view(buffer.data())) {
    if (c == '.') break;
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    out += (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ? lower : '-';
  }
  out = out.substr(0, wire::kNameMax);
  while (out.starts_with('-')) out.erase(0, 1);
  while (out.ends_with('-')) out.pop_back();
  return wire::is_valid_name(out) ? out : "member";
}

engine::CommandError bad_name(const std::string& name) {
  return {engine::Failure::BadName, "`" + name + "` is no valid name",
          "names have 1 to 32 letters a-z, digits and hyphens inside, like `alice-laptop`"};
}

control::ControlError last_admin_leaves(const engine::LeaveImpact& impact) {
  control::ControlError out{.code = control::ErrorCode::ConfirmationNeeded,
                            .message = "this computer is the last one in " + impact.network};
  if (impact.members == 0) {
    out.message +=
        ": the network ends, and its open invites and its recovery key open nothing "
        "any more";
    out.next = "let somebody join and `ipop admin add MEMBER` first, or leave with --yes";
  } else {
    out.message += " that may kick members and make admins; " + std::to_string(impact.members) +
                   " other member(s) would stay without one";
    out.next = "`ipop admin add MEMBER` first, or leave all the same with --yes";
  }
  return out;
}

constexpr const char* kMendDisk = "make room on the disk or mend its permissions, then try again";

std::uint32_t online_of(const engine::NetworkStatus& status) {
  return static_cast<std::uint32_t>(
      std::count_if(status.members.begin(), status.members.end(),
                    [](const engine::MemberStatus& m) { return m.online; }));
}

}  // namespace

void Daemon::handle_requests() {
  for (const Incoming& incoming : control_.process()) {
    std::visit(engine::Overload{
                   [&](const control::Request& request) {
                     std::visit([&](const auto& r) { handle(incoming.client, r); }, request);
                   },
                   [&](const Vanished&) {
                     if (pending_.erase(incoming.client.value) != 0) {
                       engine_.cancel(os::now(), incoming.client.value);
                     }
                   },
               },
               incoming.what);
    drain();
  }
}

void Daemon::handle(ClientId client, const control::CreateRequest& request) {
  engine::CreateOptions options;
  options.network = request.network;
  options.member = request.name ? *request.name : host_name();
  options.pool = request.subnet;
  options.taken = interfaces_.taken_prefixes();
  std::ranges::copy(engine_.pools(),
                    std::back_inserter(options.taken));  // also of those that are down
  for (const std::string& name : {options.network, options.member}) {
    if (!wire::is_valid_name(name)) return finish(client, bad_name(name));
  }
  if (request.subnet) {
    if (const auto fit = member::check_subnet(*request.subnet); !fit) {
      return finish(client, engine::error_of(fit.error()));
    }
    auto other = interfaces_.clash(*request.subnet);
    for (const Prefix4& pool : engine_.pools()) {  // one that is down has no route
      if (!other && pool.overlaps(*request.subnet)) other = "a network of ours";
    }
    if (other) {
      return finish(client, {engine::Failure::SubnetClash,
                             "subnet " + request.subnet->to_string() +
                                 " is already used on this computer by " + *other,
                             "choose another one, or leave --subnet away: a free one is drawn"});
    }
  }
  const auto created = engine_.create(os::now(), options);
  if (!created) return finish(client, created.error());
  if (!carry_out_saving(client, "")) {
    static_cast<void>(engine_.leave(os::now(), created->network));
    return;
  }
  const auto status = network_status(created->network);
  control::CreateReply reply;
  reply.network = info_of(*status);
  reply.recovery_key = created->recovery_key;
  reply.health = health_of(*status);
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::InviteRequest& request) {
  engine::InviteOptions options;
  options.uses = request.uses;
  options.valid_for = request.expires;
  options.name = std::string(text_of(request.name));
  options.address = request.address;
  const auto made = engine_.invite(os::now(), text_of(request.network), options);
  if (!made) return finish(client, made.error());
  if (!carry_out_saving(client, "")) return;
  control::InviteReply reply;
  reply.network = made->network;
  reply.invite = made->text;
  reply.uses = made->uses;
  reply.expires = made->redeem_until;
  reply.name = request.name;
  reply.address = request.address;
  reply.hosts = made->hosts;
  reply.health = advice_on_hosts(made->hosts, packets_->port());
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::JoinRequest& request) {
  engine::JoinOptions options;
  options.member = request.name ? *request.name : host_name();
  if (!wire::is_valid_name(options.member)) return finish(client, bad_name(options.member));
  pending_[client.value] = Pending{client, std::nullopt, {}};
  const auto begun = engine_.join(os::now(), client.value, request.invite, options);
  if (begun) return;
  pending_.erase(client.value);
  finish(client, begun.error());
}

void Daemon::handle(ClientId client, const control::LeaveRequest& request) {
  if (request.network && engine_.held().contains(*request.network)) {
    return leave_held(client, *request.network, request.confirmed);
  }
  const auto impact = engine_.leave_impact(text_of(request.network));
  if (!impact) return finish(client, impact.error());
  if (impact->last_admin && !request.confirmed) {
    return control_.finish(client, std::unexpected(last_admin_leaves(*impact)));
  }
  const auto left = engine_.leave(os::now(), impact->network);
  if (!left) return finish(client, left.error());
  if (!carry_out_saving(client, "this computer has left " + left->network)) return;
  control::LeaveReply reply;
  reply.network = left->network;
  reply.told = static_cast<std::uint32_t>(left->told);
  finish(client, std::move(reply));
}

/// Nobody can be told about a network that could not be restored, and what its files hold may still
/// be mended: they are kept.
void Daemon::leave_held(ClientId client, const std::string& network, bool confirmed) {
  if (!confirmed) {
    return control_.finish(
        client, std::unexpected(control::ControlError{
                    control::ErrorCode::ConfirmationNeeded,
                    "network " + network + " is off: " + engine_.held().at(network) +
                        "; leaving moves its folder out of the way and tells nobody",
                    "put the file back from a backup and restart ipopd, or leave with --yes"}));
  }
  const auto moved = store_.set_aside(network);
  if (!moved) return finish(client, {engine::Failure::StateError, moved.error(), kMendDisk});
  engine_.release(network);
  control::LeaveReply reply;
  reply.network = network;
  reply.moved_to = moved->string();
  finish(client, std::move(reply));
}

/// Carries out what a verb wanted. False where not all of it could be saved; then the client has
/// heard so, and what of the verb stands all the same.
bool Daemon::carry_out_saving(ClientId client, const std::string& stands) {
  drain();
  if (!store_failure_) return true;
  if (stands.empty()) {
    finish(client, {engine::Failure::StateError, *store_failure_, kMendDisk});
  } else {
    finish(client,
           {engine::Failure::StateError, stands + ", but it could not be saved: " + *store_failure_,
            "mend the disk soon, or a restart of ipopd may undo it; saving is tried again "
            "every 10 seconds"});
  }
  return false;
}

void Daemon::handle(ClientId client, const control::UpRequest& request) {
  const auto before = engine_.status_of(os::now(), text_of(request.network));
  if (!before) return finish(client, before.error());
  const auto up = engine_.set_up(os::now(), before->name, true);
  if (!up) return finish(client, up.error());
  if (!carry_out_saving(client, *up + " is up")) return;
  const auto after = engine_.status_of(os::now(), *up);
  if (!after) return finish(client, after.error());
  if (after->interface.empty()) {
    const std::string next =
        after->interface_next.empty() ? engine::interface_advice(*up) : after->interface_next;
    return finish(client, {engine::Failure::InterfaceError,
                           *up + " has no interface: " + after->interface_problem, next});
  }
  const bool was_up = before->up && !before->interface.empty();
  finish(client, control::UpReply{*up, after->interface, !was_up});
}

void Daemon::handle(ClientId client, const control::DownRequest& request) {
  const auto before = engine_.status_of(os::now(), text_of(request.network));
  if (!before) return finish(client, before.error());
  const auto down = engine_.set_up(os::now(), before->name, false);
  if (!down) return finish(client, down.error());
  if (!carry_out_saving(client, *down + " is down")) return;
  finish(client, control::DownReply{*down, before->up});
}

void Daemon::handle(ClientId client, const control::NetworksRequest&) {
  control::NetworksReply reply;
  for (const auto& status : engine_.status(os::now())) {
    reply.networks.push_back(summary_of(status));
  }
  reply.health = state_health();
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::StatusRequest& request) {
  control::StatusReply reply;
  reply.drops = drops_of(packets_->drops());
  reply.health = state_health();
  std::ranges::move(tls_health(), std::back_inserter(reply.health));
  std::vector<engine::NetworkStatus> chosen;
  if (request.network) {
    auto one = engine_.status_of(os::now(), *request.network);
    if (!one) return finish(client, one.error());
    chosen.push_back(std::move(*one));
  } else {
    chosen = engine_.status(os::now());
  }
  for (const engine::NetworkStatus& status : chosen) {
    reply.networks.push_back(status_of(status, packets_->port()));
    for (control::Health& h : health_of(status)) reply.health.push_back(std::move(h));
  }
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::PingRequest& request) {
  const auto status = engine_.status_of(os::now(), text_of(request.network));
  if (!status) return finish(client, status.error());
  engine::PingOptions options;
  options.count = static_cast<std::uint16_t>(request.count);
  options.interval = request.interval;
  options.timeout = request.timeout;
  // The figures are begun first: an answer may come within the call.
  control::PingReply reply;
  reply.network = status->name;
  reply.member = request.member;
  pending_[client.value] = Pending{client, std::move(reply), {}};
  const auto begun = engine_.ping(os::now(), client.value, status->name, request.member, options);
  if (!begun) {
    pending_.erase(client.value);
    return finish(client, begun.error());
  }
  control::PingReply& kept = *pending_[client.value].ping;
  kept.member = begun->name;
  kept.ipv4 = begun->v4;
  kept.ipv6 = begun->v6;
}

void Daemon::handle(ClientId client, const control::KickRequest& request) {
  const auto before = engine_.status_of(os::now(), text_of(request.network));
  if (!before) return finish(client, before.error());
  const auto kicked = engine_.kick(os::now(), before->name, request.member);
  if (!kicked) return finish(client, kicked.error());
  if (!carry_out_saving(client, kicked->member + " is kicked")) return;
  control::KickReply reply;
  reply.network = before->name;
  reply.member = kicked->member;
  for (const engine::InviteStatus& invite : kicked->closed_invites) {
    reply.closed_invites.push_back(invite_of(invite));
  }
  if (const auto after = network_status(before->name)) {
    reply.told = online_of(*after);
    reply.epoch = after->epoch.value;
  }
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::AdminRequest& request) {
  const auto status = engine_.status_of(os::now(), text_of(request.network));
  if (!status) return finish(client, status.error());
  const bool add = request.action == control::AdminAction::Add;
  const auto done = add ? engine_.add_admin(os::now(), status->name, request.member)
                        : engine_.remove_admin(os::now(), status->name, request.member);
  if (!done) return finish(client, done.error());
  if (!carry_out_saving(client, *done + (add ? " is an admin" : " is no admin any more"))) return;
  finish(client, control::AdminReply{status->name, *done, add});
}

void Daemon::handle(ClientId client, const control::DeviceRequest& request) {
  const auto status = engine_.status_of(os::now(), text_of(request.network));
  if (!status) return finish(client, status.error());
  control::DeviceReply reply;
  reply.network = status->name;
  if (request.action == control::DeviceAction::List) {
    reply.devices = devices_of(*status);
    return finish(client, std::move(reply));
  }
  const std::string name(text_of(request.name));
  reply.name = name;
  if (request.action == control::DeviceAction::Show) {
    const auto config = engine_.device_config(os::now(), status->name, name);
    if (!config) return finish(client, config.error());
    reply.config = wg_quick_file(*config, nullptr);
    return finish(client, std::move(reply));
  }
  engine::DeviceWish wish{
      .name = name, .address = request.address, .endpoint = request.endpoint, .psk = request.psk};
  const auto made = engine_.add_device(os::now(), status->name, wish);
  if (!made) return finish(client, made.error());
  if (!carry_out_saving(client, "")) {
    static_cast<void>(engine_.kick(os::now(), status->name, name));
    return;
  }
  reply.config = wg_quick_file(made->config, &made->private_key);
  reply.has_private_key = true;
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::NetcheckRequest&) {
  control::NetcheckReply reply =
      netcheck_of(engine_.netcheck(os::now()),
                  interfaces_.local_addresses().value_or(std::vector<IpAddress>()));
  reply.port = packets_->port();
  reply.port_mapping = config_.nat.port_mapping;
  reply.upnp = config_.nat.port_mapping && config_.nat.upnp;
  reply.health = advice_on(reply);
  for (const auto& status : engine_.status(os::now())) {
    for (control::Health& h : health_of(status)) {
      if (h.code == "udp_blocked") reply.health.push_back(std::move(h));
    }
  }
  std::ranges::move(tls_health(), std::back_inserter(reply.health));
  finish(client, std::move(reply));
}

void Daemon::handle(ClientId client, const control::DoctorRequest& request) {
  const auto status = engine_.status_of(os::now(), text_of(request.network));
  if (!status) return finish(client, status.error());
  const auto begun = engine_.diagnose(os::now(), client.value, status->name, request.member);
  if (!begun) return finish(client, begun.error());
  control::DoctorReply reply;
  reply.network = status->name;
  reply.self = status->member;
  reply.member = begun->name;
  reply.ipv4 = begun->v4;
  reply.ipv6 = begun->v6;
  pending_[client.value] = Pending{client, std::nullopt, {}, std::move(reply)};
}

void Daemon::handle(ClientId client, const control::VersionRequest&) {
  control::VersionReply reply;
  reply.daemon = std::string(control::version());
  finish(client, std::move(reply));
}

void Daemon::carry_out(engine::CommandUpdate& output) {
  const auto it = pending_.find(output.command);
  if (it == pending_.end()) return;
  Pending& pending = it->second;
  std::visit(engine::Overload{
                 [&](const engine::JoinCalling& u) {
                   control_.send(pending.client, control::JoinCalling{u.host});
                 },
                 [&](const engine::JoinFound& u) {
                   control_.send(pending.client, control::JoinFound{u.member, u.host});
                 },
                 [&](const engine::Joined& u) {
                   control::JoinReply reply;
                   for (const auto& status : engine_.status(os::now())) {
                     if (status.slot != u.network) continue;
                     reply.network = info_of(status);
                     reply.health = health_of(status);
                   }
                   reply.admitted_by = u.admitted_by;
                   reply.path = path_of(u.path, std::nullopt, std::nullopt);
                   finish(pending.client, std::move(reply));
                 },
                 [&](const engine::PingResult& u) {
                   control::PingReply& figures = *pending.ping;
                   ++figures.sent;
                   if (u.answered) {
                     ++figures.received;
                     pending.rtt_sum += u.rtt;
                     figures.rtt_min = figures.rtt_min ? std::min(*figures.rtt_min, u.rtt) : u.rtt;
                     figures.rtt_max = figures.rtt_max ? std::max(*figures.rtt_max, u.rtt) : u.rtt;
                     control_.send(pending.client,
                                   control::PingAnswer{u.sequence, path_of(u.path, u.via, u.rtt)});
                   } else {
                     control_.send(pending.client, control::PingLost{u.sequence});
                   }
                   if (output.last) finish_ping(pending);
                 },
                 [&](const engine::Diagnosed& u) { finish_doctor(pending, u); },
                 [&](const engine::CommandError& u) { finish(pending.client, u); },
             },
             output.update);
  if (output.last) pending_.erase(output.command);
}

void Daemon::finish_ping(Pending& pending) {
  control::PingReply& figures = *pending.ping;
  if (figures.received != 0) {
    figures.rtt_average = pending.rtt_sum / static_cast<std::int64_t>(figures.received);
  }
  finish(pending.client, std::move(figures));
}

void Daemon::finish_doctor(Pending& pending, const engine::Diagnosed& found) {
  control::DoctorReply& reply = *pending.doctor;
  fill_in(reply, found);
  // Only a ruleset that could be read says anything; none is as good as an open one.
  if (const auto rules = os::read_nft_ruleset()) note_firewall(reply, *rules);
  reply.verdict = control::verdict_of(reply);
  finish(pending.client, std::move(reply));
}

void Daemon::finish(ClientId client, const engine::CommandError& error) {
  control_.finish(client, std::unexpected(error_of(error)));
}

void Daemon::finish(ClientId client, control::Reply reply) {
  control_.finish(client, std::move(reply));
}

std::optional<engine::NetworkStatus> Daemon::network_status(std::string_view network) const {
  auto status = engine_.status_of(os::now(), network);
  if (!status) return std::nullopt;
  return std::move(*status);
}

}  // namespace ipop::daemon
