#include "session/profile.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;

}  // namespace

// PROTOCOL 9 and 13 to 14 (docs/protocol.md, sessions).
constexpr Profile kNativeProfile{
    .construction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
    .shape = wire::kNativeShape,
    .framing = wire::Framing::Native,
    .mac1_label = "ipop mac1",
    .cookie_label = "ipop cookie",
    .carries_membership = true,
    .needs_proof = true,
    .newest_sends = false,
    .connects_once = false,
    .initiator_only_rekeys = false,
    .initiates_on_cookie = true,
    .pending_max = 3,
    .timers =
        {
            .retries = {250ms, 500ms, 1s, 2s, 4s},
            .retry_interval = 5s,
            .retry_jitter = 0.2,
            .retry_jitter_max = 1s,
            .attempt_time = Duration::max(),
            .initiation_interval = 1s,
            .rekey_after_time = 120s,
            .responder_rekey_delay = 3s,
            .rekey_idle_after_time = 3600s,
            .rekey_idle_jitter_max = 60s,
            .reject_after_time = 3780s,
            .send_margin = 30s,
            .send_after_first_ip_max = 180s,
            .wipe_after = 540s,
            .unproven_lifetime = 30s,
            .pending_lifetime = 15s,
            .keepalive_timeout = 0s,
            .no_answer_timeout = 0s,
            .no_answer_jitter_max = 0s,
            .rekey_receive_after = 0s,
        },
};

// The WireGuard paper, section 6.1 (REKEY_TIMEOUT 5 s, REKEY_ATTEMPT_TIME 90 s, REKEY_AFTER_TIME
// 120 s, REJECT_AFTER_TIME 180 s, KEEPALIVE_TIMEOUT 10 s) and 6.5; the jitter of a third of a
// second and 165 = 180 - 10 - 5 are the Linux implementation's. Where that one keeps a pair for 540
// s without using it, it is wiped when its 180 s are over.
constexpr Profile kStockProfile{
    .construction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
    .shape = wire::kStockShape,
    .framing = wire::Framing::Stock,
    .mac1_label = "mac1----",
    .cookie_label = "cookie--",
    .carries_membership = false,
    .needs_proof = false,
    .newest_sends = true,
    .connects_once = true,
    .initiator_only_rekeys = true,
    .initiates_on_cookie = false,
    .pending_max = 1,
    .timers =
        {
            .retries = {5s, 5s, 5s, 5s, 5s},
            .retry_interval = 5s,
            .retry_jitter = 0.2,
            .retry_jitter_max = 333ms,
            .attempt_time = 90s,
            .initiation_interval = 5s,
            .rekey_after_time = 120s,
            .responder_rekey_delay = 0s,
            .rekey_idle_after_time = 0s,
            .rekey_idle_jitter_max = 0s,
            .reject_after_time = 180s,
            .send_margin = 0s,
            .send_after_first_ip_max = 180s,
            .wipe_after = 540s,
            .unproven_lifetime = 180s,
            .pending_lifetime = 15s,
            .keepalive_timeout = 10s,
            .no_answer_timeout = 15s,
            .no_answer_jitter_max = 333ms,
            .rekey_receive_after = 165s,
        },
};

}  // namespace ipop::session
