#include "daemon/config.h"

// The library's exceptions would have to be caught around every call; its result type is enough.
#define TOML_EXCEPTIONS 0
// A few of its assertions (3.3.0) fail for bad files, "[/]" for one, which the code behind them
// reports properly. With NDEBUG it would make assumptions of them for the optimiser.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <numeric>
#include <span>
#include <system_error>
#include <vector>

#include "dataplane/keypair.h"
#include "nat/stun_client.h"
#include "os/http_connect.h"
#include "wire/candidate.h"

namespace ipop::daemon {
namespace {

using Outcome = std::expected<void, std::string>;

constexpr std::array<std::string_view, 4> kLogLevels{"error", "warning", "info", "debug"};
/// A configuration of a dozen keys that is longer is another kind of file.
constexpr std::uintmax_t kFileBytesMax = std::uintmax_t{256} * 1024;

std::unexpected<std::string> at(std::string_view source, const toml::source_region& where,
                                std::string_view what) {
  std::string text(source);
  text += ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column) + ": ";
  return std::unexpected(text.append(what));
}

std::unexpected<std::string> at(std::string_view source, std::size_t line, std::size_t column,
                                std::string_view what) {
  return at(source,
            toml::source_region{.begin = {.line = static_cast<toml::source_index>(line),
                                          .column = static_cast<toml::source_index>(column)},
                                .end = {},
                                .path = nullptr},
            what);
}

/// The library (3.3.0) asks whether a character beyond ASCII is white space by a table that has
/// undefined answers for many, "é" among them. It asks that of what stands outside of comments and
/// quotes, where no such character belongs, and of multi-line text, which no key of ours needs:
/// both are refused before it sees them.
///
/// The library looks ahead from a bare word to the next space or comma, also over quotes; so that
/// both agree on what is quoted, a quote must follow one of these, the line's `=`, or the bracket
/// of a list behind it.
class Screen {
 public:
  Outcome run(std::string_view toml, std::string_view source) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (toml.starts_with(kByteOrderMark)) toml.remove_prefix(kByteOrderMark.size());
    for (std::size_t i = 0; i < toml.size(); ++i) {
      const bool starts = (static_cast<unsigned char>(toml[i]) & 0xc0U) != 0x80U;
      if (starts) ++column_;  // no continuation of a UTF-8 character
      if (toml[i] == '\n') {
        next_line();
      } else if (inside_ != 0) {
        i += quoted(toml.substr(i));
      } else if (const std::string_view problem = bare(toml.substr(i)); !problem.empty()) {
        return at(source, line_, column_, problem);
      }
    }
    return {};
  }

 private:
  void next_line() {
    ++line_;
    column_ = 0;
    inside_ = 0;
    quote_may_follow_ = true;
    seen_equals_ = false;
  }
  /// Returns how many characters to skip beyond the first.
  std::size_t quoted(std::string_view rest) {
    if (rest[0] == inside_ && inside_ != '#') {
      inside_ = 0;
      quote_may_follow_ = false;
    } else if (inside_ == '"' && (rest.starts_with("\\\"") || rest.starts_with("\\\\"))) {
      ++column_;
      return 1;
    }
    return 0;
  }
  std::string_view bare(std::string_view rest) {
    const char c = rest[0];
    const auto byte = static_cast<unsigned char>(c);
    if (rest.starts_with("\"\"\"") || rest.starts_with("'''")) {
      return "text in three quotes is not supported";
    }
    if (c == '"' || c == '\'') {
      if (!quote_may_follow_) return "a quote stands where none belongs";
      inside_ = c;
    } else if (c == '#') {
      inside_ = c;
    } else if (byte >= 0x7f || (byte < 0x20 && c != '\t' && c != '\r')) {
      return "a character that belongs in quotes, or is not visible";
    }
    quote_may_follow_ = c == ' ' || c == '\t' || c == ',' || (c == '=' && !seen_equals_) ||
                        (c == '[' && seen_equals_);
    seen_equals_ = seen_equals_ || c == '=';
    return {};
  }

  std::size_t line_ = 1;
  std::size_t column_ = 0;
  char inside_ = 0;  ///< '#' of a comment, or the quote that ends the text
  bool quote_may_follow_ = true;
  bool seen_equals_ = false;
};

