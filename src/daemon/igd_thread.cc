#include "daemon/igd_thread.h"

#include <utility>

#include "engine/overload.h"

namespace ipop::daemon {
namespace {

using nat::IgdAnswer;
using nat::IgdQuestion;

bool deletes(const IgdQuestion& question) {
  return std::holds_alternative<IgdQuestion::Unmap>(question.what);
}

decltype(IgdAnswer::what) to_answer(const os::IgdClient::Refusal& refusal) {
  if (refusal.code == 0) return IgdAnswer::Silent{};
  return IgdAnswer::Refused{refusal.code};
}
decltype(IgdAnswer::what) to_answer(const os::IgdClient::Answer<void>& done) {
  if (!done) return to_answer(done.error());
  return IgdAnswer::Done{};
}

}  // namespace

Result<std::unique_ptr<IgdThread>> IgdThread::start() {
  auto answers = os::Wakeup::open();
  if (!answers) return std::unexpected(answers.error());
  auto interrupt = os::Wakeup::open();
  if (!interrupt) return std::unexpected(interrupt.error());
  return std::make_unique<IgdThread>(Parts{std::move(*answers), std::move(*interrupt)});
}

IgdThread::IgdThread(Parts parts)
    : answers_ready_(std::move(parts.answers)),
      interrupt_(std::move(parts.interrupt)),
      client_(interrupt_),
      thread_([this] { run(); }) {}

IgdThread::~IgdThread() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    interrupt_.notify();
  }
  changed_.notify_all();
  thread_.join();
}

void IgdThread::ask(const IgdQuestion& question) {
  {
    const std::scoped_lock lock(mutex_);
    if (questions_.size() < kQuestionsMax) {
      questions_.push_back(question);
    } else {
      answers_.push_back({question.id, IgdAnswer::Silent{}});
      answers_ready_.notify();
    }
  }
  changed_.notify_all();
}

std::vector<IgdAnswer> IgdThread::take_answers() {
  answers_ready_.drain();
  const std::scoped_lock lock(mutex_);
  return std::exchange(answers_, {});
}

void IgdThread::finish(Duration limit) {
  std::unique_lock lock(mutex_);
  std::erase_if(questions_, [](const IgdQuestion& q) { return !deletes(q); });
  if (being_asked_ && !deletes(*being_asked_)) interrupt_.notify();
  changed_.wait_for(lock, limit, [&] { return questions_.empty() && !being_asked_; });
}

void IgdThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    being_asked_ = questions_.front();
    questions_.pop_front();
    interrupt_.drain();  // it was about another question
    lock.unlock();
    const IgdAnswer answer = carry_out(*being_asked_);
    lock.lock();
    being_asked_.reset();
    answers_.push_back(answer);
    answers_ready_.notify();
    changed_.notify_all();
  }
}

/// Who asks for an entry to be deleted may have lost it to another since, or never had it.
os::IgdClient::Answer<void> IgdThread::delete_ours(const IgdQuestion& question,
                                                   const IgdQuestion::Unmap& unmap) {
  const os::IgdClient::Router router{question.gateway, question.local};
  const auto entry = client_.entry(router, unmap.external_port);
  if (entry) {
    const bool to_us = entry->client == question.local || entry->client == unmap.client;
    if (!to_us || entry->port != question.port) return {};
  } else if (entry.error().code == os::IgdClient::kNoSuchEntry) {
    return {};
  } else if (!unmap.confirmed) {
    return std::unexpected(entry.error());
  }
  return client_.unmap(router, unmap.external_port);
}

IgdAnswer IgdThread::carry_out(const IgdQuestion& question) {
  const os::IgdClient::Router router{question.gateway, question.local};
  IgdAnswer out{question.id, IgdAnswer::Silent{}};
  std::visit(engine::Overload{
                 [&](const IgdQuestion::Address&) {
                   const auto address = client_.external_address(router);
                   if (address) {
                     out.what = IgdAnswer::Address{*address};
                   } else {
                     out.what = to_answer(address.error());
                   }
                 },
                 [&](const IgdQuestion::Map& map) {
                   out.what = to_answer(
                       client_.map(router, {map.external_port, question.port, map.lease}));
                 },
                 [&](const IgdQuestion::Check& check) {
                   const auto e = client_.entry(router, check.external_port);
                   if (e) {
                     out.what = IgdAnswer::Entry{e->client, e->port, e->enabled, e->lease};
                   } else {
                     out.what = to_answer(e.error());
                   }
                 },
                 [&](const IgdQuestion::Unmap& unmap) {
                   out.what = to_answer(delete_ours(question, unmap));
                 },
             },
             question.what);
  return out;
}

}  // namespace ipop::daemon
