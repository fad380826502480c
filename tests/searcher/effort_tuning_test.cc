#include "searcher/effort_tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

// In so many dimensions random vectors are hard to find.
constexpr int kDimension = 48;
constexpr uint32_t kCount = 6'000;

std::vector<float> Vectors(uint32_t first, uint32_t count) {
  std::vector<float> rows;
  for (uint32_t i = first; i < first + count; ++i) {
    const std::vector<float> row = storage::UnitVector(i, kDimension);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

class EffortTuningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    index_ = *NewVectorIndex({.dimension = kDimension});
    std::vector<uint64_t> ids(kCount);
    std::iota(ids.begin(), ids.end(), uint64_t{0});
    ASSERT_TRUE(index_->Add(ids, Vectors(0, kCount)).ok());
  }

  std::unique_ptr<VectorIndex> index_;
};

TEST_F(EffortTuningTest, TheEffortItNamesReachesTheRecallOnOtherQueries) {
  ASSERT_TRUE(index_->BuildGraph({.links = 8, .ef_construction = 40}).ok());
  const auto curve = MeasureEffort(*index_, Vectors(100'000, 100), {});
  ASSERT_TRUE(curve.ok()) << curve.status();
  EXPECT_EQ(curve->queries, 100U);
  ASSERT_GE(curve->points.size(), 3U) << "so hard that it is not there at once";
  EXPECT_LT(curve->points.front().recall, 0.9);
  const int effort = curve->EffortFor(0.95);
  EXPECT_GT(effort, curve->points.front().ef_search);
  EXPECT_LE(curve->EffortFor(0.9), effort);
  EXPECT_EQ(curve->EffortFor(2.0), curve->points.back().ef_search) << "as good as was measured";

  const std::vector<float> others = Vectors(200'000, 100);
  const auto truth = index_->SearchBatch(others, {.limit = 10, .exact = true});
  const auto found = index_->SearchBatch(others, {.limit = 10, .ef_search = effort});
  size_t right = 0;
  for (size_t q = 0; q < 100; ++q) {
    for (const Neighbor& wanted : (*truth)[q]) {
      for (const Neighbor& hit : (*found)[q]) right += hit.id == wanted.id ? 1 : 0;
    }
  }
  EXPECT_GE(right, 920U);
}

TEST_F(EffortTuningTest, NothingToMeasureIsNoCurve) {
  EXPECT_TRUE(MeasureEffort(*index_, Vectors(1, 60), {})->points.empty()) << "there is no graph";
  EXPECT_EQ(EffortCurve().EffortFor(0.9), 0);
  ASSERT_TRUE(index_->BuildGraph({.links = 8}).ok());
  EXPECT_TRUE(MeasureEffort(*index_, {}, {})->points.empty());
  EXPECT_TRUE(
      absl::IsCancelled(MeasureEffort(*index_, Vectors(1, 60), {.cancelled = [] { return true; }}).status()));
}

}  // namespace
}  // namespace eidetic::searcher
