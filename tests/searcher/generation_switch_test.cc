// Engines of two generations side by side, and a library that moves from one to
// the other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "searcher/search_engine.h"
#include "storage/generation.h"
#include "tests/searcher/test_query.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

using storage::UnitVector;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kOld[] = "f00d";
constexpr char kNew[] = "beef";

// Both models have 8 dimensions: only the fingerprint tells their vectors apart.
std::vector<float> NewVector(uint32_t seed) { return UnitVector(seed + 1'000'000); }

class GenerationSwitchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    library_ = storage::OpenTestLibrary(folder_ / "library");
    for (uint32_t i = 0; i < 20; ++i) Put(i, UnitVector(i), kOld);
    const auto started = library_->StartGeneration(storage::TestModel(8, kNew));
    ASSERT_TRUE(started.ok()) << started.status();
    new_ = *library_->OpenGeneration(started->number());
  }

  void Put(uint32_t number, std::vector<float> vector, const std::string& fingerprint) {
    storage::PutAsset put;
    put.asset_id = absl::StrCat("a", number);
    put.embedding = std::move(vector);
    std::vector<storage::Mutation> mutations;
    mutations.emplace_back(std::move(put));
    const auto results = library_->Commit(std::move(mutations), fingerprint);
    ASSERT_TRUE(results.ok() && results->front().ok());
  }

  // Fills what the new generation lacks.
  void Fill() {
    const auto missing = new_->NewView()->ListMissing(std::nullopt, 1000);
    ASSERT_TRUE(missing.ok()) << missing.status();
    std::vector<storage::GenerationVectors> vectors;
    for (const storage::MissingVectors& one : *missing) {
      vectors.push_back({.asset_id = one.asset.asset_id,
                         .embedding_version = one.asset.record.embedding_version(),
                         .embedding = NewVector(one.asset.record.ordinal()),
                         .captions = {}});
    }
    ASSERT_TRUE(library_->PutGenerationVectors(new_->number(), kNew, std::move(vectors)).ok());
  }

  std::unique_ptr<SearchEngine> Open(std::shared_ptr<const storage::Generation> generation,
                                     bool follow = false) {
    auto engine =
        SearchEngine::Open(library_.get(), {.generation = std::move(generation), .follow_changes = follow});
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  // Asset whose vector is `vector`; empty when there is none.
  std::string Find(const SearchEngine& engine, const std::string& fingerprint, std::vector<float> vector) {
    const auto found = engine.SearchImages({fingerprint, std::move(vector)}, {.limit = 1});
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok() || found->neighbors.empty() || found->neighbors[0].score < 0.999F) return "";
    return *library_->GetAssetId(static_cast<storage::Ordinal>(found->neighbors[0].id));
  }

  storage::TestFolder folder_;
  std::unique_ptr<storage::Library> library_;
  std::shared_ptr<const storage::Generation> new_;
};

TEST_F(GenerationSwitchTest, AQueryOfTheOtherModelIsRefused) {
  Fill();
  const auto old_engine = Open(nullptr);
  const auto new_engine = Open(new_);
  EXPECT_EQ(Find(*old_engine, kOld, UnitVector(3)), "a3");
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(3)), "a3");
  for (const auto& [engine, fingerprint] :
       {std::pair(old_engine.get(), kNew), std::pair(new_engine.get(), kOld)}) {
    const absl::Status images = engine->SearchImages({fingerprint, UnitVector(3)}, {}).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(images)) << images;
    EXPECT_THAT(images.message(), HasSubstr(fingerprint));
    EXPECT_TRUE(
        absl::IsFailedPrecondition(engine->SearchCaptions({fingerprint, UnitVector(3)}, {}).status()));
  }
}

