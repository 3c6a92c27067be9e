#pragma once

#include <map>
#include <optional>

#include "base/token_bucket.h"
#include "base/way.h"
#include "session/gate.h"

namespace ipop::engine {

struct Context;

/// Handshakes that come through members, by which of them (PROTOCOL 17): 5 a second with a burst of
/// 10 each, and 20 a second in all. A member has no address that a cookie could prove, and must not
/// keep the others' handshakes out.
class IngressLimit {
 public:
  /// Whether one more may pass.
  bool admit(Instant now, PeerHandle ingress);

 private:
  TokenBucket all_;
  std::map<PeerHandle, TokenBucket> by_ingress_;
};

struct Admission {
  bool enters = false;
  /// A cookie reply, to be sent back the way the initiation came.
  std::optional<ByteVector> answer;
};

/// Whether an initiation whose mac1 is right may cost a Diffie-Hellman. `own` is the key that it
/// was addressed to, `ingress` the member that brought it where its way is not direct. Under load
/// what comes from an address is asked for a cookie that is bound to it, what comes through a
/// member for one that is bound to the member.
Admission admit_initiation(Context& context, const Now& now, const session::Profile& profile,
                           const TunnelKey& own, const wire::Initiation& message, const Way& from,
                           PeerHandle ingress = {});

}  // namespace ipop::engine
