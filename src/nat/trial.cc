#include "nat/trial.h"

#include <algorithm>

namespace ipop::nat {

wire::TestOutcome Trial::Finding::outcome() const {
  if (answered > 0) return wire::TestOutcome::Answered;
  if (sent > 0) return wire::TestOutcome::Silence;
  return unsent ? *unsent : wire::TestOutcome::Untried;
}

void Trial::start(Instant now, std::span<const Wish> wishes) {
  findings_.clear();
  plans_.clear();
  outstanding_.clear();
  outputs_.clear();
  ends_ = Instant::max();
  running_ = true;
  for (const Wish& wish : wishes.first(std::min(wishes.size(), kWaysMax))) {
    findings_.push_back({.way = wish.way, .rtt = std::nullopt, .unsent = wish.unsent});
    plans_.push_back(
        {.left = wish.unsent ? 0 : wish.probes, .interval = wish.interval, .next = now});
  }
  send_due(now);
}

bool Trial::handle_response(Instant now, const Token& token) {
  const auto it = std::ranges::find(outstanding_, token, &Outstanding::token);
  if (it == outstanding_.end()) return false;
  Finding& finding = findings_[it->finding];
  const Duration took = std::max(Duration(0), now - it->sent_at);
  ++finding.answered;
  finding.rtt = finding.rtt ? std::min(*finding.rtt, took) : took;
  outstanding_.erase(it);
  end_if_over(now);
  return true;
}

void Trial::handle_unsent(const Endpoint& to, wire::TestOutcome why) {
  const auto newest =
      std::find_if(outstanding_.rbegin(), outstanding_.rend(),
                   [&](const Outstanding& o) { return findings_[o.finding].way == Way(to); });
  if (newest == outstanding_.rend()) return;
  --findings_[newest->finding].sent;
  findings_[newest->finding].unsent = why;
  outstanding_.erase(std::next(newest).base());
}

void Trial::handle_timeout(Instant now) {
  if (running_) send_due(now);
}

Trial::Output Trial::poll_output() {
  if (!outputs_.empty()) {
    const Output first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = running_ ? ends_ : Instant::max();
  for (const Plan& plan : plans_) {
    if (running_ && plan.left > 0) at = std::min(at, plan.next);
  }
  return WaitUntil{at};
}

void Trial::send_due(Instant now) {
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    Plan& plan = plans_[i];
    if (plan.left == 0 || plan.next > now) continue;
    --plan.left;
    plan.next = now + plan.interval;
    ++findings_[i].sent;
    Token token{};
    rng_->fill(token);
    outstanding_.push_back({token, i, now});
    outputs_.emplace_back(SendProbe{findings_[i].way, token});
  }
  end_if_over(now);
}

/// When all are sent, it ends with the last answer, or when that has had its time.
void Trial::end_if_over(Instant now) {
  if (std::ranges::any_of(plans_, [](const Plan& plan) { return plan.left > 0; })) return;
  if (ends_ == Instant::max()) ends_ = now + kPatience;
  if (outstanding_.empty() || ends_ <= now) running_ = false;
}

}  // namespace ipop::nat
