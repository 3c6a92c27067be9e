#include "os/http_connect.h"

#include <array>
#include <charconv>

namespace ipop::os {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// RFC 3986, 2.1. Nullopt for a '%' without its digits, and for what would end a header's line.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      c = static_cast<char>(*high << 4U | *low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out += c;
  }
  return out;
}

/// RFC 4648, 4.
std::string base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, text.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (j < n ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= n ? kDigits[group >> (18 - 6 * j) & 0x3fU] : '=';
    }
  }
  return out;
}

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= 255 &&
         host.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
             ".-_:") == std::string_view::npos;
}

}  // namespace

std::optional<HttpProxy> HttpProxy::parse(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with(kScheme)) {
    url.remove_prefix(kScheme.size());
  } else if (url.find("://") != std::string_view::npos) {
    return std::nullopt;
  }
  if (url.ends_with('/')) url.remove_suffix(1);
  HttpProxy out;
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    const auto credentials = percent_decoded(url.substr(0, at));
    if (!credentials) return std::nullopt;
    out.credentials = *credentials;
    if (out.credentials.find(':') == std::string::npos) out.credentials += ':';
    url.remove_prefix(at + 1);
  }
  std::string_view port;
  if (url.starts_with('[')) {
    const auto end = url.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.host = url.substr(1, end - 1);
    if (!Ipv6::parse(out.host)) return std::nullopt;
    port = url.substr(end + 1);
  } else {
    const auto colon = std::min(url.find(':'), url.size());
    out.host = url.substr(0, colon);
    port = url.substr(colon);
  }
  if (!is_host(out.host)) return std::nullopt;
  if (!port.empty()) {
    const char* const end = port.data() + port.size();
    const auto [rest, error] = std::from_chars(port.data() + 1, end, out.port);
    if (port[0] != ':' || error != std::errc{} || rest != end || out.port == 0) {
      return std::nullopt;
    }
  }
  return out;
}

std::string http_connect_request(const HttpProxy& proxy, const Endpoint& to) {
  const std::string target = to.to_string();
  std::string out = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy.credentials.empty()) {
    out += "Proxy-Authorization: Basic " + base64(proxy.credentials) + "\r\n";
  }
  return out + "\r\n";
}

HttpConnectReply::State HttpConnectReply::add(std::string_view bytes) {
  if (state_ != State::Reading) return state_;
  const std::size_t head_max = kHeadMax - interim_bytes_;
  head_.append(bytes.substr(0, head_max + 1 - std::min(head_.size(), head_max + 1)));
  const auto end = head_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (head_.size() > head_max) state_ = State::Broken;
    return state_;
  }
  state_ = State::Broken;
  // "HTTP/1.x NNN ", the reason may be missing.
  const std::string_view line = std::string_view(head_).substr(0, head_.find("\r\n"));
  const bool is_http = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ' &&
                       (line.size() == 12 || line[12] == ' ');
  if (!is_http) return state_;
  int status = 0;
  const auto [rest, error] = std::from_chars(line.data() + 9, line.data() + 12, status);
  if (error != std::errc{} || rest != line.data() + 12 || status < 100) return state_;
  if (status < 200) {  // RFC 9110, 15.2: another one follows
    const std::string behind = head_.substr(end + 4);
    interim_bytes_ = std::min(interim_bytes_ + end + 4, kHeadMax);
    head_.clear();
    state_ = State::Reading;
    return add(behind);
  }
  status_ = status;
  if (status >= 300) {
    state_ = State::Refused;
  } else if (end + 4 == head_.size()) {
    state_ = State::Open;
  }
  return state_;
}

std::string HttpConnectReply::problem() const {
  if (state_ == State::Broken) return "it does not answer as an HTTP proxy does";
  const bool wants_user = state_ == State::Refused && (status_ == 401 || status_ == 407);
  return wants_user ? std::to_string(status_) + ": it wants another user and password" : "";
}

}  // namespace ipop::os
