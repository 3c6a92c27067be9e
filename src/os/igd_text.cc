#include "os/igd_text.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpreplyparse.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <memory>

namespace ipop::os {
namespace {

constexpr std::string_view kGatewayDevice = ":InternetGatewayDevice:";
constexpr std::string_view kServicePrefix = "urn:schemas-upnp-org:service:WAN";

bool is_printable(char c) { return c > ' ' && c < '\x7f'; }
/// Neither a blank nor a line's end, which would add headers to our request.
bool is_path(std::string_view text) {
  return text.starts_with('/') && text.size() <= IgdPlace::kPathMax &&
         std::ranges::all_of(text, is_printable);
}
/// What may stand in an attribute as it is.
bool is_service_type(std::string_view text) {
  const auto fits = [](char c) {
    return is_printable(c) && std::string_view("<>&\"'").find(c) == std::string_view::npos;
  };
  return text.starts_with(kServicePrefix) && std::ranges::all_of(text, fits);
}

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}
std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

template <class T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T out{};
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, out, base);
  if (failure != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return out;
}

/// The value of a header line; the first line is none. Empty where there is no such header.
std::string_view header(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find('\n'); at != std::string_view::npos;) {
    const std::size_t next = head.find('\n', at + 1);
    const std::string_view line = head.substr(at + 1, next - at - 1);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos &&
        equals_ignoring_case(trim(line.substr(0, colon)), name)) {
      return trim(line.substr(colon + 1));
    }
    at = next;
  }
  return {};
}

/// "http://192.168.1.1:5000/x.xml"; nullopt where it does not lead to `gateway`.
std::optional<IgdPlace> parse_url(std::string_view url, Ipv4 gateway) {
  constexpr std::string_view kScheme = "http://";
  if (url.size() < kScheme.size() || !equals_ignoring_case(url.substr(0, 7), kScheme)) {
    return std::nullopt;
  }
  url.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(url.find('/'), url.size());
  const std::string_view authority = url.substr(0, slash);
  const std::size_t colon = authority.find(':');
  if (Ipv4::parse(authority.substr(0, colon)) != gateway) return std::nullopt;
  IgdPlace out{80, std::string(slash == url.size() ? "/" : url.substr(slash))};
  if (colon != std::string_view::npos) {
    const auto port = parse_number<std::uint16_t>(authority.substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    out.port = *port;
  }
  return is_path(out.path) ? std::optional(out) : std::nullopt;
}

std::string_view field(const char* text, std::size_t size) {
  return {text, static_cast<std::size_t>(std::find(text, text + size, '\0') - text)};
}

std::optional<IgdService> service_of(const IGDdatas_service& found, const IgdPlace& base,
                                     Ipv4 gateway) {
  const std::string_view url = field(found.controlurl, sizeof found.controlurl);
  const std::string_view type = field(found.servicetype, sizeof found.servicetype);
  if (url.empty() || !is_service_type(type)) return std::nullopt;
  std::optional<IgdPlace> control;
  if (url.find("://") != std::string_view::npos) {
    control = parse_url(url, gateway);
  } else {
    control = IgdPlace{base.port, std::string(url.starts_with('/') ? "" : "/") + std::string(url)};
  }
  if (!control || !is_path(control->path)) return std::nullopt;
  return IgdService{std::move(*control), std::string(type)};
}

/// The library takes an int and looks a few characters ahead: it gets a copy that goes on behind.
struct Padded {
  explicit Padded(std::string_view xml) : text(xml), size(static_cast<int>(xml.size())) {
    text.append(16, '\0');
  }
  std::string text;
  int size;
};

struct Head {
  std::string_view text;
  std::size_t size = 0;  ///< with the empty line
};
std::optional<Head> head_of(std::string_view received) {
  const std::size_t end = received.find("\r\n\r\n");
  const std::size_t bare = received.find("\n\n");
  if (bare < end) return Head{received.substr(0, bare), bare + 2};
  if (end == std::string_view::npos) return std::nullopt;
  return Head{received.substr(0, end), end + 4};
}

/// Removes the frames of chunks; nullopt while the last is to come. Nonsense gives status 0.
std::optional<HttpAnswer> parse_chunks(int status, std::string_view rest) {
  HttpAnswer out{status, {}};
  for (;;) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = rest.substr(0, end);
    const auto size = parse_number<std::uint32_t>(trim(line.substr(0, line.find(';'))), 16);
    if (!size) return HttpAnswer{};
    rest.remove_prefix(end + 1);
    if (*size == 0) return out;
    if (rest.size() < *size) return std::nullopt;
    out.body += rest.substr(0, *size);
    rest.remove_prefix(*size);
    if (rest.starts_with('\r')) rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    if (rest.front() != '\n') return HttpAnswer{};
    rest.remove_prefix(1);
  }
}

}  // namespace

std::string igd_search_request(std::string_view host, std::string_view target) {
  std::string out = "M-SEARCH * HTTP/1.1\r\nHOST: ";
  out.append(host).append(":1900\r\nST: ").append(target);
  return out += "\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\r\n";
}

