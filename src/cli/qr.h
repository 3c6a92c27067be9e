#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ipop::cli {

/// `text` as a QR code of lines that are at most `columns` wide, two modules above each other in a
/// character (half blocks). Light modules are drawn and dark ones left out, as most terminals are
/// dark; cameras read it either way. nullopt: it does not fit.
std::optional<std::string> qr_text(std::string_view text, int columns);

}  // namespace ipop::cli
