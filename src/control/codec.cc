#include "control/codec.h"

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "control/fields.h"

namespace ipop::control {
namespace {

using Json = nlohmann::ordered_json;

// ---- words -------------------------------------------------------------------------------------

constexpr std::array<std::string_view, std::variant_size_v<Request>> kVerbs{
    "create", "invite", "join",  "leave",  "up",       "down",   "networks", "status",
    "ping",   "kick",   "admin", "device", "netcheck", "doctor", "version"};
constexpr std::array<std::string_view, std::variant_size_v<Event>> kEventKinds{
    "calling", "found", "waiting", "answer", "lost"};

// Words of an enum, indexed by its value.
constexpr std::array<std::string_view, 2> kActions{"add", "remove"};
constexpr std::array<std::string_view, 3> kDeviceActions{"add", "list", "show"};
constexpr std::array<std::string_view, 4> kPathKinds{"none", "direct", "relay", "tls"};
constexpr std::array<std::string_view, 2> kStates{"up", "down"};
constexpr std::array<std::string_view, 5> kMappings{
    "unknown", "none", "endpoint_independent", "address_dependent", "address_and_port_dependent"};
constexpr std::array<std::string_view, 4> kFilterings{
    "unknown", "endpoint_independent", "address_dependent", "address_and_port_dependent"};
constexpr std::array<std::string_view, 4> kPorts{"unknown", "preserved", "changed", "sequential"};
constexpr std::array<std::string_view, 5> kProtocols{"none", "asking", "pcp", "nat_pmp", "upnp"};
constexpr std::array<std::string_view, 6> kTestResults{"silence", "answered", "no_address",
                                                       "refused", "no_route", "untried"};
constexpr std::array<std::string_view, 6> kForwardings{"none",    "asking", "pcp",
                                                       "nat_pmp", "upnp",   "off"};
constexpr std::array<std::string_view, 5> kFarEnds{"answered", "busy", "too_old", "silent",
                                                   "unreached"};
constexpr std::array<std::string_view, 4> kEffects{"unknown", "open", "answers_only", "drops"};
constexpr std::array<std::string_view, 15> kCauses{
    "direct",   "moves_to_direct",  "local_firewall", "far_firewall", "both_hard",
    "one_hard", "no_common_family", "no_address",     "nothing_told", "filtered",
    "no_way",   "unknown_nat",      "far_unknown",    "offline",      "cut_off"};
constexpr std::span<const std::string_view> words(AdminAction) { return kActions; }
constexpr std::span<const std::string_view> words(DeviceAction) { return kDeviceActions; }
constexpr std::span<const std::string_view> words(PathKind) { return kPathKinds; }
constexpr std::span<const std::string_view> words(NetworkState) { return kStates; }
constexpr std::span<const std::string_view> words(NatMapping) { return kMappings; }
constexpr std::span<const std::string_view> words(NatFiltering) { return kFilterings; }
constexpr std::span<const std::string_view> words(NatPorts) { return kPorts; }
constexpr std::span<const std::string_view> words(GatewayProtocol) { return kProtocols; }
constexpr std::span<const std::string_view> words(TestResult) { return kTestResults; }
constexpr std::span<const std::string_view> words(Forwarding) { return kForwardings; }
constexpr std::span<const std::string_view> words(FarEnd) { return kFarEnds; }
constexpr std::span<const std::string_view> words(LocalFirewall::Effect) { return kEffects; }
constexpr std::span<const std::string_view> words(PathCause) { return kCauses; }

template <class T>
concept Worded = requires(T t) { words(t); };

/// The position of `word`, or the table's size.
std::size_t position(std::span<const std::string_view> table, std::string_view word) {
  std::size_t i = 0;
  while (i < table.size() && table[i] != word) ++i;
  return i;
}

// ---- writing -----------------------------------------------------------------------------------

double milliseconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }

std::string to_text(const Subnet6& s) {
  return s.base.to_string() + "/" + std::to_string(s.length);
}

class Writer {
 public:
  template <class T>
  using Ref = const T&;

  template <class T>
  static Json object_of(const T& x) {
    Writer w;
    fields(w, x);
    return std::move(w.object_);
  }
  template <class T>
  void required(const char* key, const T& x) {
    object_[key] = value(x);
  }
  template <class T>
  void defaulted(const char* key, const T& x) {
    object_[key] = value(x);
  }
  template <class T>
  void inlined(const T& x) {
    fields(*this, x);
  }

