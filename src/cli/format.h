#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

/// Figures and tables for people.
namespace ipop::cli {

/// "label     text" and the end of the line, aligned.
std::string line(std::string_view label, std::string_view text);
/// "12 B", "3.4 MiB".
std::string bytes_text(std::uint64_t bytes);
/// "0.21 ms", "12.3 ms", "312 ms".
std::string rtt_text(Duration rtt);
/// The largest whole unit: "45 s", "12 min", "24 h", "3 days".
std::string span_text(std::chrono::seconds span);
/// "expires in 24 h", "expired", "never expires".
std::string expiry_text(UnixTime expires, UnixTime now);

/// Rows of cells, columns as wide as their widest cell, two spaces between; nothing after the last.
class Table {
 public:
  explicit Table(std::vector<std::string> head);
  /// Requires: as many cells as the head has.
  void add(std::vector<std::string> row);
  /// Figures are easier to compare from the right.
  void align_right(std::size_t column) { right_[column] = true; }
  std::string text(std::size_t indent) const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

}  // namespace ipop::cli