/// One key of the file: its name and how its value gets into the configuration. `set` returns what
/// the value must be, if it is not. A table has the keys `inside` instead.
struct Key {
  std::string_view name;
  std::string_view (*set)(const toml::node& value, DaemonConfig& config) = nullptr;
  std::span<const Key> inside{};
};

std::string_view set_path(const toml::node& value, std::filesystem::path& path) {
  const auto text = value.value_exact<std::string>();
  if (!text || !text->starts_with('/')) return "an absolute path in quotes";
  path = *text;
  return {};
}

std::string_view set_listen(const toml::node& value, DaemonConfig& config) {
  const auto port = value.value_exact<std::int64_t>();
  if (!port || *port < 1 || *port > 65535) return "a UDP port from 1 to 65535";
  config.listen = static_cast<std::uint16_t>(*port);
  return {};
}

std::string_view set_log_level(const toml::node& value, DaemonConfig& config) {
  const auto level = parse_log_level(value.value_exact<std::string>().value_or(""));
  if (!level) return "\"error\", \"warning\", \"info\" or \"debug\"";
  config.log_level = *level;
  return {};
}

std::string_view set_interface(const toml::node& value, DaemonConfig& config) {
  const auto name = value.value_exact<std::string>();
  if (!name || !is_valid_interface(*name)) return "the name of an interface, at most 15 bytes";
  config.interface = *name;
  return {};
}

std::string_view set_workers(const toml::node& value, DaemonConfig& config) {
  const auto count = value.value_exact<std::int64_t>();
  if (!count || *count < 1 || *count > dataplane::kWorkersMax) return "a number from 1 to 8";
  config.workers = static_cast<std::uint8_t>(*count);
  return {};
}

std::string_view set_bool(const toml::node& value, bool& setting) {
  const auto on = value.value_exact<bool>();
  if (!on) return "true or false";
  setting = *on;
  return {};
}

std::string_view set_crypto(const toml::node& value, DaemonConfig& config) {
  const auto choice = value.value_exact<std::string>().value_or("");
  if (choice != "auto" && choice != "openssl") return "\"auto\" or \"openssl\"";
  config.crypto = choice == "auto" ? CryptoChoice::Auto : CryptoChoice::Openssl;
  return {};
}

std::string_view set_relay_limit(const toml::node& value, DaemonConfig& config) {
  constexpr std::int64_t kHighest = 1'000'000;
  const auto limit = value.value_exact<std::int64_t>();
  if (!limit || *limit < 0 || *limit > kHighest) return "Mbit/s from 0 (no limit) to 1000000";
  config.relay.limit_mbits = static_cast<std::uint32_t>(*limit);
  return {};
}

std::string_view set_stun(const toml::node& value, DaemonConfig& config) {
  constexpr std::string_view kWanted =
      "a list of at most 16 addresses with their ports, [\"203.0.113.10:3478\"]";
  const toml::array* servers = value.as_array();
  if (servers == nullptr || servers->size() > nat::StunClient::kServersMax) return kWanted;
  config.nat.stun.clear();
  for (const toml::node& server : *servers) {
    const auto endpoint = Endpoint::parse(server.value_exact<std::string>().value_or(""));
    if (!endpoint || !wire::is_candidate(*endpoint)) return kWanted;
    config.nat.stun.push_back(*endpoint);
  }
  return {};
}

std::string_view set_tls_listen(const toml::node& value, DaemonConfig& config) {
  const auto port = value.value_exact<std::int64_t>();
  if (!port || *port < 1 || *port > 65535) return "a TCP port from 1 to 65535, usually 443";
  config.tls.listen = static_cast<std::uint16_t>(*port);
  return {};
}

std::string_view set_tls_proxy(const toml::node& value, DaemonConfig& config) {
  const auto url = value.value_exact<std::string>();
  if (!url || (!url->empty() && !os::HttpProxy::parse(*url))) {
    return "\"http://[user:password@]host:port\", or \"\" for none";
  }
  config.tls.proxy = *url;
  return {};
}

constexpr std::array kTlsKeys{
    Key{"listen", set_tls_listen},
    Key{"dial", [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.tls.dial); }},
    Key{"proxy", set_tls_proxy},
};

constexpr std::array kNatKeys{
    Key{"stun", set_stun},
    Key{"port_mapping",
        [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.nat.port_mapping); }},
    Key{"upnp", [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.nat.upnp); }},
    Key{"search", [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.nat.search); }},
};