 private:
  static Json value(const std::string& x) { return x; }
  static Json value(bool x) { return x; }
  template <std::unsigned_integral T>
  static Json value(T x) {
    return x;
  }
  static Json value(std::chrono::seconds x) { return x.count(); }
  static Json value(std::chrono::milliseconds x) { return x.count(); }
  static Json value(Duration x) { return milliseconds(x); }
  static Json value(UnixTime x) { return x == UnixTime::never() ? Json() : Json(x.seconds); }
  static Json value(Ipv4 x) { return x.to_string(); }
  static Json value(const Ipv6& x) { return x.to_string(); }
  static Json value(const Endpoint& x) { return x.to_string(); }
  static Json value(const Prefix4& x) { return x.to_string(); }
  static Json value(const Subnet6& x) { return to_text(x); }
  template <Worded T>
  static Json value(T x) {
    return words(x)[static_cast<std::size_t>(x)];
  }
  static Json value(const std::map<std::string, std::uint64_t>& x) {
    Json out = Json::object();
    for (const auto& [key, count] : x) out[key] = count;
    return out;
  }
  template <class T>
  static Json value(const std::optional<T>& x) {
    return x ? value(*x) : Json();
  }
  template <class T>
  static Json value(const std::vector<T>& x) {
    Json out = Json::array();
    for (const T& item : x) out.push_back(value(item));
    return out;
  }
  template <class T>
    requires std::is_class_v<T>
  static Json value(const T& x) {
    return object_of(x);
  }

