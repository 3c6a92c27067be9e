#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "nat/igd_question.h"
#include "os/igd_client.h"
#include "os/wakeup.h"

namespace ipop::daemon {

/// Asks the engine's questions to routers, one after the other, in a thread of its own: HTTP takes
/// connections and seconds. For the control thread.
class IgdThread {
 public:
  /// Those that wait; the engine has one for each gateway, and a few more when it lets go of them.
  static constexpr std::size_t kQuestionsMax = 16;

  static Result<std::unique_ptr<IgdThread>> start();
  struct Parts {
    os::Wakeup answers;
    os::Wakeup interrupt;
  };
  explicit IgdThread(Parts parts);
  /// At once, whatever is being asked.
  ~IgdThread();

  /// What finds no place is answered by Silent.
  void ask(const nat::IgdQuestion& question);
  /// Readable when answers wait.
  int fd() const { return answers_ready_.fd(); }
  std::vector<nat::IgdAnswer> take_answers();
  /// Shutdown: drops all questions but those that delete a mapping, also the one being asked, and
  /// returns when these are answered, after `limit` at the latest.
  void finish(Duration limit);

 private:
  void run();
  nat::IgdAnswer carry_out(const nat::IgdQuestion& question);
  os::IgdClient::Answer<void> delete_ours(const nat::IgdQuestion& question,
                                          const nat::IgdQuestion::Unmap& unmap);

  os::Wakeup answers_ready_;
  os::Wakeup interrupt_;  ///< notified with the lock held: it is about the question then asked
  os::IgdClient client_;  ///< the thread's own
  /// Questions are a few an hour: a lock is the simplest right thing.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<nat::IgdQuestion> questions_;
  std::optional<nat::IgdQuestion> being_asked_;
  std::vector<nat::IgdAnswer> answers_;
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace ipop::daemon
