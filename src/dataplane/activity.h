#pragma once

#include "base/time.h"
#include "dataplane/shared.h"
#include "session/session.h"

/// What WireGuard's timers run on: the words of a stock keypair, written where its packets are
/// sealed and opened, read by control (session::Session::handle_activity).
namespace ipop::dataplane {

/// The packet path sealed an IP packet, whose time it notes as for any keypair.
void note_stock_ip_sent(KeypairWords& words, Instant now);
/// Control sealed one that had to wait.
void note_control_ip_sent(KeypairWords& words, Instant now);
/// Something without an IP packet inside was sealed (a keepalive).
void note_stock_sent(KeypairWords& words);
/// Something was opened; `ip`: it holds an IP packet.
void note_stock_received(KeypairWords& words, Instant now, bool ip);

/// Adds what one pair saw to what the session's others did.
void merge_activity(const KeypairWords& words, session::Activity& into);

}  // namespace ipop::dataplane
