#include "member/reconcile.h"

#include <gtest/gtest.h>

#include <deque>

#include "member/room_testing.h"

namespace ipop::member {
namespace {

/// What two members tell each other until neither has anything to say.
struct Talk {
  std::size_t frames = 0;
  std::size_t statements = 0;
  std::size_t bytes = 0;
  std::size_t rounds = 0;
};

std::size_t size_of(const ReconFrame& frame) {
  ByteVector out;
  std::visit([&](const auto& f) { wire::write_frame(f, out); }, frame);
  return out.size();
}

Talk reconcile(StatementSet& a, StatementSet& b) {
  Talk talk;
  std::array<StatementSet*, 2> sides{&a, &b};
  std::vector<ReconFrame> flying{begin_reconciliation(a)};
  for (std::size_t to = 1; !flying.empty(); to = 1 - to) {
    std::vector<ReconFrame> answers;
    ++talk.rounds;
    if (talk.rounds > 40) ADD_FAILURE() << "they never end";
    if (talk.rounds > 40) break;
    for (const ReconFrame& frame : flying) {
      ++talk.frames;
      talk.bytes += size_of(frame);
      auto answer = std::visit([&](const auto& f) { return answer_recon(*sides[to], f); }, frame);
      EXPECT_LE(answer.frames.size(), wire::kReconRangesMax);
      for (const wire::StatementId& id : answer.wanted_by_them) {
        const StoredStatement* stored = sides[to]->find(id);
        if (stored == nullptr) continue;
        EXPECT_TRUE(sides[1 - to]->add(stored->bytes));
        ++talk.statements;
      }
      for (ReconFrame& f : answer.frames) answers.push_back(std::move(f));
    }
    flying = std::move(answers);
  }
  return talk;
}

/// Statements of one network; `config(n)` is another one each, and cheap.
class Reconciliation : public testing::Test {
 protected:
  StatementSet empty() const { return StatementSet(room_.founded.network); }
  StatementSet founded() const {
    StatementSet set = empty();
    for (const ByteVector& s : room_.founded.statements) EXPECT_TRUE(set.add(s));
    return set;
  }
  ByteVector config(std::uint64_t version) {
    return room_
        .raw(wire::Config{.issuer = room_.grants[0], .version = version, .blob = {}},
             room_.people.key(0))
        .bytes;
  }
  void add(StatementSet& set, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t n = from; n < to; ++n) ASSERT_TRUE(set.add(config(n)));
  }

  Room room_;
};

TEST_F(Reconciliation, SaysNothingMoreWhereTheSetsAreEqual) {
  StatementSet a = founded();
  StatementSet b = founded();
  add(a, 0, 200);
  add(b, 0, 200);
  const Talk talk = reconcile(a, b);
  EXPECT_EQ(talk.frames, 1U);
  EXPECT_EQ(talk.statements, 0U);
}

TEST_F(Reconciliation, MakesAnyTwoSetsEqual) {
  const std::vector<std::array<std::uint64_t, 4>> cases{
      {0, 0, 0, 0},     {0, 5, 0, 0},     {0, 0, 0, 5},       {0, 64, 0, 65},    {0, 65, 0, 64},
      {0, 300, 0, 299}, {0, 300, 1, 301}, {0, 200, 200, 400}, {0, 1, 1, 400},    {0, 400, 400, 401},
      {0, 0, 0, 1000},  {0, 1000, 0, 0},  {0, 900, 450, 900}, {100, 500, 0, 499}};
  for (const auto& [a_from, a_to, b_from, b_to] : cases) {
    StatementSet a = founded();
    StatementSet b = founded();
    add(a, a_from, a_to);
    add(b, b_from, b_to);
    reconcile(a, b);
    EXPECT_EQ(a.digest(), b.digest()) << a_from << ' ' << a_to << ' ' << b_from << ' ' << b_to;
    EXPECT_EQ(a.size(), b.size());
  }
}

TEST_F(Reconciliation, OneDifferenceAmongThousandsCostsAFewFrames) {
  StatementSet a = founded();
  add(a, 0, 3000);
  StatementSet b = a;
  ASSERT_TRUE(a.add(config(5000)));
  const Talk talk = reconcile(a, b);
  EXPECT_EQ(a.digest(), b.digest());
  EXPECT_EQ(talk.statements, 1U);
  EXPECT_LE(talk.frames, 4U);
  EXPECT_LE(talk.bytes, 2500U);
}

TEST_F(Reconciliation, ANewcomerGetsAllWithoutAskingForEach) {
  StatementSet a = founded();
  StatementSet b = founded();
  add(b, 0, 3000);
  const Talk talk = reconcile(a, b);
  EXPECT_EQ(a.digest(), b.digest());
  EXPECT_EQ(talk.statements, 3000U);
  EXPECT_LE(talk.frames, 2U);
}

TEST_F(Reconciliation, FingerprintsAreOfTheIdsAndTheirOrder) {
  const StatementSet set = founded();
  std::vector<wire::StatementId> ids;
  for (const auto& [id, stored] : set.all()) ids.push_back(id);
  ASSERT_GE(ids.size(), 2U);
  const auto whole = fingerprint_of(ids);
  EXPECT_NE(fingerprint_of({}), whole);
  std::swap(ids[0], ids[1]);
  EXPECT_NE(fingerprint_of(ids), whole);
}

TEST_F(Reconciliation, RangesThatLieAreAnsweredAndEnd) {
  StatementSet a = founded();
  StatementSet b = founded();
  add(a, 0, 500);
  wire::ReconRanges lies;
  wire::StatementId upper;
  for (unsigned n = 0; n < wire::kReconRangesMax; ++n) {
    upper.bytes[0] = std::byte(n * 16 + 15);
    lies.ranges.push_back({upper, {}, 4000000000U});
  }
  const ReconAnswer answer = answer_recon(a, lies);
  EXPECT_LE(answer.frames.size(), wire::kReconRangesMax);
  EXPECT_TRUE(answer.wanted_by_them.empty());
  wire::Recon want{.kind = wire::Recon::Kind::Want};
  want.ids.assign(3, wire::StatementId{});
  EXPECT_EQ(answer_recon(b, want).wanted_by_them.size(), 3U) << "unknown ids are the caller's care";
}

}  // namespace
}  // namespace ipop::member
