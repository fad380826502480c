#include "searcher/filtered_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/searcher/test_query.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

constexpr int kDimension = 16;
// Enough for half of them to be worth a walk over the graph.
constexpr uint32_t kManyPhotos = 40'000;
constexpr uint32_t kFewPhotos = 500;
constexpr size_t kLimit = 10;

// Selectivities in hundredths of a percent; a photo's rank in a random and in a
// correlated order are its attributes.
constexpr int kShares[] = {1, 10, 100, 1'000, 5'000, 9'000};

std::vector<float> Vector(uint32_t seed) { return storage::UnitVector(seed, kDimension); }

class FilteredSearchTest : public ::testing::Test {
 protected:
  void Fill(uint32_t photos) {
    library_ = storage::OpenTestLibrary(folder_ / "library", kDimension);
    // Photos nearest to axis 0 come first: correlated with queries near it.
    std::vector<std::pair<float, uint32_t>> by_axis;
    for (uint32_t i = 0; i < photos; ++i) by_axis.emplace_back(-Vector(i)[0], i);
    std::sort(by_axis.begin(), by_axis.end());
    std::vector<uint32_t> near(photos);
    for (uint32_t rank = 0; rank < photos; ++rank) near[by_axis[rank].second] = rank;
    std::vector<uint32_t> shuffled(photos);
    for (uint32_t i = 0; i < photos; ++i) shuffled[i] = i;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(5));
    std::vector<storage::Mutation> mutations;
    for (uint32_t i = 0; i < photos; ++i) {
      storage::PutAsset put;
      put.asset_id = absl::StrCat("a", i);
      put.embedding = Vector(i);
      put.record.set_put_by_client(true);
      (*put.record.mutable_attributes())["near"] = absl::StrCat(near[i]);
      (*put.record.mutable_attributes())["random"] = absl::StrCat(shuffled[i]);
      mutations.emplace_back(std::move(put));
    }
    ASSERT_TRUE(library_->Commit(std::move(mutations)).ok());
  }

  // With a graph when it is time.
  void OpenEngine(size_t hnsw_from) {
    auto engine = SearchEngine::Open(library_.get(), {.hnsw_from = hnsw_from});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    if (hnsw_from > 0) {
      const absl::Time deadline = absl::Now() + absl::Seconds(60);
      while (engine_->status().kind != IndexKind::kHnsw && absl::Now() < deadline) {
        absl::SleepFor(absl::Milliseconds(10));
      }
      ASSERT_EQ(engine_->status().kind, IndexKind::kHnsw);
    }
    attributes_ = std::make_unique<AttributeIndex>(library_.get(), AttributeIndexOptions{});
    search_ = std::make_unique<FilteredSearch>(engine_.get(), attributes_.get());
  }

  FilteredMatches Search(const std::vector<float>& query, const std::string& filter,
                         VectorSearchOptions options = {.limit = kLimit}) {
    auto matches = search_->SearchImages(OfTestModel(query), *CompileFilter(filter), options, {});
    EXPECT_TRUE(matches.ok()) << matches.status();
    return matches.ok() ? *std::move(matches) : FilteredMatches();
  }

  storage::TestFolder folder_;
  std::unique_ptr<storage::Library> library_;
  std::unique_ptr<SearchEngine> engine_;
  std::unique_ptr<AttributeIndex> attributes_;
  std::unique_ptr<FilteredSearch> search_;
};

TEST_F(FilteredSearchTest, RecallHoldsAtEverySelectivityCorrelatedOrNot) {
  Fill(kManyPhotos);
  OpenEngine(1'000);
  std::set<std::string> plans;
  for (const char* order : {"near", "random"}) {
    for (const int share : kShares) {
      const uint32_t passing = std::max<uint32_t>(1, kManyPhotos * static_cast<uint32_t>(share) / 10'000);
      for (const bool from_the_far_end : {false, true}) {
        const std::string filter = from_the_far_end
                                       ? absl::StrCat("attributes.", order, " >= ", kManyPhotos - passing)
                                       : absl::StrCat("attributes.", order, " < ", passing);
        size_t found = 0;
        size_t wanted = 0;
        for (uint32_t seed = 0; seed < 20; ++seed) {
          // Near axis 0, where the photos of low rank are.
          std::vector<float> query = Vector(1'000'000 + seed);
          query[0] += 2;
          double norm = 0;
          for (const float value : query) norm += static_cast<double>(value) * value;
          for (float& value : query) value = static_cast<float>(value / std::sqrt(norm));
          const FilteredMatches exact = Search(query, filter, {.limit = kLimit, .exact = true});
          const FilteredMatches planned = Search(query, filter);
          ASSERT_EQ(exact.filter.photos->Cardinality(), passing) << filter;
          ASSERT_EQ(exact.found.neighbors.size(), std::min<size_t>(kLimit, passing)) << filter;
          ASSERT_EQ(planned.found.neighbors.size(), exact.found.neighbors.size())
              << filter << ": never starved";
          plans.insert(QueryPlanName(planned.decision.plan));
          std::set<uint64_t> truth;
          for (const Neighbor& neighbor : exact.found.neighbors) truth.insert(neighbor.id);
          for (const Neighbor& neighbor : planned.found.neighbors) {
            EXPECT_TRUE(planned.filter.photos->Contains(neighbor.id));
            found += truth.count(neighbor.id);
          }
          wanted += truth.size();
        }
        EXPECT_GE(static_cast<double>(found), 0.95 * static_cast<double>(wanted)) << filter;
      }
    }
  }
  EXPECT_TRUE(plans.count("exact_filtered") == 1) << "few candidates are compared";
}

TEST_F(FilteredSearchTest, NothingThatPassesIsNoHitAndSaidSo) {
  Fill(kFewPhotos);
  OpenEngine(0);
  const FilteredMatches none = Search(Vector(1), "attributes.random < 0");
  EXPECT_TRUE(none.found.neighbors.empty());
  EXPECT_EQ(none.decision.plan, QueryPlan::kNone);
  EXPECT_THAT(none.decision.reason, ::testing::HasSubstr("no photo passes the filter"));
  EXPECT_EQ(none.found.trace.last_sequence, library_->last_sequence());
  EXPECT_EQ(search_->SearchImages(OfTestModel(std::vector<float>(3, 1.0F)), *CompileFilter("iso > 1"), {}, {})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument)
      << "a wrong dimension is refused all the same";
}

TEST_F(FilteredSearchTest, ADeletedPhotoIsNeverFound) {
  Fill(kFewPhotos);
  OpenEngine(0);
  EXPECT_EQ(Search(Vector(7), "attributes.random >= 0").found.neighbors[0].id,
            library_->GetAsset("a7")->record.ordinal());
  const uint64_t ordinal = library_->GetAsset("a7")->record.ordinal();
  ASSERT_TRUE(storage::CommitOne(*library_, storage::DeleteAsset{"a7"}).ok());
  for (const Neighbor& neighbor : Search(Vector(7), "attributes.random >= 0").found.neighbors) {
    EXPECT_NE(neighbor.id, ordinal);
  }
  EXPECT_EQ(Search(Vector(7), "NOT iso:*").filter.photos->Cardinality(), kFewPhotos - 1);
}

}  // namespace
}  // namespace eidetic::searcher
