#include "engine/statement_pace.h"

namespace ipop::engine {

void StatementPace::handle_joined(Instant now) {
  if (evaluate_at_ == Instant::max()) evaluate_at_ = std::max(now, evaluated_at_ + pause_);
  if (store_at_ == Instant::max()) store_at_ = std::max(now, store_next_);
}

void StatementPace::handle_evaluated(Instant now, std::size_t statements) {
  const bool burst = evaluate_at_ != Instant::max() && now < evaluated_at_ + 2 * pause_;
  pause_ = burst ? std::min(2 * pause_, kPauseMax) : kPauseMin;
  pause_ = std::max(pause_, kPausePerStatement * static_cast<std::int64_t>(statements));
  evaluated_at_ = now;
  evaluate_at_ = Instant::max();
  demanded_ = false;
  ++evaluations_;
}

void StatementPace::handle_stored(Instant now) {
  store_at_ = Instant::max();
  store_next_ = now + kStorePause;
}

}  // namespace ipop::engine
