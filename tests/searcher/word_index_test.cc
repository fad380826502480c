#include "searcher/word_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "searcher/search_engine.h"
#include "searcher/word_ranking.h"
#include "tests/searcher/test_query.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

using storage::CommitOne;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kDimension = 8;

class WordIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { library_ = storage::OpenTestLibrary(folder_ / "library", kDimension); }

  void Put(const std::string& id, const std::string& path, const std::vector<std::string>& captions = {},
           const std::vector<std::string>& tags = {}, uint32_t seed = 1) {
    storage::PutAsset put;
    put.asset_id = id;
    put.embedding = storage::UnitVector(seed, kDimension);
    put.record.mutable_metadata()->mutable_tags()->Assign(tags.begin(), tags.end());
    put.record.set_put_by_client(true);
    if (!path.empty()) put.path = storage::PathInput{path, {}};
    storage::CaptionSet set;
    set.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
    for (const std::string& text : captions) {
      set.captions.push_back({text, storage::UnitVector(2, kDimension)});
    }
    put.caption_sets.push_back(set);
    const absl::Status status = CommitOne(*library_, put);
    ASSERT_TRUE(status.ok()) << status;
  }

  // Photos whose names no test asks for, so that words of one or two are rare.
  void PutOthers(int count) {
    for (int i = 0; i < count; ++i) {
      Put(absl::StrCat("other", i), absl::StrCat("/home/me/Pictures/IMG_", 1'000 + i, ".JPG"), {}, {},
          static_cast<uint32_t>(100 + i));
    }
  }

  WordMatches FindAll(const std::vector<std::string>& texts) {
    const auto matches = index_->Find(texts, {});
    EXPECT_TRUE(matches.ok()) << matches.status();
    return matches.ok() ? *matches : WordMatches();
  }

  std::vector<std::string> Find(const std::string& text) {
    std::vector<std::string> ids;
    for (const WordMatch& match : FindAll({text}).photos) ids.push_back(*library_->GetAssetId(match.ordinal));
    return ids;
  }

  storage::TestFolder folder_;
  std::unique_ptr<storage::Library> library_;
  std::unique_ptr<WordIndex> index_;

  void Open() { index_ = std::make_unique<WordIndex>(library_.get(), WordIndexOptions{}); }
};

TEST_F(WordIndexTest, FindsWhatNamesAndCaptionsSay) {
  PutOthers(40);
  Put("file", "/home/me/Pictures/IMG_2041.JPG");
  Put("folder", "/home/me/Pictures/Grandma's 80th/DSC_0001.jpg");
  Put("caption", "", {"A heron beside the weir"});
  Put("tag", "", {}, {"Kirschblüte"});
  Open();
  EXPECT_THAT(Find("IMG_2041"), ElementsAre("file"));
  EXPECT_THAT(Find("img_2041.jpg"), ElementsAre("file"));
  EXPECT_THAT(Find("2041"), ElementsAre("file"));
  EXPECT_THAT(Find("Grandma\u2019s 80th"), ElementsAre("folder"));
  EXPECT_THAT(Find("a photo of grandmas 80th"), ElementsAre("folder"));
  EXPECT_THAT(Find("herons"), IsEmpty());
  EXPECT_THAT(Find("a heron"), ElementsAre("caption"));
  EXPECT_THAT(Find("kirschblute"), ElementsAre("tag"));
}

TEST_F(WordIndexTest, FewOfTheWordsAreNotEnough) {
  PutOthers(40);
  Put("beach", "/home/me/Beach/IMG_2.jpg");
  Open();
  EXPECT_THAT(Find("beach"), ElementsAre("beach"));
  // Two unknown words tell more than the one that is there.
  EXPECT_THAT(Find("a dog running on the beach"), IsEmpty());
  // All photos are in "home": that it is there tells nothing.
  EXPECT_THAT(Find("home"), IsEmpty());
  EXPECT_THAT(Find("at home by the beach"), ElementsAre("beach"));
  EXPECT_THAT(Find("!!!"), IsEmpty());
  EXPECT_THAT(Find("the"), IsEmpty());
}

