#include "engine/device_link.h"

#include <algorithm>
#include <utility>

#include "dataplane/activity.h"
#include "engine/age.h"
#include "engine/overload.h"

namespace ipop::engine {
namespace {

/// The least MTU of IPv6 (RFC 8200 section 5).
constexpr std::size_t kPaddedMax = 1280;

}  // namespace

DeviceLink::DeviceLink(const Context& context, const session::Session::Options& options)
    : ctx_(&context), session_(options) {}

void DeviceLink::connect(const Now& now) {
  session_.connect(now);
  pump();
}

void DeviceLink::reset() {
  session_.reset();
  pump();
}

Result<void> DeviceLink::respond(const Now& now, session::ReceivedInitiation initiation,
                                 const Endpoint& from) {
  auto result = session_.respond(now, std::move(initiation));
  if (result) move_to(from);
  pump();
  return result;
}

Result<void> DeviceLink::handle_response(const Now& now, const wire::Response& message,
                                         const Endpoint& from) {
  auto result = session_.handle_response(now, message);
  if (result) {
    heard_at_ = handshake_at_ = now.at;
    move_to(from);
  }
  pump();
  return result;
}

Result<void> DeviceLink::handle_cookie_reply(const Now& now, const wire::CookieReply& message) {
  auto result = session_.handle_cookie_reply(now, message);
  pump();
  return result;
}

void DeviceLink::handle_received(const Now& now, SessionIndex local, const Endpoint& from) {
  if (!pairs_.contains(local)) return;
  heard_at_ = std::max(heard_at_, now.at);
  move_to(from);
  const auto before = session_.sending_on();
  session_.handle_received(now, local);
  if (session_.sending_on() != before) handshake_at_ = now.at;
  pump();
  session_.handle_activity(now, activity());
  pump();
}

void DeviceLink::handle_ip_sent(const Now& now) {
  session_.handle_activity(now, activity());
  pump();
}

void DeviceLink::handle_limit(const Now& now, SessionIndex local) {
  session_.handle_rekey_limit(now, local);
  pump();
}

void DeviceLink::handle_timeout(const Now& now) {
  session_.handle_activity(now, activity());
  pump();
}

DeviceLink::Output DeviceLink::poll_output() {
  if (outputs_.empty()) return WaitUntil{deadline_};
  Output first = std::move(outputs_.front());
  outputs_.pop_front();
  return first;
}

void DeviceLink::send_ip(const Now& now, Bytes packet) {
  dataplane::Keypair* keypair = sending();
  if (keypair == nullptr || !endpoint_) return;
  // WireGuard's padding, up to the MTU that every path must have: a longer packet goes without.
  ByteVector padded = to_vector(packet);
  padded.resize(wire::stock_padded_size(packet.size(), kPaddedMax));
  auto sealed = keypair->seal_control(padded);
  if (!sealed) return;
  dataplane::note_control_ip_sent(keypair->words(), now.at);
  outputs_.emplace_back(Send{*endpoint_, std::move(*sealed)});
  session_.handle_activity(now, activity());
  pump();
}

void DeviceLink::send_keepalive() {
  dataplane::Keypair* keypair = sending();
  if (keypair == nullptr || !endpoint_) return;
  auto sealed = keypair->seal_control({});
  if (!sealed) return;
  dataplane::note_stock_sent(keypair->words());
  outputs_.emplace_back(Send{*endpoint_, std::move(*sealed)});
}

dataplane::Keypair* DeviceLink::sending() const {
  const auto local = session_.sending_on();
  if (!local) return nullptr;
  const auto it = pairs_.find(*local);
  return it == pairs_.end() ? nullptr : it->second.get();
}

std::optional<Duration> DeviceLink::handshake_age(Instant now) const {
  return age_of(handshake_at_, now);
}

std::optional<Duration> DeviceLink::silence(Instant now) const {
  return age_of(std::max(heard_at_, activity().last_received), now);
}

std::vector<std::unique_ptr<dataplane::Keypair>> DeviceLink::take_garbage() {
  return std::exchange(garbage_, {});
}

void DeviceLink::pump() {
  for (bool more = true; more;) {
    auto output = session_.poll_output();
    std::visit(Overload{
                   [&](session::Session::SendInitiation& o) {
                     if (endpoint_) outputs_.emplace_back(Send{*endpoint_, std::move(o.datagram)});
                   },
                   [&](session::Session::SendResponse& o) {
                     outputs_.emplace_back(Send{*endpoint_, std::move(o.datagram)});
                   },
                   [&](session::Session::PairMade& o) { make_pair(std::move(o)); },
                   [&](session::Session::SendOn&) { outputs_.emplace_back(Changed{}); },
                   [&](session::Session::PairDropped& o) {
                     const auto it = pairs_.find(o.local);
                     if (it == pairs_.end()) return;
                     garbage_.push_back(std::move(it->second));
                     pairs_.erase(it);
                     outputs_.emplace_back(Changed{});
                   },
                   [&](session::Session::SendKeepalive&) { outputs_.emplace_back(KeepaliveDue{}); },
                   [](session::Session::GaveUp&) {},
                   [&](session::Session::WaitUntil& o) {
                     deadline_ = o.at;
                     more = false;
                   },
               },
               output);
  }
}

void DeviceLink::make_pair(session::Session::PairMade made) {
  pairs_.insert_or_assign(made.local,
                          std::make_unique<dataplane::Keypair>(
                              dataplane::Keypair::Options{.local = made.local,
                                                          .remote = made.remote,
                                                          .suite = made.suite,
                                                          .framing = wire::Framing::Stock,
                                                          .workers = ctx_->workers,
                                                          .backend = ctx_->backends.of(made.suite)},
                              std::move(made.keys)));
  outputs_.emplace_back(Changed{});
}

void DeviceLink::move_to(const Endpoint& from) {
  if (endpoint_ == from) return;
  endpoint_ = from;
  outputs_.emplace_back(Changed{});
}

session::Activity DeviceLink::activity() const {
  session::Activity out;
  for (const auto& [local, keypair] : pairs_) { dataplane::merge_activity(keypair->words(), out); }
  return out;
}

}  // namespace ipop::engine
