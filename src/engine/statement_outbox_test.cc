#include "engine/statement_outbox.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "member/author.h"

namespace ipop::engine {
namespace {

class Outbox : public testing::Test {
 protected:
  Outbox() : founded_(found()), set_(founded_.network) {
    for (const ByteVector& s : founded_.statements) EXPECT_TRUE(set_.add(s));
    for (std::uint64_t n = 0; n < 200; ++n) {
      const auto config = member::sign_statement(
          {.network = founded_.network,
           .body = wire::Config{.issuer = founded_.grant, .version = n, .blob = {}}},
          identity_);
      EXPECT_TRUE(set_.add(config.bytes));
    }
    for (const auto& [id, stored] : set_.all()) all_.push_back(id);
  }
  member::Founded found() {
    auto founded = member::found_network(
        {.network_name = "room", .member_name = "alice", .pool = {{0x0a530000U}, 16}}, identity_,
        TunnelKey{{std::byte{1}}}, UnixTime{1'700'000'000}, rng_);
    EXPECT_TRUE(founded);
    return std::move(*founded);
  }

  SeededRng rng_{1};
  crypto::SigningKey identity_ = crypto::SigningKey::from_seed({});
  member::Founded founded_;
  member::StatementSet set_;
  std::vector<wire::StatementId> all_;
  Instant now_{std::chrono::hours(1)};
  StatementOutbox outbox_;
};

TEST_F(Outbox, SendsEachOnceAndABatchAtATime) {
  outbox_.add(now_, set_, all_);
  outbox_.add(now_, set_, all_);
  std::vector<wire::StatementId> sent;
  std::size_t batches = 0;
  while (outbox_.deadline() != Instant::max()) {
    now_ = std::max(now_, outbox_.deadline());
    const auto batch = outbox_.take_due(now_);
    ASSERT_FALSE(batch.empty());
    EXPECT_LE(batch.size(), StatementOutbox::kBatch);
    EXPECT_TRUE(outbox_.take_due(now_).empty()) << "not twice at one time";
    sent.insert(sent.end(), batch.begin(), batch.end());
    ++batches;
  }
  EXPECT_EQ(batches, (all_.size() + StatementOutbox::kBatch - 1) / StatementOutbox::kBatch);
  std::sort(sent.begin(), sent.end());
  EXPECT_EQ(sent, all_);
}

TEST_F(Outbox, SendsFirstWhatOthersNeed) {
  outbox_.add(now_, set_, all_);
  member::StatementSet other(founded_.network);
  while (outbox_.deadline() != Instant::max()) {
    now_ = std::max(now_, outbox_.deadline());
    for (const wire::StatementId& id : outbox_.take_due(now_)) {
      const auto added = other.add(set_.find(id)->bytes);
      ASSERT_TRUE(added);
      EXPECT_EQ(*added, member::StatementSet::Added::New);
    }
  }
  EXPECT_EQ(other.digest(), set_.digest());
}

TEST_F(Outbox, PassesOverWhatNobodyHas) {
  outbox_.add(now_, set_, {wire::StatementId{}});
  EXPECT_EQ(outbox_.deadline(), Instant::max());
  EXPECT_TRUE(outbox_.take_due(now_).empty());
}

}  // namespace
}  // namespace ipop::engine
