#include "os/name_lookup.h"

#include <netdb.h>

#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "os/socket_address.h"

namespace ipop::os {

/// All that getaddrinfo_a(3) reads and writes while we go on.
struct NameLookup::Question {
  std::string host;
  std::string service;
  addrinfo hints{};
  gaicb request{};
  bool was_asked = false;

  Question() = default;
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question() {
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
  }
  bool is_done() { return !was_asked || ::gai_error(&request) != EAI_INPROGRESS; }
};

/// Questions that nobody waits for and that the resolver's thread may still write to, each until it
/// is answered. Never destroyed, as that thread may live longer than everything here. Any thread.
class NameLookup::Abandoned {
 public:
  static Abandoned& instance() {
    static Abandoned* const kOnly = new Abandoned;
    return *kOnly;
  }
  void take(std::unique_ptr<Question> question) {
    const std::lock_guard lock(mutex_);
    std::erase_if(questions_, [](const auto& q) { return q->is_done(); });
    questions_.push_back(std::move(question));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Question>> questions_;
};

NameLookup::NameLookup(const std::string& host, std::uint16_t port)
    : question_(std::make_unique<Question>()) {
  Question& q = *question_;
  q.host = host;
  q.service = std::to_string(port);
  q.hints.ai_socktype = SOCK_STREAM;
  q.hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  q.request.ar_name = q.host.c_str();
  q.request.ar_service = q.service.c_str();
  q.request.ar_request = &q.hints;
  gaicb* list[] = {&q.request};
  q.was_asked = ::getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr) == 0;
}

NameLookup::NameLookup(NameLookup&&) noexcept = default;

NameLookup::~NameLookup() {
  if (!question_ || is_done()) return;
  if (::gai_cancel(&question_->request) == EAI_NOTCANCELED) {
    Abandoned::instance().take(std::move(question_));
  }
}

bool NameLookup::is_done() const { return question_->is_done(); }

std::vector<Endpoint> NameLookup::endpoints() const {
  check(is_done());
  std::vector<Endpoint> out;
  const bool answered = question_->was_asked && ::gai_error(&question_->request) == 0;
  for (const addrinfo* a = answered ? question_->request.ar_result : nullptr; a != nullptr;
       a = a->ai_next) {
    sockaddr_storage storage{};
    if (a->ai_addrlen > sizeof storage) continue;
    std::memcpy(&storage, a->ai_addr, a->ai_addrlen);
    if (const auto one = to_endpoint(storage, a->ai_addrlen)) out.push_back(*one);
  }
  return out;
}

}  // namespace ipop::os
