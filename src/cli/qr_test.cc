#include "cli/qr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <qrcodegen/qrcodegen.hpp>
#include <string>
#include <vector>

namespace ipop::cli {
namespace {

/// What a camera sees: one row of modules per half line, true = light.
std::vector<std::vector<bool>> modules_of(const std::string& text) {
  std::vector<std::vector<bool>> rows;
  std::vector<bool> upper;
  std::vector<bool> lower;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\n') {
      rows.push_back(std::move(upper));
      rows.push_back(std::move(lower));
      upper.clear();
      lower.clear();
      ++i;
      continue;
    }
    const std::string glyph = text.substr(i, text[i] == ' ' ? 1 : 3);
    upper.push_back(glyph == "█" || glyph == "▀");
    lower.push_back(glyph == "█" || glyph == "▄");
    i += glyph.size();
  }
  return rows;
}

/// As the invite looks: upper case letters and digits of base32 behind "IPOP1-".
std::string invite_of(std::size_t bytes) {
  std::string out = "IPOP1-";
  for (std::size_t i = 0; i < (bytes * 8 + 4) / 5; ++i)
    out += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[i * 7 % 32];
  return out;
}

TEST(Qr, EveryModuleIsWhereItBelongs) {
  for (const std::size_t bytes : {10U, 100U, 200U, 300U, 384U}) {
    const std::string invite = invite_of(bytes);
    const auto text = qr_text(invite, 80);
    ASSERT_TRUE(text) << bytes;
    const auto rows = modules_of(*text);
    const auto code = qrcodegen::QrCode::encodeText(invite.c_str(), qrcodegen::QrCode::Ecc::LOW);
    const int width = static_cast<int>(rows[0].size());
    ASSERT_LE(width, 80) << bytes;
    const int margin = (width - code.getSize()) / 2;
    ASSERT_GE(margin, 1);
    ASSERT_GE(static_cast<int>(rows.size()), width);
    for (int y = 0; y < static_cast<int>(rows.size()); ++y) {
      const auto& row = rows[static_cast<std::size_t>(y)];
      ASSERT_EQ(static_cast<int>(row.size()), width);
      if (y >= width) continue;  // an odd number of rows leaves half a line
      for (int x = 0; x < width; ++x) {
        ASSERT_EQ(row[static_cast<std::size_t>(x)], !code.getModule(x - margin, y - margin));
      }
    }
  }
}

TEST(Qr, AFoundersInviteFits80ColumnsWithItsMargin) {
  const auto text = qr_text(invite_of(380 + 4), 80);
  ASSERT_TRUE(text);
  auto rows = modules_of(*text);
  rows.resize(rows[0].size());  // an odd number of rows leaves half a line
  // At least two light modules around it.
  for (const auto& row : rows) EXPECT_TRUE(row[0] && row[1] && row[row.size() - 2] && row.back());
}

TEST(Qr, NarrowMarginsBeforeNone) {
  const auto wide = qr_text("IPOP1", 80);
  ASSERT_TRUE(wide);
  EXPECT_EQ(modules_of(*wide)[0].size(), 21U + 8U);
  const auto narrow = qr_text("IPOP1", 24);
  ASSERT_TRUE(narrow);
  EXPECT_EQ(modules_of(*narrow)[0].size(), 21U + 2U);
}

TEST(Qr, SaysWhenItDoesNotFit) {
  EXPECT_FALSE(qr_text("IPOP1", 22));
  EXPECT_FALSE(qr_text("IPOP1", 21));
  EXPECT_FALSE(qr_text("IPOP1", 0));
  EXPECT_FALSE(qr_text("IPOP1", -5));
  EXPECT_FALSE(qr_text(invite_of(600), 80));
  EXPECT_FALSE(qr_text(invite_of(4096), 80));
  EXPECT_FALSE(qr_text(invite_of(4096), 100000));  // beyond the largest code there is
}

}  // namespace
}  // namespace ipop::cli