TEST_F(WordIndexTest, WholeNamesThenMoreOfTheWordsComeFirst) {
  PutOthers(40);
  Put("one", "/home/me/Lisbon/a.jpg");
  Put("second", "/home/me/tram/a.jpg");
  Put("both", "/home/me/Lisbon/the old tram.jpg");
  Put("name", "/home/me/Lisbon tram/a.jpg");
  Open();
  const std::vector<std::string> found = Find("Lisbon tram");
  ASSERT_THAT(found, SizeIs(4));
  EXPECT_EQ(found[0], "name");
  EXPECT_EQ(found[1], "both");
  const WordMatches matches = FindAll({"Lisbon tram"});
  EXPECT_THAT(matches.words, ElementsAre("lisbon", "tram"));
  EXPECT_TRUE(matches.photos[0].is_name);
  EXPECT_FALSE(matches.photos[1].is_name);
  EXPECT_EQ(matches.photos[1].words, 0b11U);
  EXPECT_FALSE(matches.photos[1].Ties(matches.photos[2]));
}

TEST_F(WordIndexTest, FollowsEachChange) {
  PutOthers(40);
  Put("a", "/home/me/Lisbon/a.jpg");
  Open();
  EXPECT_THAT(Find("Lisbon"), ElementsAre("a"));
  Put("b", "/home/me/b.jpg", {"lisbon by night"});
  EXPECT_THAT(Find("Lisbon"), testing::UnorderedElementsAre("a", "b"));
  storage::SetCaptions captions = {.asset_id = "b", .caption_sets = {}};
  captions.caption_sets.push_back({.source = eidetic::v1::CAPTION_SOURCE_CLIENT, .captions = {}});
  ASSERT_TRUE(CommitOne(*library_, captions).ok());
  EXPECT_THAT(Find("Lisbon"), ElementsAre("a"));
  EXPECT_THAT(Find("night"), IsEmpty());
  ASSERT_TRUE(CommitOne(*library_, storage::DeleteAsset{"a"}).ok());
  EXPECT_THAT(Find("Lisbon"), IsEmpty());
  EXPECT_EQ(FindAll({"x"}).last_sequence, library_->last_sequence());
}

TEST_F(WordIndexTest, ManyMergesLoseAndInventNothing) {
  Open();
  for (int i = 0; i < 300; ++i) {
    Put(absl::StrCat("p", i), absl::StrCat("/x/group", i % 30, "/file", i, ".jpg"));
    if (i % 50 == 0) Find("file1");
  }
  for (int i = 0; i < 300; i += 3)
    ASSERT_TRUE(CommitOne(*library_, storage::DeleteAsset{absl::StrCat("p", i)}).ok());
  for (int i = 0; i < 300; ++i) {
    EXPECT_THAT(Find(absl::StrCat("file", i)), SizeIs(i % 3 == 0 ? 0 : 1)) << i;
  }
  EXPECT_THAT(Find("group1"), SizeIs(10));
  EXPECT_LT(index_->status().segment_count, 10U);
  EXPECT_EQ(index_->status().photo_count, 200U);
}

