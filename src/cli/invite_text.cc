#include <fmt/format.h>

#include "cli/format.h"
#include "cli/qr.h"
#include "cli/text.h"

namespace ipop::cli {
namespace {

std::string title(const control::InviteReply& reply, UnixTime now) {
  std::string out = "Invite to " + reply.network;
  if (reply.name) out += " for " + *reply.name;
  if (reply.address) out += " at " + reply.address->to_string();
  return fmt::format("{}: {}, {}\n", out,
                     reply.uses == 1 ? std::string("one use") : fmt::format("{} uses", reply.uses),
                     expiry_text(reply.expires, now));
}

}  // namespace

std::string text_of(const control::InviteReply& reply, UnixTime now, int columns) {
  std::string out = title(reply, now) + "\n" + reply.invite + "\n\n";
  if (const auto qr = qr_text(reply.invite, columns)) {
    out += *qr + "\n";
  } else {
    out += fmt::format("(As a QR code it does not fit {} columns: copy the text.)\n\n", columns);
  }
  out +=
      "Send it in a way that you trust: whoever has it may join. On the other computer, where\n"
      "ipop is installed, run this and paste the invite, then Enter:\n\n"
      "  sudo ipop join -\n";
  return out + text_of(reply.health);
}

}  // namespace ipop::cli
