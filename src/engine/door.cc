#include "engine/door.h"

namespace ipop::engine {

bool may_enter(Context& context, const Now& now, const session::Profile& profile,
               const TunnelKey& own, const wire::Initiation& message, const Endpoint& from) {
  switch (context.gate.admit(now.at, from, message.mac2, message.mac2_input)) {
    case session::HandshakeGate::Verdict::Pass:
      return true;
    case session::HandshakeGate::Verdict::Drop:
      break;
    case session::HandshakeGate::Verdict::ReplyCookie: {
      ByteVector out;
      wire::write_cookie_reply(
          profile.shape,
          context.gate.make_cookie_reply(now.at, profile, message.sender, own, message.mac1, from),
          out);
      context.outputs.emplace_back(Transmit{from, std::move(out)});
      break;
    }
  }
  return false;
}

}  // namespace ipop::engine
