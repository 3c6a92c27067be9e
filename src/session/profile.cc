#include "session/profile.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;

}  // namespace

// PROTOCOL 9 and 13 to 14 (docs/protocol.md, sessions).
constexpr Profile kNativeProfile{
    .construction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
    .shape = wire::kNativeShape,
    .mac1_label = "ipop mac1",
    .cookie_label = "ipop cookie",
    .initiator_only_rekeys = false,
    .initiates_on_cookie = true,
    .timers =
        {
            .retries = {250ms, 500ms, 1s, 2s, 4s},
            .retry_interval = 5s,
            .retry_jitter = 0.2,
            .retry_jitter_max = 1s,
            .attempt_time = Duration::max(),
            .rekey_after_time = 120s,
            .responder_rekey_delay = 3s,
            .rekey_idle_after_time = 3600s,
            .rekey_idle_jitter_max = 60s,
            .reject_after_time = 3780s,
            .send_after_first_ip_max = 180s,
            .wipe_after = 540s,
            .unproven_lifetime = 30s,
            .pending_lifetime = 15s,
        },
};

}  // namespace ipop::session
