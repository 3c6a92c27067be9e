#include "dataplane/activity.h"

#include <algorithm>

namespace ipop::dataplane {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

std::int64_t stamp_of(Instant now) { return now.time_since_epoch().count(); }

Instant instant_of(const std::atomic<std::int64_t>& word) {
  return Instant(Duration(word.load(kRelaxed)));
}

/// Written only where it changes, so that a busy pair's words stay in their readers' caches.
void clear(std::atomic<std::int64_t>& since) {
  if (since.load(kRelaxed) != INT64_MAX) since.store(INT64_MAX, kRelaxed);
}

void begin(std::atomic<std::int64_t>& since, Instant now) {
  if (since.load(kRelaxed) == INT64_MAX) since.store(stamp_of(now), kRelaxed);
}

/// A pair takes over with a handshake message, which ends what was outstanding on the one before
/// it: of two pairs with something outstanding the later moment is meant.
void merge_since(const std::atomic<std::int64_t>& word, Instant& into) {
  const Instant since = instant_of(word);
  if (since == Instant::max()) return;
  into = into == Instant::max() ? since : std::max(into, since);
}

}  // namespace

void note_stock_ip_sent(KeypairWords& words, Instant now) {
  begin(words.unanswered_since, now);
  clear(words.unacknowledged_since);
}

void note_control_ip_sent(KeypairWords& words, Instant now) {
  words.last_ip_sent.store(stamp_of(now), kRelaxed);
  note_stock_ip_sent(words, now);
}

void note_stock_sent(KeypairWords& words) { clear(words.unacknowledged_since); }

void note_stock_received(KeypairWords& words, Instant now, bool ip) {
  clear(words.unanswered_since);
  if (!ip) return;
  words.last_ip_received.store(stamp_of(now), kRelaxed);
  begin(words.unacknowledged_since, now);
}

void merge_activity(const KeypairWords& words, session::Activity& into) {
  into.last_ip_sent = std::max(into.last_ip_sent, instant_of(words.last_ip_sent));
  into.last_ip_received = std::max(into.last_ip_received, instant_of(words.last_ip_received));
  into.last_received = std::max(into.last_received, instant_of(words.last_received));
  merge_since(words.unanswered_since, into.unanswered_since);
  merge_since(words.unacknowledged_since, into.unacknowledged_since);
}

}  // namespace ipop::dataplane
