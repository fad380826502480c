#include "searcher/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

namespace eidetic::searcher {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kDimension = 32;

// Unit vectors around a few centres, as embeddings are.
std::vector<float> Clustered(size_t count, uint32_t seed, float spread = 0.7F) {
  std::mt19937 centres(99);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centre(20 * kDimension);
  for (float& value : centre) value = normal(centres);
  std::vector<float> vectors(count * kDimension);
  for (size_t i = 0; i < count; ++i) {
    const size_t cluster = generator() % 20;
    double norm = 0;
    for (int d = 0; d < kDimension; ++d) {
      float& value = vectors[i * kDimension + d];
      value = centre[cluster * kDimension + d] + spread * normal(generator);
      norm += static_cast<double>(value) * value;
    }
    for (int d = 0; d < kDimension; ++d) vectors[i * kDimension + d] /= static_cast<float>(std::sqrt(norm));
  }
  return vectors;
}

std::vector<uint64_t> Ids(size_t count, uint64_t first = 0) {
  std::vector<uint64_t> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

std::span<const float> Row(const std::vector<float>& vectors, size_t row) {
  return std::span<const float>(vectors).subspan(row * kDimension, kDimension);
}

// Ids of the truly nearest, best first.
std::vector<uint64_t> Truth(const std::vector<float>& vectors, std::span<const float> query, size_t limit,
                            const std::function<bool(uint64_t)>& filter = nullptr) {
  std::vector<std::pair<double, uint64_t>> scored;
  for (size_t i = 0; i < vectors.size() / kDimension; ++i) {
    if (filter && !filter(i)) continue;
    double score = 0;
    for (int d = 0; d < kDimension; ++d) score += static_cast<double>(vectors[i * kDimension + d]) * query[d];
    scored.emplace_back(-score, i);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < std::min(limit, scored.size()); ++i) ids.push_back(scored[i].second);
  return ids;
}

double RecallAgainst(const std::vector<uint64_t>& truth, const std::vector<Neighbor>& found) {
  const std::set<uint64_t> wanted(truth.begin(), truth.end());
  size_t hits = 0;
  for (const Neighbor& neighbor : found) hits += wanted.count(neighbor.id);
  return truth.empty() ? 1 : static_cast<double>(hits) / static_cast<double>(truth.size());
}

std::unique_ptr<VectorIndex> Make(IndexKind kind) {
  auto index = NewVectorIndex({.dimension = kDimension, .kind = kind});
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

class BothKinds : public ::testing::TestWithParam<IndexKind> {
 protected:
  std::unique_ptr<VectorIndex> index_ = Make(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Kinds, BothKinds, ::testing::Values(IndexKind::kExact, IndexKind::kHnsw),
                         [](const auto& kind) { return kind.param == IndexKind::kExact ? "exact" : "hnsw"; });

TEST_P(BothKinds, FindsTheNearest) {
  const std::vector<float> vectors = Clustered(3000, 1);
  ASSERT_TRUE(index_->Add(Ids(3000), vectors).ok());
  const std::vector<float> queries = Clustered(50, 2);
  double recall = 0;
  for (size_t q = 0; q < 50; ++q) {
    const auto found = index_->Search(Row(queries, q), {.limit = 10});
    ASSERT_TRUE(found.ok());
    ASSERT_THAT(*found, SizeIs(10));
    EXPECT_TRUE(std::is_sorted(found->begin(), found->end(),
                               [](const Neighbor& a, const Neighbor& b) { return a.score > b.score; }));
    recall += RecallAgainst(Truth(vectors, Row(queries, q), 10), *found) / 50;
    const auto exact = index_->Search(Row(queries, q), {.limit = 10, .exact = true});
    EXPECT_EQ(RecallAgainst(Truth(vectors, Row(queries, q), 10), *exact), 1);
  }
  EXPECT_GE(recall, GetParam() == IndexKind::kExact ? 1.0 : 0.95);
}

TEST_P(BothKinds, RemovedIsNeverReturnedAndReplacedIsNew) {
  const std::vector<float> vectors = Clustered(500, 1);
  ASSERT_TRUE(index_->Add(Ids(500), vectors).ok());
  const std::vector<uint64_t> gone = {3, 4, 5, 5, 9999};
  EXPECT_EQ(*index_->Remove(gone), 3U);
  EXPECT_EQ(index_->size(), 497U);
  EXPECT_EQ(index_->tombstones(), 3U);
  const auto found = index_->Search(Row(vectors, 3), {.limit = 497});
  ASSERT_THAT(*found, SizeIs(497));
  for (const Neighbor& neighbor : *found) EXPECT_FALSE(neighbor.id >= 3 && neighbor.id <= 5) << neighbor.id;
  // 7 takes the vector of 3.
  const std::vector<uint64_t> seven = {7};
  ASSERT_TRUE(index_->Add(seven, Row(vectors, 3)).ok());
  EXPECT_EQ(index_->size(), 497U);
  EXPECT_EQ(index_->Search(Row(vectors, 3), {.limit = 1})->front().id, 7U);
}

TEST_P(BothKinds, FiltersNeverStarve) {
  const std::vector<float> vectors = Clustered(4000, 1);
  ASSERT_TRUE(index_->Add(Ids(4000), vectors).ok());
  const std::vector<float> queries = Clustered(10, 3);
  for (const uint64_t every : {1, 2, 10, 100, 1000, 3999}) {
    const auto filter = [every](uint64_t id) { return id % every == 0; };
    double recall = 0;
    for (size_t q = 0; q < 10; ++q) {
      const std::vector<uint64_t> truth = Truth(vectors, Row(queries, q), 10, filter);
      const auto found = index_->Search(Row(queries, q), {.limit = 10, .filter = filter});
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->size(), truth.size()) << every;
      for (const Neighbor& neighbor : *found) EXPECT_TRUE(filter(neighbor.id));
      recall += RecallAgainst(truth, *found) / 10;
    }
    EXPECT_GE(recall, 0.95) << "every " << every;
  }
  EXPECT_THAT(*index_->Search(Row(queries, 0), {.limit = 10, .filter = [](uint64_t) { return false; }}),
              IsEmpty());
}

TEST_P(BothKinds, EqualScoresComeByRisingId) {
  std::vector<float> same(20 * kDimension, 0);
  for (size_t i = 0; i < 20; ++i) same[i * kDimension] = 1;
  std::vector<uint64_t> ids = Ids(20);
  std::reverse(ids.begin(), ids.end());
  ASSERT_TRUE(index_->Add(ids, same).ok());
  const auto found = index_->Search(Row(same, 0), {.limit = 20});
  ASSERT_THAT(*found, SizeIs(20));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ((*found)[i].id, i);
}

TEST_P(BothKinds, BadInputIsRefused) {
  const std::vector<float> vectors = Clustered(10, 1);
  ASSERT_TRUE(index_->Add(Ids(10), vectors).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(index_->Add(Ids(9), vectors)));
  EXPECT_TRUE(
      absl::IsInvalidArgument(index_->Add(std::vector<uint64_t>{1, 1}, std::vector<float>(2 * kDimension))));
  std::vector<float> query(Row(vectors, 0).begin(), Row(vectors, 0).end());
  query[5] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(absl::IsInvalidArgument(index_->Search(query, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(index_->Add(std::vector<uint64_t>{99}, query)));
  query.pop_back();
  EXPECT_TRUE(absl::IsInvalidArgument(index_->Search(query, {}).status()));
  EXPECT_THAT(*index_->Search(Row(vectors, 0), {.limit = 100}), SizeIs(10));
  EXPECT_THAT(*index_->Search(Row(vectors, 0), {.limit = 0}), IsEmpty());
  EXPECT_EQ(index_->size(), 10U);
}

TEST_P(BothKinds, AnEmptyIndexAnswersNothing) {
  EXPECT_THAT(*index_->Search(std::vector<float>(kDimension, 0.1F), {}), IsEmpty());
}

TEST_P(BothKinds, SerializedAndParsedItAnswersTheSame) {
  const std::vector<float> vectors = Clustered(600, 1);
  ASSERT_TRUE(index_->Add(Ids(600, 1000), vectors).ok());
  ASSERT_TRUE(index_->Remove(Ids(50, 1100)).ok());
  const auto bytes = index_->Serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const std::span<const uint8_t> span(reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size());
  const auto parsed = ParseVectorIndex(span, kDimension);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->kind(), GetParam());
  EXPECT_EQ((*parsed)->size(), 550U);
  EXPECT_EQ((*parsed)->tombstones(), 50U);
  for (size_t q = 0; q < 20; ++q) {
    const auto before = index_->Search(Row(vectors, q), {.limit = 20});
    const auto after = (*parsed)->Search(Row(vectors, q), {.limit = 20});
    ASSERT_EQ(before->size(), after->size());
    for (size_t i = 0; i < before->size(); ++i) EXPECT_EQ((*before)[i].id, (*after)[i].id);
  }
  EXPECT_TRUE(absl::IsDataLoss(ParseVectorIndex(span, kDimension + 1).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseVectorIndex(span.subspan(0, 20), kDimension).status()));
}

TEST(VectorIndexTest, ABroadFilterOverAGraphIsWalkedWithMoreEffort) {
  constexpr size_t kCount = 30'000;
  const auto index = Make(IndexKind::kHnsw);
  const std::vector<float> vectors = Clustered(kCount, 1);
  ASSERT_TRUE(index->Add(Ids(kCount), vectors).ok());
  const std::vector<float> queries = Clustered(20, 3);
  const auto filter = [](uint64_t id) { return id % 10 < 7; };
  double recall = 0;
  for (size_t q = 0; q < 20; ++q) {
    const auto found = index->Search(Row(queries, q), {.limit = 10, .filter = filter});
    ASSERT_THAT(*found, SizeIs(10));
    recall += RecallAgainst(Truth(vectors, Row(queries, q), 10, filter), *found) / 20;
  }
  EXPECT_GE(recall, 0.95);
}

TEST(VectorIndexTest, OddDimensionsAreRefused) {
  for (const int dimension : {-1, 0, 1'000'000}) {
    EXPECT_TRUE(absl::IsInvalidArgument(NewVectorIndex({.dimension = dimension}).status()));
  }
}

}  // namespace
}  // namespace eidetic::searcher
