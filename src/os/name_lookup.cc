#include "os/name_lookup.h"

#include <netdb.h>

#include <cstring>
#include <utility>

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
  if (!question_) return;
  if (!is_done() && ::gai_cancel(&question_->request) == EAI_NOTCANCELED) {
    // The resolver's thread may still write there.
    static_cast<void>(question_.release());
    return;
  }
  if (question_->request.ar_result != nullptr) ::freeaddrinfo(question_->request.ar_result);
}

bool NameLookup::is_done() const {
  return !question_->was_asked || ::gai_error(&question_->request) != EAI_INPROGRESS;
}

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