  Json object_ = Json::object();
};

// ---- reading -----------------------------------------------------------------------------------

/// A day more than a century: longer is a mistake, and would overflow sums with times.
constexpr std::int64_t kSecondsMax = std::int64_t{36526} * 86400;

std::optional<Subnet6> subnet6_from(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = Ipv6::parse(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  std::uint8_t length = 0;
  const char* end = digits.data() + digits.size();
  const auto [rest, failure] = std::from_chars(digits.data(), end, length);
  if (!base || digits.empty() || failure != std::errc() || rest != end || length > 128) {
    return std::nullopt;
  }
  return Subnet6{.base = *base, .length = length};
}

/// Sticky: after the first problem, which is kept, nothing is read any more.
class Reader {
 public:
  template <class T>
  using Ref = T&;

  Reader(const Json& object, std::string where, std::string& problem)
      : object_(object), where_(std::move(where)), problem_(problem) {}

  template <class T>
  static std::string read_object(const Json& from, T& x) {
    std::string problem;
    Reader reader(from, "", problem);
    fields(reader, x);
    return problem;
  }
  template <class T>
  void required(const char* key, T& x) {
    const auto it = object_.find(key);
    if (it == object_.end()) return fail(path(key), "is missing");
    read(*it, path(key), x);
  }
  template <class T>
  void defaulted(const char* key, T& x) {
    const auto it = object_.find(key);
    if (it != object_.end() && !it->is_null()) read(*it, path(key), x);
  }
  template <class T>
  void defaulted(const char* key, std::optional<T>& x) {
    const auto it = object_.find(key);
    if (it != object_.end() && !it->is_null()) read(*it, path(key), x.emplace());
  }
  template <class T>
  void inlined(T& x) {
    fields(*this, x);
  }

 private:
  std::string path(const char* key) const { return where_.empty() ? key : where_ + "." + key; }
  void fail(const std::string& where, std::string_view what) {
    if (problem_.empty()) problem_.append("the field ").append(where).append(" ").append(what);
  }

  void read(const Json& from, const std::string& where, std::string& x) {
    if (!from.is_string()) return fail(where, "must be text");
    x = from.get_ref<const std::string&>();
  }
  void read(const Json& from, const std::string& where, bool& x) {
    if (!from.is_boolean()) return fail(where, "must be true or false");
    x = from.get<bool>();
  }
  /// A whole number up to `max`; nullopt after a failure.
  std::optional<std::uint64_t> number(const Json& from, const std::string& where,
                                      std::uint64_t max) {
    if (from.is_number_unsigned() && from.get<std::uint64_t>() <= max) {
      return from.get<std::uint64_t>();
    }
    fail(where, "must be a whole number from 0 to " + std::to_string(max));
    return std::nullopt;
  }
  template <std::unsigned_integral T>
  void read(const Json& from, const std::string& where, T& x) {
    if (const auto n = number(from, where, std::numeric_limits<T>::max())) x = static_cast<T>(*n);
  }
  void read(const Json& from, const std::string& where, std::chrono::seconds& x) {
    if (const auto n = number(from, where, kSecondsMax)) {
      x = std::chrono::seconds(static_cast<std::int64_t>(*n));
    }
  }
  void read(const Json& from, const std::string& where, std::chrono::milliseconds& x) {
    if (const auto n = number(from, where, kSecondsMax * 1000)) {
      x = std::chrono::milliseconds(static_cast<std::int64_t>(*n));
    }
  }
  void read(const Json& from, const std::string& where, Duration& x) {
    const double n = from.is_number() ? from.get<double>() : -1.0;
    if (!(n >= 0.0 && n <= 1e9)) return fail(where, "must be a number of milliseconds");
    x = Duration(std::llround(n * 1e6));
  }
  void read(const Json& from, const std::string& where, UnixTime& x) {
    if (from.is_null()) {
      x = UnixTime::never();
    } else if (const auto n = number(from, where, std::numeric_limits<std::uint64_t>::max())) {
      x = UnixTime{*n};
    }
  }
  template <class T>
  void assign(const std::optional<T>& parsed, const std::string& where, std::string_view what,
              T& x) {
    if (!parsed) return fail(where, what);
    x = *parsed;
  }
  static std::string_view text(const Json& from) {
    return from.is_string() ? std::string_view(from.get_ref<const std::string&>())
                            : std::string_view();
  }
  void read(const Json& from, const std::string& where, Ipv4& x) {
    assign(Ipv4::parse(text(from)), where, "must be an IPv4 address", x);
  }
  void read(const Json& from, const std::string& where, Ipv6& x) {
    assign(Ipv6::parse(text(from)), where, "must be an IPv6 address", x);
  }
  void read(const Json& from, const std::string& where, Endpoint& x) {
    assign(Endpoint::parse(text(from)), where, "must be an address with a port", x);
  }
  void read(const Json& from, const std::string& where, Prefix4& x) {
    assign(Prefix4::parse(text(from)), where,
           "must be an IPv4 subnet like 10.83.0.0/16, without host bits", x);
  }
  void read(const Json& from, const std::string& where, Subnet6& x) {
    assign(subnet6_from(text(from)), where, "must be an IPv6 subnet", x);
  }
  template <Worded T>
  void read(const Json& from, const std::string& where, T& x) {
    const std::size_t at = position(words(x), text(from));
    if (at == words(x).size()) return fail(where, "has a value that is not known");
    x = static_cast<T>(at);
  }
  void read(const Json& from, const std::string& where, std::map<std::string, std::uint64_t>& x) {
    if (!from.is_object()) return fail(where, "must be an object");
    x.clear();
    for (const auto& [key, count] : from.items()) read(count, where + "." + key, x[key]);
  }
  template <class T>
  void read(const Json& from, const std::string& where, std::vector<T>& x) {
    if (!from.is_array()) return fail(where, "must be an array");
    x.clear();
    for (const Json& item : from) {
      const std::string element = where + "[" + std::to_string(x.size()) + "]";
      read(item, element, x.emplace_back());
      if (!problem_.empty()) return;
    }
  }
  template <class T>
    requires std::is_class_v<T>
  void read(const Json& from, const std::string& where, T& x) {
    if (!from.is_object()) return fail(where, "must be an object");
    Reader inner(from, where, problem_);
    fields(inner, x);
  }

  const Json& object_;
  std::string where_;
  std::string& problem_;
};

// ---- lines -------------------------------------------------------------------------------------

/// Text from the outside may be in any encoding (a host name, a path): dump() must not throw.
std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json parse(std::string_view line) { return Json::parse(line, nullptr, /*allow_exceptions=*/false); }

Json versioned(const Json& fields_only) {
  Json out{{"version", kSchemaVersion}};
  out.update(fields_only);
  return out;
}

Json result_of(const Reply& reply) {
  return std::visit([](const auto& r) { return versioned(Writer::object_of(r)); }, reply);
}

Json error_of(const ControlError& error) {
  return Json{{"code", error_name(error.code)}, {"message", error.message}, {"next", error.next}};
}

/// Default-constructs the alternative of number `index` and reads it.
template <class Variant, std::size_t I = 0>
std::expected<Variant, std::string> read_alternative(std::size_t index, const Json& from) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (index != I) return read_alternative<Variant, I + 1>(index, from);
    std::variant_alternative_t<I, Variant> x;
    std::string problem = Reader::read_object(from, x);
    if (!problem.empty()) return std::unexpected(std::move(problem));
    return Variant(std::in_place_index<I>, std::move(x));
  } else {
    return std::unexpected("there is no such alternative");
  }
}