TEST_F(GenerationSwitchTest, TheOldOneAnswersUntilItsOwnerPutsTheNewOneInItsPlace) {
  Fill();
  const auto old_engine = Open(nullptr);
  const auto new_engine = Open(new_);
  // Between opening the new engine and the switch: a new asset, a new vector, one gone.
  Put(30, UnitVector(30), kOld);
  Put(3, UnitVector(33), kOld);
  ASSERT_TRUE(storage::CommitOne(*library_, storage::DeleteAsset{"a4"}).ok());
  ASSERT_TRUE(old_engine->CatchUp().ok());
  ASSERT_TRUE(new_engine->CatchUp().ok());
  EXPECT_EQ(Find(*old_engine, kOld, UnitVector(33)), "a3");
  Fill();
  ASSERT_TRUE(library_->SwitchGeneration(new_->number(), {}).ok());
  Put(31, NewVector(31), kNew);

  const absl::Status superseded = old_engine->CatchUp();
  EXPECT_TRUE(absl::IsFailedPrecondition(superseded)) << superseded;
  EXPECT_EQ(Find(*old_engine, kOld, UnitVector(30)), "a30");
  EXPECT_EQ(Find(*old_engine, kOld, NewVector(31)), "") << "no vector of the new model in the old index";

  ASSERT_TRUE(new_engine->CatchUp().ok());
  EXPECT_EQ(new_engine->status().last_sequence, library_->last_sequence());
  EXPECT_EQ(new_engine->status().vectors, 21U);
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(20)), "a30") << "put and filled after the engine was opened";
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(3)), "a3");
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(4)), "");
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(31)), "a31");
}

TEST_F(GenerationSwitchTest, WhatAnUnfinishedGenerationLackedIsThereAfterTheSwitch) {
  const auto new_engine = Open(new_);
  EXPECT_EQ(new_engine->status().vectors, 0U);
  Fill();
  ASSERT_TRUE(new_engine->CatchUp().ok());
  ASSERT_TRUE(library_->SwitchGeneration(new_->number(), {}).ok());
  ASSERT_TRUE(new_engine->CatchUp().ok());
  EXPECT_EQ(new_engine->status().vectors, 20U);
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(7)), "a7");
}

TEST_F(GenerationSwitchTest, AfterGoingBackTheIndexIsThatOfTheFirst) {
  Fill();
  const auto old_engine = Open(nullptr);
  ASSERT_TRUE(library_->SwitchGeneration(new_->number(), {}).ok());
  ASSERT_TRUE(storage::CommitOne(*library_, storage::DeleteAsset{"a4"}).ok());
  ASSERT_TRUE(library_->SwitchGeneration(1, {}).ok());
  Put(40, UnitVector(40), kOld);
  ASSERT_TRUE(old_engine->CatchUp().ok()) << "away and back: the index is made anew";
  EXPECT_EQ(Find(*old_engine, kOld, UnitVector(4)), "");
  EXPECT_EQ(Find(*old_engine, kOld, UnitVector(40)), "a40");
  EXPECT_EQ(old_engine->status().vectors, 20U);
}

TEST_F(GenerationSwitchTest, ASnapshotOfTheOtherGenerationIsNotUsed) {
  Fill();
  {
    const auto old_engine = Open(nullptr);
    ASSERT_TRUE(old_engine->SaveSnapshot().ok());
  }
  ASSERT_TRUE(library_->SwitchGeneration(new_->number(), {}).ok());
  {
    const auto engine = Open(nullptr);
    EXPECT_EQ(engine->status().origin, "rebuilt");
    EXPECT_EQ(Find(*engine, kNew, NewVector(3)), "a3");
    ASSERT_TRUE(engine->SaveSnapshot().ok());
  }
  const auto engine = Open(nullptr);
  EXPECT_EQ(engine->status().origin, "snapshot");
  EXPECT_EQ(Find(*engine, kNew, NewVector(3)), "a3");
}

TEST_F(GenerationSwitchTest, AStoppedEngineAnswersAndAStartedOneFollows) {
  Fill();
  const auto old_engine = Open(nullptr, /*follow=*/true);
  const auto new_engine = Open(new_);
  ASSERT_TRUE(library_->SwitchGeneration(new_->number(), {}).ok());
  old_engine->StopFollowing();
  new_engine->StartFollowing();
  Put(31, NewVector(31), kNew);
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (Find(*new_engine, kNew, NewVector(31)) != "a31" && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(Find(*new_engine, kNew, NewVector(31)), "a31");
  EXPECT_EQ(Find(*old_engine, kOld, UnitVector(3)), "a3");
}

}  // namespace
}  // namespace eidetic::searcher
