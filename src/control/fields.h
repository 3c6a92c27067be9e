#pragma once

#include "control/schema.h"

/// The JSON fields of every struct of schema.h, written once for both directions. A visitor V has
///
///   V::Ref<T>           `const T&` when it writes, `T&` when it reads
///   required(key, x)    the field must be there
///   defaulted(key, x)   absent or null leaves what x holds
///   inlined(x)          the fields of x, in the same object
///
/// Fields of type std::optional are always `defaulted`.
namespace ipop::control {

template <class V, class T>
using Ref = typename V::template Ref<T>;

// ---- requests ----
template <class V>
void fields(V& v, Ref<V, CreateRequest> r) {
  v.required("network", r.network);
  v.defaulted("name", r.name);
  v.defaulted("subnet", r.subnet);
}
template <class V>
void fields(V& v, Ref<V, InviteRequest> r) {
  v.defaulted("network", r.network);
  v.defaulted("uses", r.uses);
  v.defaulted("expires_s", r.expires);
  v.defaulted("name", r.name);
  v.defaulted("address", r.address);
}
template <class V>
void fields(V& v, Ref<V, JoinRequest> r) {
  v.required("invite", r.invite);
  v.defaulted("name", r.name);
}
template <class V>
void fields(V& v, Ref<V, LeaveRequest> r) {
  v.defaulted("network", r.network);
  v.defaulted("confirmed", r.confirmed);
}
template <class V>
void fields(V& v, Ref<V, UpRequest> r) {
  v.defaulted("network", r.network);
}
template <class V>
void fields(V& v, Ref<V, DownRequest> r) {
  v.defaulted("network", r.network);
}
template <class V>
void fields(V&, Ref<V, NetworksRequest>) {}
template <class V>
void fields(V& v, Ref<V, StatusRequest> r) {
  v.defaulted("network", r.network);
}
template <class V>
void fields(V& v, Ref<V, PingRequest> r) {
  v.required("member", r.member);
  v.defaulted("network", r.network);
  v.defaulted("count", r.count);
  v.defaulted("interval_ms", r.interval);
  v.defaulted("timeout_ms", r.timeout);
}
template <class V>
void fields(V& v, Ref<V, KickRequest> r) {
  v.required("member", r.member);
  v.defaulted("network", r.network);
}
template <class V>
void fields(V& v, Ref<V, AdminRequest> r) {
  v.required("action", r.action);
  v.required("member", r.member);
  v.defaulted("network", r.network);
}
template <class V>
void fields(V& v, Ref<V, DeviceRequest> r) {
  v.required("action", r.action);
  v.defaulted("name", r.name);
  v.defaulted("network", r.network);
  v.defaulted("address", r.address);
  v.defaulted("endpoint", r.endpoint);
  v.defaulted("psk", r.psk);
}
template <class V>
void fields(V&, Ref<V, NetcheckRequest>) {}
template <class V>
void fields(V& v, Ref<V, DoctorRequest> r) {
  v.required("member", r.member);
  v.defaulted("network", r.network);
}
template <class V>
void fields(V&, Ref<V, VersionRequest>) {}

// ---- parts ----
template <class V>
void fields(V& v, Ref<V, Health> r) {
  v.required("code", r.code);
  v.required("message", r.message);
  v.defaulted("next", r.next);
}
template <class V>
void fields(V& v, Ref<V, Self> r) {
  v.required("name", r.name);
  v.defaulted("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.defaulted("dns_name", r.dns_name);
  v.defaulted("id", r.id);
  v.defaulted("admin", r.admin);
}
template <class V>
void fields(V& v, Ref<V, NetworkInfo> r) {
  v.required("name", r.name);
  v.required("id", r.id);
  v.required("interface", r.interface);
  v.required("subnet4", r.subnet4);
  v.required("subnet6", r.subnet6);
  v.required("self", r.self);
}
template <class V>
void fields(V& v, Ref<V, PathStatus> r) {
  v.required("kind", r.kind);
  v.defaulted("endpoint", r.endpoint);
  v.defaulted("via", r.via);
  v.defaulted("rtt_ms", r.rtt);
  v.defaulted("mtu", r.mtu);
}
template <class V>
void fields(V& v, Ref<V, MemberStatus> r) {
  v.required("name", r.name);
  v.defaulted("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.defaulted("id", r.id);
  v.defaulted("admin", r.admin);
  v.required("online", r.online);
  v.required("path", r.path);
  v.required("rx_bytes", r.rx_bytes);
  v.required("tx_bytes", r.tx_bytes);
  v.defaulted("suite", r.suite);
  v.defaulted("last_seen_s", r.last_seen);
}
template <class V>
void fields(V& v, Ref<V, DeviceStatus> r) {
  v.required("name", r.name);
  v.required("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.required("id", r.id);
  v.required("host", r.host);
  v.defaulted("hosted_here", r.hosted_here);
  v.defaulted("online", r.online);
  v.defaulted("endpoint", r.endpoint);
  v.defaulted("last_handshake_s", r.last_handshake);
  v.defaulted("last_seen_s", r.last_seen);
  v.defaulted("rx_bytes", r.rx_bytes);
  v.defaulted("tx_bytes", r.tx_bytes);
}
template <class V>
void fields(V& v, Ref<V, InviteStatus> r) {
  v.required("id", r.id);
  v.required("uses", r.uses);
  v.required("used", r.used);
  v.required("expires", r.expires);
  v.defaulted("name", r.name);
  v.defaulted("address", r.address);
  v.defaulted("issuer", r.issuer);
}
template <class V>
void fields(V& v, Ref<V, NetworkStatus> r) {
  v.inlined(r.network);
  v.required("state", r.state);
  v.required("mtu", r.mtu);
  v.required("port", r.port);
  v.required("members", r.members);
  v.defaulted("devices", r.devices);
  v.defaulted("invites", r.invites);
  v.defaulted("epoch", r.epoch);
}
template <class V>
void fields(V& v, Ref<V, NetworkSummary> r) {
  v.inlined(r.network);
  v.required("state", r.state);
  v.required("members", r.members);
  v.required("online", r.online);
}

// ---- replies ----
template <class V>
void fields(V& v, Ref<V, CreateReply> r) {
  v.inlined(r.network);
  v.required("recovery_key", r.recovery_key);
  v.defaulted("health", r.health);
}
template <class V>
void fields(V& v, Ref<V, InviteReply> r) {
  v.required("network", r.network);
  v.required("invite", r.invite);
  v.required("uses", r.uses);
  v.required("expires", r.expires);
  v.defaulted("name", r.name);
  v.defaulted("address", r.address);
  v.defaulted("hosts", r.hosts);
  v.defaulted("health", r.health);
}
template <class V>
void fields(V& v, Ref<V, JoinReply> r) {
  v.inlined(r.network);
  v.defaulted("admitted_by", r.admitted_by);
  v.required("path", r.path);
  v.defaulted("health", r.health);
}
template <class V>
void fields(V& v, Ref<V, LeaveReply> r) {
  v.required("network", r.network);
  v.defaulted("told", r.told);
  v.defaulted("moved_to", r.moved_to);
}
template <class V>
void fields(V& v, Ref<V, UpReply> r) {
  v.required("network", r.network);
  v.required("interface", r.interface);
  v.required("changed", r.changed);
}
template <class V>
void fields(V& v, Ref<V, DownReply> r) {
  v.required("network", r.network);
  v.required("changed", r.changed);
}
template <class V>
void fields(V& v, Ref<V, NetworksReply> r) {
  v.required("networks", r.networks);
  v.defaulted("health", r.health);
}
template <class V>
void fields(V& v, Ref<V, StatusReply> r) {
  v.required("networks", r.networks);
  v.defaulted("drops", r.drops);
  v.required("health", r.health);
}
template <class V>
void fields(V& v, Ref<V, PingAnswer> r) {
  v.required("sequence", r.sequence);
  v.required("path", r.path);
}
template <class V>
void fields(V& v, Ref<V, PingReply> r) {
  v.required("network", r.network);
  v.required("member", r.member);
  v.defaulted("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.required("sent", r.sent);
  v.required("received", r.received);
  v.defaulted("rtt_min_ms", r.rtt_min);
  v.defaulted("rtt_average_ms", r.rtt_average);
  v.defaulted("rtt_max_ms", r.rtt_max);
  v.defaulted("replies", r.replies);
}
template <class V>
void fields(V& v, Ref<V, KickReply> r) {
  v.required("network", r.network);
  v.required("member", r.member);
  v.required("closed_invites", r.closed_invites);
  v.defaulted("told", r.told);
  v.defaulted("epoch", r.epoch);
}
template <class V>
void fields(V& v, Ref<V, AdminReply> r) {
  v.required("network", r.network);
  v.required("member", r.member);
  v.required("admin", r.admin);
}
template <class V>
void fields(V& v, Ref<V, DeviceReply> r) {
  v.required("network", r.network);
  v.defaulted("name", r.name);
  v.defaulted("config", r.config);
  v.defaulted("has_private_key", r.has_private_key);
  v.defaulted("devices", r.devices);
}
template <class V>
void fields(V& v, Ref<V, NatStatus> r) {
  v.required("mapping", r.mapping);
  v.required("filtering", r.filtering);
  v.required("ports", r.ports);
  v.defaulted("external", r.external);
  v.required("seen", r.seen);
  v.required("addresses", r.addresses);
}
template <class V>
void fields(V& v, Ref<V, GatewayStatus> r) {
  v.required("address", r.address);
  v.required("protocol", r.protocol);
  v.defaulted("external", r.external);
}
template <class V>
void fields(V& v, Ref<V, StunStatus> r) {
  v.required("server", r.server);
  v.defaulted("seen", r.seen);
}
template <class V>
void fields(V& v, Ref<V, NetcheckReply> r) {
  v.required("port", r.port);
  v.required("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.required("port_mapping", r.port_mapping);
  v.defaulted("upnp", r.upnp);
  v.required("gateways", r.gateways);
  v.required("stun", r.stun);
  v.required("health", r.health);
}
template <class V>
void fields(V& v, Ref<V, AddressTest> r) {
  v.required("address", r.address);
  v.required("result", r.result);
  v.required("sent", r.sent);
  v.required("answered", r.answered);
  v.defaulted("rtt_ms", r.rtt);
  v.required("in_use", r.in_use);
}
template <class V>
void fields(V& v, Ref<V, DoctorNat> r) {
  v.required("has_address", r.has_address);
  v.required("mapping", r.mapping);
  v.required("filtering", r.filtering);
  v.required("ports", r.ports);
}
template <class V>
void fields(V& v, Ref<V, DoctorSide> r) {
  v.required("port", r.port);
  v.required("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.required("forwarding", r.forwarding);
  v.required("path", r.path);
  v.required("tests", r.tests);
}
template <class V>
void fields(V& v, Ref<V, DoctorPath> r) {
  v.inlined(r.path);
  v.required("sent", r.sent);
  v.required("answered", r.answered);
}
template <class V>
void fields(V& v, Ref<V, LocalFirewall> r) {
  v.required("incoming", r.incoming);
  v.defaulted("chain", r.chain);
  v.defaulted("rule", r.rule);
  v.required("refuses_outgoing", r.refuses_outgoing);
}
template <class V>
void fields(V& v, Ref<V, DoctorVerdict> r) {
  v.required("cause", r.cause);
  v.required("text", r.text);
  v.required("next", r.next);
}
template <class V>
void fields(V& v, Ref<V, DoctorReply> r) {
  v.required("network", r.network);
  v.required("self", r.self);
  v.required("member", r.member);
  v.defaulted("ipv4", r.ipv4);
  v.required("ipv6", r.ipv6);
  v.required("verdict", r.verdict);
  v.required("far", r.far);
  v.required("path", r.path);
  v.defaulted("relay", r.relay);
  v.required("here", r.here);
  v.defaulted("there", r.there);
  v.required("told", r.told);
  v.required("firewall", r.firewall);
  v.defaulted("last_seen_s", r.last_seen);
  v.required("others", r.others);
  v.required("others_online", r.others_online);
}
template <class V>
void fields(V& v, Ref<V, VersionReply> r) {
  v.defaulted("daemon", r.daemon);
  v.defaulted("client", r.client);
}

// ---- events ----
template <class V>
void fields(V& v, Ref<V, JoinCalling> r) {
  v.required("host", r.host);
}
template <class V>
void fields(V& v, Ref<V, JoinFound> r) {
  v.required("member", r.member);
  v.required("host", r.host);
}
template <class V>
void fields(V&, Ref<V, JoinWaiting>) {}
template <class V>
void fields(V& v, Ref<V, PingLost> r) {
  v.required("sequence", r.sequence);
}

}  // namespace ipop::control
