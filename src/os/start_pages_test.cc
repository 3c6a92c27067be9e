#include "os/start_pages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace ipop::os {
namespace {

/// Resident pages of files, in KiB.
std::size_t resident_file_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stoul(line.substr(8));
  }
  return 0;
}

TEST(StartPages, AreGivenBackAndComeBack) {
  const std::size_t before = resident_file_kib();
  ASSERT_GT(before, 0U);
  release_start_pages();
  EXPECT_LT(resident_file_kib(), before);
  // Relocated tables, exceptions, type information: all as before.
  EXPECT_THROW(throw std::runtime_error("still here"), std::runtime_error);
  release_start_pages();
  EXPECT_EQ(std::to_string(12345), "12345");
}

}  // namespace
}  // namespace ipop::os