std::string word_at(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool speaks_our_version(const Json& object) {
  const auto it = object.find("version");
  return it != object.end() && it->is_number_integer() && *it == kSchemaVersion;
}

/// What types alone do not say.
std::string problem_of(const Request& request) {
  if (const auto* invite = std::get_if<InviteRequest>(&request)) {
    if (invite->uses == 0) return "the field uses must be at least 1";
    if (invite->expires.count() == 0) return "the field expires_s must be at least 1";
  }
  if (const auto* device = std::get_if<DeviceRequest>(&request)) {
    if (device->action != DeviceAction::List && !device->name) return "the field name is missing";
  }
  if (const auto* doctor = std::get_if<DoctorRequest>(&request)) {
    if (doctor->member.empty()) return "the field member is empty";
  }
  if (const auto* ping = std::get_if<PingRequest>(&request)) {
    if (ping->count == 0 || ping->count > kPingCountMax) {
      return "the field count must be from 1 to " + std::to_string(kPingCountMax);
    }
    if (ping->interval < kPingIntervalMin) {
      return "the field interval_ms must be at least " + std::to_string(kPingIntervalMin.count());
    }
    if (ping->timeout.count() == 0) return "the field timeout_ms must be at least 1";
  }
  return {};
}

std::unexpected<ControlError> bad_request(ErrorCode code, std::string message) {
  return std::unexpected(ControlError{
      .code = code, .message = std::move(message), .next = "ipop(1) lists what can be asked"});
}

std::unexpected<ControlError> bad_line(const std::string& message) {
  return std::unexpected(ControlError{.code = ErrorCode::Internal,
                                      .message = "the daemon's answer is damaged: " + message,
                                      .next = "use ipop and ipopd of the same version"});
}

std::expected<std::optional<ServerLine>, ControlError> decode_event(const Json& event) {
  if (!event.is_object()) return bad_line("the event is no object");
  const std::size_t kind = position(kEventKinds, word_at(event, "kind"));
  if (kind == kEventKinds.size()) return std::nullopt;
  auto read = read_alternative<Event>(kind, event);
  if (!read) return bad_line(read.error());
  return std::optional<ServerLine>(std::move(*read));
}

std::expected<std::optional<ServerLine>, ControlError> decode_error(const Json& error) {
  if (!error.is_object()) return bad_line("the error is no object");
  // A code of a newer daemon: the text is what the user needs.
  const auto code = error_code(word_at(error, "code"));
  return std::optional<ServerLine>(ControlError{.code = code.value_or(ErrorCode::Internal),
                                                .message = word_at(error, "message"),
                                                .next = word_at(error, "next")});
}

}  // namespace

std::string_view verb_of(const Request& request) { return kVerbs[request.index()]; }
std::string_view verb_of(const Reply& reply) { return kVerbs[reply.index()]; }

std::string encode(const Request& request) {
  Json out{{"version", kSchemaVersion}, {"verb", verb_of(request)}};
  out.update(std::visit([](const auto& r) { return Writer::object_of(r); }, request));
  return dump(out, -1);
}

std::string encode(const Event& event) {
  Json inner{{"kind", kEventKinds[event.index()]}};
  inner.update(std::visit([](const auto& e) { return Writer::object_of(e); }, event));
  return dump(Json{{"event", std::move(inner)}}, -1);
}

std::string encode(const Reply& reply) {
  return dump(Json{{"verb", verb_of(reply)}, {"result", result_of(reply)}}, -1);
}

std::string encode(const ControlError& error) { return dump(Json{{"error", error_of(error)}}, -1); }

std::expected<Request, ControlError> decode_request(std::string_view line) {
  const Json json = parse(line);
  if (!json.is_object()) return bad_request(ErrorCode::Usage, "the request is not a JSON object");
  if (!speaks_our_version(json)) {
    return bad_request(ErrorCode::Unsupported, "the request's version is not " +
                                                   std::to_string(kSchemaVersion) +
                                                   ", the one this daemon speaks");
  }
  const std::string verb = word_at(json, "verb");
  const std::size_t index = position(kVerbs, verb);
  if (index == kVerbs.size()) {
    return bad_request(ErrorCode::Unsupported, "the request's verb is not known to this daemon");
  }
  auto request = read_alternative<Request>(index, json);
  if (!request) return bad_request(ErrorCode::Usage, std::move(request.error()));
  std::string problem = problem_of(*request);
  if (!problem.empty()) return bad_request(ErrorCode::Usage, std::move(problem));
  return *std::move(request);
}

std::expected<std::optional<ServerLine>, ControlError> decode_server_line(std::string_view line) {
  const Json json = parse(line);
  if (!json.is_object()) return bad_line("not a JSON object");
  if (const auto event = json.find("event"); event != json.end()) return decode_event(*event);
  if (const auto error = json.find("error"); error != json.end()) return decode_error(*error);
  const auto result = json.find("result");
  if (result == json.end() || !result->is_object()) return bad_line("no result");
  if (!speaks_our_version(*result)) {
    return std::unexpected(ControlError{.code = ErrorCode::Unsupported,
                                        .message = "the daemon speaks another version",
                                        .next = "use ipop and ipopd of the same version"});
  }
  const std::size_t index = position(kVerbs, word_at(json, "verb"));
  if (index == kVerbs.size()) return bad_line("an unknown verb");
  auto reply = read_alternative<Reply>(index, *result);
  if (!reply) return bad_line(reply.error());
  return std::optional<ServerLine>(*std::move(reply));
}

std::string document(const Reply& reply) { return dump(result_of(reply), 2); }

std::string document(const ControlError& error) {
  return dump(versioned(Json{{"error", error_of(error)}}), -1);
}

}  // namespace ipop::control
