#include "cli/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace ipop::cli {

std::string line(std::string_view label, std::string_view text) {
  return fmt::format("{:<10}{}\n", label, text);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string rtt_text(Duration rtt) {
  const double ms = static_cast<double>(rtt.count()) / 1e6;
  if (ms < 0.995) return fmt::format("{:.2f} ms", ms);
  if (ms < 99.95) return fmt::format("{:.1f} ms", ms);
  return fmt::format("{:.0f} ms", ms);
}

std::string span_text(std::chrono::seconds span) {
  const auto s = std::max<std::int64_t>(span.count(), 0);
  if (s < 120) return fmt::format("{} s", s);
  if (s < 120 * 60) return fmt::format("{} min", s / 60);
  if (s < 48 * 3600) return fmt::format("{} h", s / 3600);
  return fmt::format("{} days", s / 86400);
}

std::string expiry_text(UnixTime expires, UnixTime now) {
  if (expires == UnixTime::never()) return "never expires";
  if (expires <= now) return "expired";
  // A second may pass between the daemon's clock and ours: 24 h should read as such.
  const std::uint64_t left = expires.seconds - now.seconds + 1;
  return "expires in " + span_text(std::chrono::seconds(
                             static_cast<std::int64_t>(std::min<std::uint64_t>(left, INT64_MAX))));
}

Table::Table(std::vector<std::string> head) : right_(head.size(), false) {
  rows_.push_back(std::move(head));
}

void Table::add(std::vector<std::string> row) {
  check(row.size() == right_.size());
  rows_.push_back(std::move(row));
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += right_[i] ? fmt::format("{:>{}}", row[i], widths[i])
                        : fmt::format("{:<{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace ipop::cli