std::optional<IgdSearchAnswer> parse_igd_search_answer(std::string_view datagram, Ipv4 gateway) {
  if (!datagram.starts_with("HTTP/1.")) return std::nullopt;
  auto place = parse_url(header(datagram, "location"), gateway);
  if (!place) return std::nullopt;
  const bool names = header(datagram, "st").find(kGatewayDevice) != std::string_view::npos;
  return IgdSearchAnswer{std::move(*place), names};
}

std::vector<IgdService> parse_igd_description(std::string_view xml, const IgdPlace& at,
                                              Ipv4 gateway) {
  const Padded padded(xml);
  const auto data = std::make_unique<IGDdatas>();
  parserootdesc(padded.text.data(), padded.size, data.get());
  const auto base = parse_url(field(data->urlbase, sizeof data->urlbase), gateway);
  std::vector<IgdService> out;
  for (const IGDdatas_service* found : {&data->first, &data->second}) {
    if (auto service = service_of(*found, base.value_or(at), gateway)) {
      out.push_back(std::move(*service));
    }
  }
  return out;
}

std::string igd_get_request(const IgdPlace& at, Ipv4 gateway) {
  return "GET " + at.path + " HTTP/1.1\r\nHost: " + Endpoint{gateway, at.port}.to_string() +
         "\r\nConnection: close\r\n\r\n";
}

std::string igd_action_request(const IgdService& service, Ipv4 gateway, std::string_view action,
                               const IgdFields& fields) {
  const std::string name(action);
  std::string body =
      "<?xml version=\"1.0\"?>\r\n"
      "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
      "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:" +
      name + " xmlns:u=\"" + service.type + "\">";
  for (const auto& [key, value] : fields) {
    body.append("<").append(key).append(">").append(value);
    body.append("</").append(key).append(">");
  }
  body += "</u:" + name + "></s:Body></s:Envelope>\r\n";
  return "POST " + service.control.path +
         " HTTP/1.1\r\nHost: " + Endpoint{gateway, service.control.port}.to_string() +
         "\r\nConnection: close\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: \"" +
         service.type + "#" + name + "\"\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::optional<HttpAnswer> parse_http_answer(std::string_view received, bool ended) {
  auto later = ended ? std::optional(HttpAnswer{}) : std::nullopt;
  constexpr std::string_view kBegin = "HTTP/1.";
  if (!std::string_view(kBegin).starts_with(received.substr(0, kBegin.size()))) {
    return HttpAnswer{};
  }
  const auto found = head_of(received);
  if (!found) return later;
  const std::string_view head = found->text;
  const std::string_view rest = received.substr(found->size);
  const std::size_t space = head.find(' ');
  const auto status =
      space == std::string_view::npos ? std::nullopt : parse_number<int>(head.substr(space + 1, 3));
  if (!status) return HttpAnswer{};
  if (equals_ignoring_case(header(head, "transfer-encoding"), "chunked")) {
    auto answer = parse_chunks(*status, rest);
    return answer ? answer : later;
  }
  if (const std::string_view told = header(head, "content-length"); !told.empty()) {
    const auto length = parse_number<std::uint32_t>(told);
    if (!length) return HttpAnswer{};
    if (rest.size() < *length) return later;
    return HttpAnswer{*status, std::string(rest.substr(0, *length))};
  }
  if (!ended) return std::nullopt;
  return HttpAnswer{*status, std::string(rest)};
}

std::size_t http_answer_size_min(std::string_view received) {
  const auto head = head_of(received);
  if (!head || equals_ignoring_case(header(head->text, "transfer-encoding"), "chunked")) {
    return received.size() + 1;
  }
  const std::string_view told = header(head->text, "content-length");
  if (told.empty()) return std::numeric_limits<std::size_t>::max();
  return head->size + parse_number<std::uint32_t>(told).value_or(0);
}

IgdValues::IgdValues(std::string_view xml) {
  const Padded padded(xml);
  NameValueParserData data{};
  ParseNameValue(padded.text.data(), padded.size, &data);
  for (const NameValue* v = data.l_head; v != nullptr && values_.size() < kValuesMax;
       v = v->l_next) {
    values_.emplace_back(field(v->name, sizeof v->name), field(v->value, sizeof v->value));
  }
  ClearNameValueList(&data);
}

std::string_view IgdValues::text(std::string_view name) const {
  const auto found = std::ranges::find_if(values_, [&](const auto& v) { return v.first == name; });
  return found == values_.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<std::uint32_t> IgdValues::number(std::string_view name, std::uint32_t max) const {
  const auto out = parse_number<std::uint32_t>(trim(text(name)));
  return out && *out <= max ? out : std::nullopt;
}

std::optional<Ipv4> IgdValues::address(std::string_view name) const {
  return Ipv4::parse(trim(text(name)));
}

}  // namespace ipop::os
