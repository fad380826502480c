#include "searcher/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <thread>

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

std::unique_ptr<VectorIndex> Make() {
  auto index = NewVectorIndex({.dimension = kDimension});
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

class BothKinds : public ::testing::TestWithParam<IndexKind> {
 protected:
  // Also takes into the graph what was added before, if there is to be one.
  absl::Status Add(std::span<const uint64_t> ids, std::span<const float> vectors) {
    if (const absl::Status added = index_->Add(ids, vectors); !added.ok()) return added;
    return GetParam() == IndexKind::kHnsw ? index_->BuildGraph({}) : absl::OkStatus();
  }

  std::unique_ptr<VectorIndex> index_ = Make();
};
INSTANTIATE_TEST_SUITE_P(Kinds, BothKinds, ::testing::Values(IndexKind::kExact, IndexKind::kHnsw),
                         [](const auto& kind) { return kind.param == IndexKind::kExact ? "exact" : "hnsw"; });

// Ids that pass a predicate.
IdList Passing(size_t count, const std::function<bool(uint64_t)>& passes) {
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < count; ++id) {
    if (passes(id)) ids.push_back(id);
  }
  return IdList(ids);
}

TEST_P(BothKinds, FindsTheNearest) {
  const std::vector<float> vectors = Clustered(3000, 1);
  ASSERT_TRUE(Add(Ids(3000), vectors).ok());
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
  ASSERT_TRUE(Add(Ids(500), vectors).ok());
  const std::vector<uint64_t> gone = {3, 4, 5, 5, 9999};
  EXPECT_EQ(*index_->Remove(gone), 3U);
  EXPECT_EQ(index_->size(), 497U);
  EXPECT_EQ(index_->tombstones(), 3U);
  const auto found = index_->Search(Row(vectors, 3), {.limit = 497});
  ASSERT_THAT(*found, SizeIs(497));
  for (const Neighbor& neighbor : *found) EXPECT_FALSE(neighbor.id >= 3 && neighbor.id <= 5) << neighbor.id;
  // 7 takes the vector of 3.
  const std::vector<uint64_t> seven = {7};
  ASSERT_TRUE(Add(seven, Row(vectors, 3)).ok());
  EXPECT_EQ(index_->size(), 497U);
  EXPECT_EQ(index_->Search(Row(vectors, 3), {.limit = 1})->front().id, 7U);
}