TEST_F(WordIndexTest, ReadersBesideAWriterSeeWhatWasCommitted) {
  PutOthers(30);
  Open();
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      while (!stop) EXPECT_TRUE(index_->Find(std::vector<std::string>{"file 3"}, {}).ok());
    });
  }
  for (int i = 0; i < 60; ++i) {
    Put(absl::StrCat("p", i), absl::StrCat("/x/only", i, ".jpg"));
    EXPECT_THAT(Find(absl::StrCat("only", i)), ElementsAre(absl::StrCat("p", i)));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(WordIndexTest, TooManyWordsAreRefusedNotHalfRead) {
  std::vector<storage::Mutation> mutations;
  for (int i = 0; i < 5'000; ++i) {
    storage::PutAsset put;
    put.asset_id = absl::StrCat("p", i);
    put.embedding = storage::UnitVector(1, kDimension);
    put.path = storage::PathInput{absl::StrCat("/x/file", i, ".jpg"), {}};
    mutations.emplace_back(std::move(put));
  }
  ASSERT_TRUE(library_->Commit(std::move(mutations)).ok());
  WordIndex small(library_.get(), {.max_bytes = 100});
  const auto refused = small.Find(std::vector<std::string>{"file1"}, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("words"));
}

TEST_F(WordIndexTest, FusionPutsNamedPhotosAmongTheNearest) {
  PutOthers(300);
  // Far from the query, named by it.
  Put("named", "/home/me/IMG_2041.jpg", {}, {}, 7);
  Open();
  auto engine = SearchEngine::Open(library_.get(), {.follow_changes = false});
  ASSERT_TRUE(engine.ok());
  std::vector<float> away = storage::UnitVector(7, kDimension);
  for (float& value : away) value = -value;
  const QueryVector query = OfTestModel(away);
  const auto nearest = (*engine)->SearchImages(query, {.limit = kFusedNeighbors});
  ASSERT_TRUE(nearest.ok());
  const auto ids = [&](const std::vector<RankedPhoto>& photos) {
    std::vector<std::string> all;
    for (const RankedPhoto& photo : photos) {
      all.push_back(*library_->GetAssetId(static_cast<storage::Ordinal>(photo.neighbor.id)));
    }
    return all;
  };

  const auto ranked = FuseWithWords(**engine, query, nearest->neighbors, FindAll({"IMG_2041"}));
  ASSERT_TRUE(ranked.ok()) << ranked.status();
  ASSERT_THAT(*ranked, SizeIs(201));
  EXPECT_EQ(ids(*ranked)[0], "named");
  EXPECT_TRUE((*ranked)[0].by_words);
  EXPECT_NEAR((*ranked)[0].neighbor.score, -1, 1e-3);
  for (size_t i = 0; i < nearest->neighbors.size(); ++i) {
    EXPECT_EQ((*ranked)[i + 1].neighbor.id, nearest->neighbors[i].id);
    EXPECT_FALSE((*ranked)[i + 1].by_words);
  }

  // Many of one folder: each once, the nearer first, and the nearest of all photos
  // not driven out.
  for (int i = 0; i < 20; ++i) {
    Put(absl::StrCat("trip", i), absl::StrCat("/home/me/Lisbon/", i, ".jpg"), {}, {},
        static_cast<uint32_t>(1'000 + i));
  }
  ASSERT_TRUE((*engine)->CatchUp().ok());
  const auto now = (*engine)->SearchImages(query, {.limit = kFusedNeighbors});
  ASSERT_TRUE(now.ok());
  const auto trip = FuseWithWords(**engine, query, now->neighbors, FindAll({"Lisbon me"}));
  ASSERT_TRUE(trip.ok());
  const std::vector<std::string> order = ids(*trip);
  EXPECT_EQ(std::set<std::string>(order.begin(), order.end()).size(), order.size());
  float last = 2;
  size_t named = 0;
  for (const RankedPhoto& photo : *trip) {
    if (!photo.by_words) continue;
    ++named;
    EXPECT_LE(photo.neighbor.score, last);
    last = photo.neighbor.score;
  }
  EXPECT_EQ(named, 20U);
  EXPECT_THAT(std::vector<std::string>(order.begin(), order.begin() + 21),
              Contains(*library_->GetAssetId(static_cast<storage::Ordinal>(now->neighbors[0].id))));
  EXPECT_THAT(order, Not(Contains("")));

  const auto none = FuseWithWords(**engine, query, now->neighbors, {});
  ASSERT_TRUE(none.ok());
  ASSERT_THAT(*none, SizeIs(now->neighbors.size()));
  for (size_t i = 0; i < none->size(); ++i) EXPECT_EQ((*none)[i].neighbor.id, now->neighbors[i].id);
}

}  // namespace
}  // namespace eidetic::searcher
