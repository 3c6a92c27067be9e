#include "nat/path_mtu.h"

#include <algorithm>

namespace ipop::nat {
namespace {

/// Of how many probes the answers are waited for; a search that finds a black hole sends about 30.
constexpr std::size_t kProbesMax = 32;

/// Packets count as going for so long after the last one (PROTOCOL 18).
constexpr Duration kFlowing = std::chrono::seconds(1);

}  // namespace

void PathMtu::reset(Instant now, Instant sent) {
  state_ = State::Untried;
  is_answered_ = false;
  probes_.clear();
  began_at_ = suspected_at_ = settled_at_ = confirm_at_ = raise_at_ = Instant::min();
  raise_pause_ = kRaiseMin;
  const bool flows = now < sent + kFlowing;
  sent_ = flows ? sent : Instant::min();
  deadline_ = flows ? now : Instant::max();
  use(upper_);
}

bool PathMtu::set_bound(std::uint16_t bound) {
  const std::uint16_t before = upper_;
  upper_ = bound == 0 ? limit_ : std::min(limit_, bound);
  if (upper_ == before) return false;
  const std::uint16_t mtu_before = mtu_;
  mtu_ = state_ == State::Untried ? upper_ : std::min(mtu_, upper_);
  bool is_due = false;
  if (upper_ > before) {  // what was never tried may go now, if packets do
    raise_at_ = confirm_at_ = Instant::min();
    is_due = state_ == State::Settled;
  } else if (state_ == State::Searching) {
    answered_ = std::min(answered_, upper_);
    refused_ = std::min(refused_, static_cast<std::uint16_t>(upper_ + 1));
    is_due = is_barred_ = target_ > upper_;
  }
  if (is_due) deadline_ = Instant::min();
  return is_due || mtu_ != mtu_before;
}

void PathMtu::handle_sent(Instant now, Instant sent) {
  if (state_ == State::Untried && sent + kFlowing <= now) return;
  sent_ = std::max(sent_, sent);
  if (state_ != State::Searching && sent_ > settled_at_ && confirm_at_ <= now) begin(now);
}

void PathMtu::suspect(Instant now, Instant sent) {
  if (state_ == State::Searching || sent + kFlowing <= now) return;
  sent_ = std::max(sent_, sent);
  if (suspected_at_ + kConfirm < now) suspect_pause_ = kSuspectPause;
  suspected_at_ = now;
  if (now < began_at_ + suspect_pause_) return;
  suspect_pause_ = std::min(suspect_pause_ * 2, kConfirm);
  begin(now);
}

void PathMtu::begin(Instant now) {
  deadline_ = Instant::max();
  if (upper_ <= kBareProbe) return;  // nothing to be found out
  began_at_ = now;
  const auto all = static_cast<std::uint16_t>(upper_ + 1);
  if (state_ == State::Untried) {
    raise_at_ = now + kRaiseMax;
    return search(now, 0, all);
  }
  if (raise_at_ <= now) {
    raise_at_ = now + raise_pause_;
    raise_pause_ = std::min(raise_pause_ * 2, kRaiseMax);
    outputs_.emplace_back(BoundDue{});
    if (mtu_ < upper_) return search(now, mtu_, all);
  }
  search(now, 0, static_cast<std::uint16_t>(mtu_ + 1));
}

/// What is below `refused` and above `answered` (0: nothing is) is to be found out.
void PathMtu::search(Instant now, std::uint16_t answered, std::uint16_t refused) {
  state_ = State::Searching;
  answered_ = answered;
  refused_ = refused;
  target_ = static_cast<std::uint16_t>(refused - 1);
  misses_ = silent_ = 0;
  send_round(now);
}

std::optional<std::uint16_t> PathMtu::next_target() const {
  if (answered_ == 0) {
    if (base() < refused_) return base();
    if (floor() < refused_) return floor();
    return std::nullopt;
  }
  if (refused_ <= answered_ + kStep) return std::nullopt;
  return static_cast<std::uint16_t>((answered_ + refused_) / 2);
}

void PathMtu::advance(Instant now) {
  const auto next = next_target();
  if (!next) return settle(now);
  target_ = *next;
  misses_ = silent_ = 0;
  send_round(now);
}

void PathMtu::send_round(Instant now) {
  if (target_ <= kBareProbe) return settle(now);  // the bound came down to nothing meanwhile
  ++round_;
  round_began_ = now;
  is_audible_ = is_barred_ = false;
  deadline_ = now + kRoundTimeout * (1 << silent_);
  // The smallest first: behind a larger one, it would be joined to that by a relay's kernel (GRO
  // takes a shorter last segment), and would be lost with it.
  if (mtu_ < target_ && answered_ != 0) {
    send_probe(answered_);
  } else {
    send_probe(kBareProbe);
    // If the size in use is as bad as it looks, the base is what is asked for next.
    if (misses_ > 0 && answered_ < base() && base() < target_) send_probe(base());
  }
  send_probe(target_);
}

void PathMtu::send_probe(std::uint16_t size) {
  Probe probe{{}, size, round_};
  rng_->fill(probe.token);
  if (probes_.size() >= kProbesMax) probes_.erase(probes_.begin());
  probes_.push_back(probe);
  outputs_.emplace_back(SendProbe{probe.token, size});
}

void PathMtu::handle_answer(Instant now, const Token& token) {
  const auto it = std::find_if(probes_.begin(), probes_.end(),
                               [&](const Probe& p) { return p.token == token; });
  if (it == probes_.end()) return;
  const Probe probe = *it;
  probes_.erase(it);
  is_answered_ = true;
  if (probe.size > upper_) return;
  if (state_ != State::Searching) {
    // It came late, and the size was given up: wrongly.
    if (probe.size > mtu_) use(probe.size);
    return;
  }
  if (probe.size != kBareProbe) {
    answered_ = std::max(answered_, probe.size);
    refused_ = std::max(refused_, static_cast<std::uint16_t>(answered_ + 1));
    if (answered_ >= target_) return advance(now);
  }
  if (probe.round != round_ || is_audible_) return;
  is_audible_ = true;
  deadline_ = now + std::max(kGrace, now - round_began_);
}

void PathMtu::handle_timeout(Instant now) {
  if (now < deadline_) return;
  deadline_ = Instant::max();
  if (state_ == State::Searching) return end_round(now);
  // Else the first packet that goes from now on begins it: it comes after a pause, and is reported.
  if (sent_ > settled_at_) begin(now);
}

void PathMtu::end_round(Instant now) {
  if (is_barred_) {
    target_ = static_cast<std::uint16_t>(refused_ - 1);
    misses_ = silent_ = 0;
    return answered_ >= target_ ? advance(now) : send_round(now);
  }
  if (is_audible_) {
    silent_ = 0;
    if (++misses_ == kMissesMax) return refuse(now);
  } else if (++silent_ == kMissesMax) {
    return settle(now);  // nothing is answered: it is not about the size
  }
  send_round(now);
}

/// The target is too large.
void PathMtu::refuse(Instant now) {
  refused_ = target_;
  if (mtu_ >= refused_) {
    use(answered_ != 0 ? answered_ : base() < refused_ ? base() : floor());
    raise_pause_ = kRaiseMin;
    raise_at_ = now + raise_pause_;
  }
  advance(now);
}

void PathMtu::settle(Instant now) {
  if (answered_ != 0) use(answered_);
  state_ = State::Settled;
  settled_at_ = now;
  // Up to a fifth earlier, so that many links do not do it in step. A peer that never answers is of
  // an older version, or what is in the way is no matter of size.
  const auto fifth = static_cast<std::uint64_t>(kConfirm.count() / 5);
  const Duration early(static_cast<std::int64_t>(rng_->below(fifth)));
  confirm_at_ = now + (is_answered_ ? kConfirm - early : kRaiseMax);
  deadline_ = confirm_at_;
}

void PathMtu::use(std::uint16_t mtu) {
  if (mtu == mtu_) return;
  mtu_ = mtu;
  outputs_.emplace_back(Changed{});
}

PathMtu::Output PathMtu::poll_output() {
  if (outputs_.empty()) return WaitUntil{deadline_};
  const Output first = outputs_.front();
  outputs_.erase(outputs_.begin());
  return first;
}

}  // namespace ipop::nat