TEST_P(BothKinds, FiltersNeverStarve) {
  const std::vector<float> vectors = Clustered(4000, 1);
  ASSERT_TRUE(Add(Ids(4000), vectors).ok());
  const std::vector<float> queries = Clustered(10, 3);
  for (const uint64_t every : {1, 2, 10, 100, 1000, 3999}) {
    const auto filter = [every](uint64_t id) { return id % every == 0; };
    const IdList ids = Passing(4000, filter);
    double recall = 0;
    for (size_t q = 0; q < 10; ++q) {
      const std::vector<uint64_t> truth = Truth(vectors, Row(queries, q), 10, filter);
      const auto found = index_->Search(Row(queries, q), {.limit = 10, .filter = &ids});
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->size(), truth.size()) << every;
      for (const Neighbor& neighbor : *found) EXPECT_TRUE(filter(neighbor.id));
      recall += RecallAgainst(truth, *found) / 10;
    }
    EXPECT_GE(recall, 0.95) << "every " << every;
  }
  const IdList none({});
  EXPECT_THAT(*index_->Search(Row(queries, 0), {.limit = 10, .filter = &none}), IsEmpty());
  const IdList unknown({77'777});
  EXPECT_THAT(*index_->Search(Row(queries, 0), {.limit = 10, .filter = &unknown}), IsEmpty());
}

TEST_P(BothKinds, EqualScoresComeByRisingId) {
  std::vector<float> same(20 * kDimension, 0);
  for (size_t i = 0; i < 20; ++i) same[i * kDimension] = 1;
  std::vector<uint64_t> ids = Ids(20);
  std::reverse(ids.begin(), ids.end());
  ASSERT_TRUE(Add(ids, same).ok());
  const auto found = index_->Search(Row(same, 0), {.limit = 20});
  ASSERT_THAT(*found, SizeIs(20));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ((*found)[i].id, i);
}

TEST_P(BothKinds, BadInputIsRefused) {
  const std::vector<float> vectors = Clustered(10, 1);
  ASSERT_TRUE(Add(Ids(10), vectors).ok());
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

// A part as a snapshot's reader would give it.
PageBuffer Read(const SnapshotPart& part) {
  PageBuffer bytes = *PageBuffer::Allocate(part.size());
  size_t done = 0;
  EXPECT_TRUE(part.ForEachPiece([&](absl::string_view piece) {
                    std::memcpy(bytes.data() + done, piece.data(), piece.size());
                    done += piece.size();
                    return absl::OkStatus();
                  })
                  .ok());
  return bytes;
}

StoredVectorIndex ReadAll(const VectorIndex& index) {
  auto parts = index.Store();
  StoredVectorIndex stored;
  stored.rows.table = Read(parts[""]);
  stored.rows.codes = Read(parts["-codes"]);
  stored.rows.vectors = Read(parts["-vectors"]);
  if (parts.count("-graph") > 0) stored.graph = Read(parts["-graph"]);
  return stored;
}

// Vectors as a file, to be read from there.
class VectorsFile final : public storage::ReadableFile {
 public:
  explicit VectorsFile(PageBuffer bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::Status ReadAt(uint64_t offset, std::span<uint8_t> out) const override {
    if (offset + out.size() > bytes_.size()) return absl::DataLossError("too short");
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  PageBuffer bytes_;
};

TEST_P(BothKinds, StoredAndLoadedItAnswersTheSame) {
  // More than one chunk of rows.
  constexpr size_t kCount = 20'000;
  const std::vector<float> vectors = Clustered(kCount, 1);
  ASSERT_TRUE(Add(Ids(kCount, 1000), vectors).ok());
  ASSERT_TRUE(index_->Remove(Ids(50, 1100)).ok());
  // Not in the graph.
  const std::vector<uint64_t> late = {7};
  ASSERT_TRUE(index_->Add(late, Row(vectors, 3)).ok());
  for (const bool on_disk : {false, true}) {
    StoredVectorIndex stored = ReadAll(*index_);
    if (on_disk) {
      stored.rows.vectors_file = std::make_shared<VectorsFile>(std::move(stored.rows.vectors));
      stored.rows.vectors = PageBuffer();
    }
    const auto loaded = LoadVectorIndex(kDimension, std::move(stored));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ((*loaded)->kind(), GetParam());
    EXPECT_EQ((*loaded)->size(), kCount - 50 + 1);
    EXPECT_EQ((*loaded)->tombstones(), 50U);
    for (size_t q = 0; q < 20; ++q) {
      const auto before = index_->Search(Row(vectors, q), {.limit = 20});
      const auto after = (*loaded)->Search(Row(vectors, q), {.limit = 20});
      ASSERT_TRUE(after.ok()) << after.status();
      ASSERT_EQ(before->size(), after->size());
      for (size_t i = 0; i < before->size(); ++i) {
        EXPECT_EQ((*before)[i].id, (*after)[i].id);
        EXPECT_EQ((*before)[i].score, (*after)[i].score);
      }
    }
    // It goes on from there, and what it stores then is whole.
    const std::vector<uint64_t> more = {8};
    ASSERT_TRUE((*loaded)->Add(more, Row(vectors, 4)).ok());
    ASSERT_TRUE((*loaded)->BuildGraph({}).ok());
    const auto again = LoadVectorIndex(kDimension, ReadAll(**loaded));
    ASSERT_TRUE(again.ok()) << again.status();
    const auto found = (*again)->Search(Row(vectors, 4), {.limit = 2});
    EXPECT_THAT(std::vector<uint64_t>({(*found)[0].id, (*found)[1].id}), ::testing::ElementsAre(8, 1004));
  }
}

TEST_P(BothKinds, PartsThatDoNotFitAreRefused) {
  ASSERT_TRUE(Add(Ids(600), Clustered(600, 1)).ok());
  const auto load = [this](const std::function<void(StoredVectorIndex&)>& damage,
                           int dimension = kDimension) {
    StoredVectorIndex stored = ReadAll(*index_);
    damage(stored);
    return LoadVectorIndex(dimension, std::move(stored)).status();
  };
  EXPECT_TRUE(load([](StoredVectorIndex&) {}).ok());
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex&) {}, kDimension + 1)));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) { index.rows.table = PageBuffer(); })));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) { index.rows.codes = PageBuffer(); })));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) { index.rows.vectors = PageBuffer(); })));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) { index.rows.table.data()[0] ^= 1; })));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) {
    // The second id becomes the first.
    std::memcpy(index.rows.table.data() + 40, index.rows.table.data() + 32, 8);
  })));
  if (GetParam() == IndexKind::kExact) return;
  EXPECT_TRUE(
      absl::IsDataLoss(load([](StoredVectorIndex& index) { index.graph = *PageBuffer::Allocate(9); })));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) {
    // A link beyond the last row.
    index.graph.as<int32_t>()[16] = 600;
  })));
  EXPECT_TRUE(absl::IsDataLoss(load([](StoredVectorIndex& index) {
    // The entry.
    index.graph.as<uint32_t>()[5] = 1'000;
  })));
}

