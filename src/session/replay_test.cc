#include "session/replay.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/random.h"

namespace ipop::session {
namespace {

/// The same by a set of everything ever received.
class ReplayModel {
 public:
  bool commit(std::uint64_t counter) {
    if (counter >= ReplayWindow::kRejectFrom) return false;
    if (!seen_.empty()) {
      const std::uint64_t greatest = *seen_.rbegin();
      if (counter < greatest && greatest - counter >= ReplayWindow::kWindow) return false;
    }
    if (!seen_.insert(counter).second) return false;
    // Nothing below the window matters any longer.
    while (*seen_.rbegin() - *seen_.begin() > 2 * ReplayWindow::kWindow) seen_.erase(seen_.begin());
    return true;
  }
  std::uint64_t greatest() const { return seen_.empty() ? 0 : *seen_.rbegin(); }

 private:
  std::set<std::uint64_t> seen_;
};

TEST(ReplayWindow, EqualsTheSetModelOverAMillionCounters) {
  SeededRng rng(11);
  for (const std::uint64_t start :
       {std::uint64_t{0}, std::uint64_t{1} << 40U, ReplayWindow::kRejectFrom - 200'000}) {
    ReplayWindow window;
    ReplayModel model;
    window.commit(Counter{start});
    model.commit(start);
    for (int i = 0; i < 350'000; ++i) {
      const std::uint64_t spread = rng.below(4) == 0 ? 20'000 : 200;
      std::uint64_t counter = model.greatest() + rng.below(4);
      if (rng.below(1000) == 0) counter += rng.below(2 * ReplayWindow::kWindow);
      const std::uint64_t back = rng.below(spread);
      counter = counter < back ? 0 : counter - back;
      const bool asked = window.would_accept(Counter{counter});
      ASSERT_EQ(window.commit(Counter{counter}), asked) << counter;
      ASSERT_EQ(model.commit(counter), asked) << counter;
    }
  }
}

struct Step {
  std::uint64_t counter;
  bool accepted;
};

void run(const std::vector<Step>& steps) {
  ReplayWindow window;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(window.would_accept(Counter{steps[i].counter}), steps[i].accepted) << "step " << i;
    EXPECT_EQ(window.commit(Counter{steps[i].counter}), steps[i].accepted) << "step " << i;
  }
}

TEST(ReplayWindow, ScriptedEdges) {
  constexpr std::uint64_t kWindow = ReplayWindow::kWindow;
  constexpr std::uint64_t kLast = ReplayWindow::kRejectFrom - 1;
  run({{0, true}, {0, false}, {1, true}, {1, false}, {9, true}, {8, true}, {7, true}, {7, false}});
  // The first packet may have any number; zero is not special when it comes late.
  run({{5, true}, {0, true}, {0, false}, {5, false}});
  // Edge of the window.
  run({{kWindow, true}, {1, true}, {0, false}, {1, false}});
  run({{kWindow - 1, true}, {0, true}, {0, false}});
  run({{kWindow + 1, true}, {1, false}, {2, true}});
  // A jump over the whole ring forgets everything and still refuses what is too old.
  run({{3, true}, {3 + 64 * 128, true}, {3, false}, {3 + 64 * 128 - kWindow + 1, true}});
  run({{3, true}, {3 + 64 * 129, true}, {3 + 64, false}, {3 + 64 * 129 - 1, true}});
  run({{0, true}, {1ULL << 62U, true}, {0, false}, {(1ULL << 62U) - 64, true}});
  // Word boundaries.
  run({{63, true}, {64, true}, {63, false}, {64, false}, {127, true}, {128, true}, {65, true}});
  // The end of the counter space.
  run({{kLast, true}, {kLast, false}, {kLast + 1, false}, {UINT64_MAX, false}, {kLast - 1, true}});
  run({{UINT64_MAX, false}, {ReplayWindow::kRejectFrom, false}, {0, true}});
}

TEST(ReplayWindow, AskingChangesNothing) {
  ReplayWindow window;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(window.would_accept(Counter{1'000'000}));
  EXPECT_TRUE(window.commit(Counter{1}));
  EXPECT_TRUE(window.would_accept(Counter{0}));
}

TEST(ReplayWindow, AWholeWindowBackwards) {
  ReplayWindow window;
  constexpr std::uint64_t kTop = 3 * ReplayWindow::kWindow;
  for (std::uint64_t i = 0; i < ReplayWindow::kWindow; ++i) {
    EXPECT_TRUE(window.commit(Counter{kTop - i}));
  }
  EXPECT_FALSE(window.commit(Counter{kTop - ReplayWindow::kWindow}));
  for (std::uint64_t i = 0; i < ReplayWindow::kWindow; ++i) {
    EXPECT_FALSE(window.commit(Counter{kTop - i}));
  }
}

}  // namespace
}  // namespace ipop::session
