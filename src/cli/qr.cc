#include "cli/qr.h"

#include <algorithm>
#include <qrcodegen/qrcodegen.hpp>
#include <stdexcept>

namespace ipop::cli {
namespace {

/// ISO/IEC 18004 asks for four modules around the code. Where that is too wide a narrower margin
/// is better than no code: readers find it by its corner squares.
constexpr int kMarginMax = 4;
constexpr int kMarginMin = 1;

}  // namespace

std::optional<std::string> qr_text(std::string_view text, int columns) {
  using qrcodegen::QrCode;
  std::optional<QrCode> code;
  try {
    code = QrCode::encodeText(std::string(text).c_str(), QrCode::Ecc::LOW);
  } catch (const std::length_error&) { return std::nullopt; }
  const int size = code->getSize();
  const int margin = std::min(kMarginMax, (columns - size) / 2);
  if (columns < size || margin < kMarginMin) return std::nullopt;
  // Outside of the code everything is light, which getModule() says too.
  std::string out;
  for (int y = -margin; y < size + margin; y += 2) {
    for (int x = -margin; x < size + margin; ++x) {
      const bool upper = !code->getModule(x, y);
      const bool lower = y + 1 < size + margin && !code->getModule(x, y + 1);
      out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
    }
    out += "\n";
  }
  return out;
}

}  // namespace ipop::cli
