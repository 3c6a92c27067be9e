#include "nat/keepalive.h"

#include <algorithm>

namespace ipop::nat {

void Keepalive::set_helper(Instant now, std::optional<Endpoint> helper) {
  if (helper == helper_) return;
  helper_ = helper;
  if (state_ != State::Resting) rest(now, kPause);
}

void Keepalive::handle_answer(Instant now, const Token& token, bool late) {
  if (state_ == State::Resting) return;
  if (token != token_) {
    // An answer to an earlier probe, which came while this one was on its way, is no disturbance.
    if (now >= asked_ + kAnswerTimeout) handle_disturbance(now);
  } else if (state_ == State::Exchanging && !late) {
    ++exchanges_;
    begin(now, exchanges_ < kExchanges ? State::Exchanging : State::Ageing);
  } else if (state_ == State::Checking && !late) {
    proofs_ = 0;
    const bool refuted = ++misses_ >= kMissesMax;
    if (refuted) misses_ = 0;
    rest(now, refuted ? kRefutedPause : kPause);
  } else if (state_ == State::Ageing && !late && now < asked_ + kAnswerTimeout) {
    accepted_ = true;
    next_ = now + age() + kAnswerTimeout;
  } else if (state_ == State::Ageing && late && accepted_ && now >= asked_ + age()) {
    if (++proofs_ >= kProofsWanted) set_level(level_ + 1);
    rest(now, kPause);
  } else {
    handle_disturbance(now);
  }
}

void Keepalive::handle_disturbance(Instant now) {
  if (state_ == State::Ageing) rest(now, kPause);
}

void Keepalive::handle_idle_loss(Instant now) {
  if (level_ > 0) set_level(level_ - 1);
  rest(now, loss_pause_);
  loss_pause_ = std::min(loss_pause_ * 2, kRefutedPause);
}

void Keepalive::handle_network_changed(Instant now) {
  set_level(kStart);
  loss_pause_ = kLossPause;
  rest(now, kPause);
}

void Keepalive::handle_timeout(Instant now) {
  if (!can_test() || now < next_) return;
  switch (state_) {
    case State::Resting:
      exchanges_ = 0;
      begin(now, State::Exchanging);
      break;
    case State::Ageing:
      if (accepted_) {
        begin(now, State::Checking);
        break;
      }
      [[fallthrough]];
    case State::Exchanging:
    case State::Checking:
      if (sends_ < kSendsMax) {
        send(now);
      } else {
        rest(now, kPause);  // the helper is gone, which says nothing about the NAT
      }
      break;
  }
}

Keepalive::Output Keepalive::poll_output() {
  if (!outputs_.empty()) {
    const Output first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  return WaitUntil{can_test() ? next_ : Instant::max()};
}

void Keepalive::begin(Instant now, State state) {
  state_ = state;
  sends_ = 0;
  accepted_ = false;
  send(now);
}

void Keepalive::send(Instant now) {
  // Each has a token of its own: the late answer to a request that was sent again would come early.
  rng_->fill(token_);
  SendProbe probe{*helper_, token_, {}, false};
  if (state_ == State::Ageing) probe.later = age();
  probe.fresh = state_ == State::Exchanging && exchanges_ == 0 && sends_ == 0;
  outputs_.emplace_back(probe);
  ++sends_;
  asked_ = now;
  next_ = now + kAnswerTimeout;
}

void Keepalive::rest(Instant now, Duration pause) {
  state_ = State::Resting;
  next_ = now + pause;
}

void Keepalive::set_level(std::size_t level) {
  proofs_ = 0;
  misses_ = 0;
  if (level == level_) return;
  level_ = level;
  outputs_.emplace_back(IntervalChanged{interval()});
}

bool Keepalive::can_test() const { return helper_.has_value() && level_ + 1 < kLadder.size(); }

}  // namespace ipop::nat