constexpr std::array kRelayKeys{
    Key{"enabled",
        [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.relay.enabled); }},
    Key{"limit", set_relay_limit},
};

constexpr std::array kKeys{
    Key{"state", [](const toml::node& v, DaemonConfig& c) { return set_path(v, c.state); }},
    Key{"socket", [](const toml::node& v, DaemonConfig& c) { return set_path(v, c.socket); }},
    Key{"listen", set_listen},
    Key{"log_level", set_log_level},
    Key{"interface", set_interface},
    Key{"dns", [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.dns); }},
    Key{"crypto", set_crypto},
    Key{"workers", set_workers},
    Key{"tun_tcp_offload",
        [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.offloads.tun_tcp); }},
    Key{"tun_udp_offload",
        [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.offloads.tun_udp); }},
    Key{"udp_segment",
        [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.offloads.udp_segment); }},
    Key{"udp_group",
        [](const toml::node& v, DaemonConfig& c) { return set_bool(v, c.offloads.udp_group); }},
    Key{"relay", nullptr, kRelayKeys},
    Key{"nat", nullptr, kNatKeys},
    Key{"tls", nullptr, kTlsKeys},
};

/// Levenshtein distance: insertions, deletions and replacements.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string unknown_key_text(std::string_view key, std::span<const Key> keys) {
  // Nobody mistypes a long word into one of ours, and the distance takes length squared.
  constexpr std::size_t kLongest = 64;
  const auto nearest = std::min_element(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
    const std::string_view typed = key.substr(0, kLongest);
    return distance(typed, a.name) < distance(typed, b.name);
  });
  std::string text = "unknown key " + std::string(key);
  if (distance(key.substr(0, kLongest), nearest->name) <= nearest->name.size() / 2) {
    return text + "; did you mean " + std::string(nearest->name) + "?";
  }
  text += "; the keys are";
  for (const Key& known : keys) text.append(" ").append(known.name);
  return text;
}

Outcome read_table(const toml::table& table, std::span<const Key> keys, std::string_view source,
                   DaemonConfig& config) {
  for (const auto& [key, value] : table) {
    const auto known =
        std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == key.str(); });
    if (known == keys.end()) return at(source, key.source(), unknown_key_text(key.str(), keys));
    if (!known->inside.empty() && value.is_table()) {
      const auto inside = read_table(*value.as_table(), known->inside, source, config);
      if (!inside) return inside;
      continue;
    }
    const std::string wanted = known->inside.empty()
                                   ? std::string(known->set(value, config))
                                   : "a table of its own, [" + std::string(known->name) + "]";
    if (!wanted.empty()) {
      return at(source, value.source(), std::string(key.str()) + " must be " + wanted);
    }
  }
  return {};
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  const auto it = std::find(kLogLevels.begin(), kLogLevels.end(), text);
  if (it == kLogLevels.end()) return std::nullopt;
  return static_cast<LogLevel>(it - kLogLevels.begin());
}

std::string_view log_level_name(LogLevel level) {
  return kLogLevels[static_cast<std::size_t>(level)];
}

bool is_valid_interface(std::string_view name) {
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ - 1
  if (name.empty() || name.size() > kLongest || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '/' && c != ':' && c != '%';
  });
}

std::expected<void, std::string> read_config(std::string_view toml, std::string_view source,
                                             DaemonConfig& config) {
  if (const auto screened = Screen().run(toml, source); !screened) return screened;
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) { return at(source, parsed.error().source(), parsed.error().description()); }
  // Taken over as a whole or not at all.
  DaemonConfig changed = config;
  if (auto read = read_table(parsed.table(), kKeys, source, changed); !read) return read;
  config = std::move(changed);
  return {};
}

std::expected<void, std::string> load_config(const std::filesystem::path& path, bool must_exist,
                                             DaemonConfig& config) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found) {
    if (!must_exist) return {};
    return std::unexpected(path.string() + ": there is no such file");
  }
  if (failure) return std::unexpected(path.string() + ": " + failure.message());
  if (!std::filesystem::is_regular_file(status)) {
    return std::unexpected(path.string() + ": is not a file");
  }
  if (std::filesystem::file_size(path, failure) > kFileBytesMax || failure) {
    return std::unexpected(path.string() + ": is too large for a configuration");
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return std::unexpected(path.string() + ": cannot be read (sudo?)");
  return read_config(text, path.string(), config);
}

}  // namespace ipop::daemon