TEST_P(BothKinds, ABatchAnswersAsOneByOne) {
  ASSERT_TRUE(Add(Ids(3000), Clustered(3000, 1)).ok());
  const std::vector<float> queries = Clustered(37, 2);
  for (const bool exact : {false, true}) {
    const auto batch = index_->SearchBatch(queries, {.limit = 7, .exact = exact});
    ASSERT_TRUE(batch.ok());
    ASSERT_THAT(*batch, SizeIs(37));
    for (size_t q = 0; q < 37; ++q) {
      const auto one = index_->Search(Row(queries, q), {.limit = 7, .exact = exact});
      ASSERT_THAT((*batch)[q], SizeIs(7));
      for (size_t i = 0; i < 7; ++i) EXPECT_EQ((*batch)[q][i].id, (*one)[i].id);
    }
  }
  EXPECT_THAT(*index_->SearchBatch({}, {}), IsEmpty());
  EXPECT_TRUE(absl::IsInvalidArgument(
      index_->SearchBatch(std::span<const float>(queries).first(kDimension + 1), {}).status()));
}

TEST(VectorIndexTest, ExactIsExactForAnyLengths) {
  // Codes tell little here: one coordinate dwarfs the others, lengths go over
  // many powers of ten, some vectors are all zero.
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  constexpr size_t kCount = 2'000;
  std::vector<float> vectors(kCount * kDimension);
  for (size_t i = 0; i < kCount; ++i) {
    const float length = std::pow(10.0F, static_cast<float>(static_cast<int>(i % 40) - 30));
    for (int d = 0; d < kDimension; ++d) {
      vectors[i * kDimension + d] = i % 17 == 0 ? 0 : length * normal(generator) * (d == 3 ? 1'000 : 1);
    }
  }
  const auto index = Make();
  ASSERT_TRUE(index->Add(Ids(kCount), vectors).ok());
  for (size_t q = 1; q < 40; ++q) {
    const auto found = index->Search(Row(vectors, q), {.limit = 5});
    std::vector<std::pair<float, uint64_t>> truth;
    for (size_t i = 0; i < kCount; ++i) {
      double score = 0;
      for (int d = 0; d < kDimension; ++d) {
        score += static_cast<double>(vectors[i * kDimension + d]) * vectors[q * kDimension + d];
      }
      truth.emplace_back(-static_cast<float>(score), i);
    }
    std::sort(truth.begin(), truth.end());
    ASSERT_THAT(*found, SizeIs(5));
    for (size_t i = 0; i < 5; ++i) {
      const float wanted = -truth[i].first;
      EXPECT_NEAR((*found)[i].score, wanted, 1e-5F * std::abs(wanted) + 1e-30F) << q << " " << i;
    }
  }
}

TEST(VectorIndexTest, TheGraphTakesInWhatCameLaterAndCanBeStopped) {
  const auto index = Make();
  const std::vector<float> vectors = Clustered(6'000, 1);
  const auto add = [&](size_t first, size_t count) {
    return index->Add(Ids(count, first),
                      std::span<const float>(vectors).subspan(first * kDimension, count * kDimension));
  };
  ASSERT_TRUE(add(0, 3'000).ok());
  EXPECT_TRUE(absl::IsCancelled(index->BuildGraph({.cancelled = [] { return true; }})));
  EXPECT_EQ(index->kind(), IndexKind::kExact) << "a stopped build leaves what was there";
  uint64_t reported = 0;
  ASSERT_TRUE(index
                  ->BuildGraph({.threads = 3,
                                .progress =
                                    [&](uint64_t done, uint64_t total) {
                                      EXPECT_LE(done, total);
                                      EXPECT_EQ(total, 3'000U);
                                      reported = std::max(reported, done);
                                    }})
                  .ok());
  EXPECT_EQ(reported, 3'000U);
  EXPECT_EQ(index->tail(), 0U);
  ASSERT_TRUE(add(3'000, 3'000).ok());
  EXPECT_EQ(index->tail(), 3'000U);
  const std::vector<float> queries = Clustered(50, 2);
  for (const bool merged : {false, true}) {
    if (merged) {
      ASSERT_TRUE(index->BuildGraph({.threads = 2}).ok());
    }
    EXPECT_EQ(index->tail(), merged ? 0U : 3'000U);
    double recall = 0;
    for (size_t q = 0; q < 50; ++q) {
      recall += RecallAgainst(Truth(vectors, Row(queries, q), 10),
                              *index->Search(Row(queries, q), {.limit = 10, .ef_search = 64})) /
                50;
    }
    EXPECT_GE(recall, 0.98);
  }
}

// Each id's vector points to its own corner, so that a search says whether it is
// there; meanwhile ids are replaced, removed and added, and the graph grows.
TEST(VectorIndexTest, SearchesBesideWritersMissNothingAndWaitForNobody) {
  constexpr uint64_t kIds = 3'000;
  const std::vector<float> vectors = Clustered(kIds, 1);
  const auto index = Make();
  ASSERT_TRUE(index->Add(Ids(kIds / 2), std::span<const float>(vectors).first(kIds / 2 * kDimension)).ok());
  ASSERT_TRUE(index->BuildGraph({}).ok());
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937 generator(static_cast<uint32_t>(r));
      while (!stop) {
        // The first hundred are replaced by themselves all the time: always there,
        // and once.
        const uint64_t id = generator() % 100;
        const IdList only({id});
        const auto filtered = index->Search(Row(vectors, id), {.limit = 3, .filter = &only});
        ASSERT_THAT(*filtered, SizeIs(1)) << id;
        const auto found = index->Search(Row(vectors, id), {.limit = 50, .exact = generator() % 2 == 0});
        std::set<uint64_t> seen;
        for (const Neighbor& hit : *found) EXPECT_TRUE(seen.insert(hit.id).second) << hit.id;
        EXPECT_EQ(seen.count(id), 1U) << id;
      }
    });
  }
  std::thread builder([&] {
    while (!stop) ASSERT_TRUE(index->BuildGraph({.threads = 1}).ok());
  });
  std::mt19937 generator(9);
  for (uint64_t step = 0; step < 1'500; ++step) {
    const std::vector<uint64_t> replaced = {generator() % 100};
    ASSERT_TRUE(index->Add(replaced, Row(vectors, replaced[0])).ok());
    const std::vector<uint64_t> next = {kIds / 2 + step};
    ASSERT_TRUE(index->Add(next, Row(vectors, next[0])).ok());
    EXPECT_EQ(index->Search(Row(vectors, next[0]), {.limit = 1})->front().id, next[0]) << "at once";
    const std::vector<uint64_t> gone = {100 + step % 1'000};
    EXPECT_EQ(*index->Remove(gone), step < 1'000 ? 1U : 0U);
    const auto near = index->Search(Row(vectors, gone[0]), {.limit = 3});
    for (const Neighbor& hit : *near) EXPECT_NE(hit.id, gone[0]);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  builder.join();
  EXPECT_EQ(index->size(), kIds - 1'000);
}

TEST(VectorIndexTest, ABroadFilterOverAGraphIsWalkedWithMoreEffort) {
  constexpr size_t kCount = 30'000;
  const auto index = Make();
  const std::vector<float> vectors = Clustered(kCount, 1);
  ASSERT_TRUE(index->Add(Ids(kCount), vectors).ok());
  ASSERT_TRUE(index->BuildGraph({}).ok());
  const std::vector<float> queries = Clustered(20, 3);
  const auto filter = [](uint64_t id) { return id % 10 < 7; };
  const IdList ids = Passing(kCount, filter);
  double recall = 0;
  for (size_t q = 0; q < 20; ++q) {
    const auto found = index->Search(Row(queries, q), {.limit = 10, .filter = &ids});
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
