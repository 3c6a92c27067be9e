#include "nat/stun_client.h"

#include <algorithm>

#include "base/check.h"
#include "wire/candidate.h"

namespace ipop::nat {

StunClient::StunClient(Rng& rng, const Options& options) : rng_(&rng), options_(options) {
  check(options_.at_once >= 1 && options_.at_once <= kAtOnceMax && options_.answers_wanted >= 1);
}

void StunClient::start(Instant now, std::span<const Endpoint> servers) {
  stop();
  for (const Endpoint& server : servers) {
    if (waiting_.size() == kServersMax) break;
    if (wire::is_candidate(server) && !std::ranges::count(waiting_, server)) {
      waiting_.push_back(server);
    }
  }
  std::ranges::reverse(waiting_);
  running_ = true;
  answers_ = 0;
  advance(now);
}

void StunClient::stop() {
  running_ = false;
  waiting_.clear();
  asked_.clear();
}

bool StunClient::owns(Bytes datagram) const {
  return !asked_.empty() && wire::stun_transaction(datagram).has_value();
}

void StunClient::handle_datagram(Instant now, const Endpoint& from, Bytes datagram) {
  const auto id = wire::stun_transaction(datagram);
  const auto it = std::ranges::find_if(
      asked_, [&](const Transaction& t) { return id == t.id && from == t.server; });
  if (it == asked_.end()) {
    ++ignored_;
    return;
  }
  const auto response = wire::parse_stun_response(datagram);
  if (!response && response.error().code != Errc::Unsupported) {
    ++ignored_;  // section 6.3: as if it had not come, so that a good one still may
    return;
  }
  asked_.erase(it);
  const auto* success = response ? std::get_if<wire::StunSuccess>(&*response) : nullptr;
  if (success != nullptr) {
    ++answers_;
    outputs_.emplace_back(Learned{from, success->mapped, success->other});
  } else {
    outputs_.emplace_back(Failed{from, Reason::Refused});
  }
  advance(now);
}

void StunClient::handle_timeout(Instant now) {
  for (std::size_t i = 0; i < asked_.size();) {
    if (now < asked_[i].next) {
      ++i;
    } else if (asked_[i].sends < kSendsMax) {
      send(now, asked_[i++]);
    } else {
      outputs_.emplace_back(Failed{asked_[i].server, Reason::Silent});
      asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  advance(now);
}

StunClient::Output StunClient::poll_output() {
  if (!outputs_.empty()) {
    Output first = std::move(outputs_.front());
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = Instant::max();
  for (const Transaction& t : asked_) at = std::min(at, t.next);
  return WaitUntil{at};
}

void StunClient::send(Instant now, Transaction& transaction) {
  // The same request again (6.2.1): an answer to any of them is good.
  SendTo out{transaction.server, {}};
  wire::write_stun_request(transaction.id, false, out.datagram);
  outputs_.emplace_back(std::move(out));
  ++transaction.sends;
  transaction.next = now + transaction.wait;
  transaction.wait = std::min(transaction.wait * 2, kRetransmitMax);
}

void StunClient::advance(Instant now) {
  if (!running_) return;
  while (answers_ < options_.answers_wanted && asked_.size() < options_.at_once &&
         !waiting_.empty()) {
    Transaction transaction;
    rng_->fill(transaction.id.bytes);
    transaction.server = waiting_.back();
    waiting_.pop_back();
    send(now, transaction);
    asked_.push_back(transaction);
  }
  if (answers_ >= options_.answers_wanted || asked_.empty()) finish();
}

void StunClient::finish() {
  stop();
  outputs_.emplace_back(Finished{answers_});
}

}  // namespace ipop::nat
