// A library that a released format left behind is searched by this version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "searcher/search_engine.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

using ::testing::HasSubstr;

constexpr char kTestData[] = EIDETIC_SOURCE_DIR "/tests";

TEST(FormatFixtureTest, EveryPhotoAndCaptionIsFoundByItsOwnVector) {
  const storage::TestFolder folder;
  std::filesystem::copy(std::string(kTestData) + "/storage/testdata/library_format_1/library",
                        folder / "library", std::filesystem::copy_options::recursive);
  const auto library = storage::Library::Open(folder / "library", {});
  ASSERT_TRUE(library.ok()) << library.status();
  const auto engine = SearchEngine::Open(library->get(), {});
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto assets = (*library)->ListAssets(std::nullopt, 100);
  ASSERT_TRUE(assets.ok()) << assets.status();
  ASSERT_EQ(assets->size(), 4U);
  const std::string model = (*library)->ActiveGeneration()->model_fingerprint();
  size_t captions = 0;
  for (const storage::Asset& asset : *assets) {
    const storage::Ordinal ordinal = asset.record.ordinal();
    const auto found =
        (*engine)->SearchImages({model, (*library)->GetEmbedding(ordinal).value()}, {.limit = 1});
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->neighbors.size(), 1U);
    EXPECT_EQ(found->neighbors.front().id, ordinal);
    EXPECT_NEAR(found->neighbors.front().score, 1, 1e-5);
    const auto embeddings = (*library)->GetCaptionEmbeddings(ordinal);
    ASSERT_TRUE(embeddings.ok()) << embeddings.status();
    for (const auto& [id, vector] : *embeddings) {
      const auto caption = (*engine)->SearchCaptions({model, vector}, {.limit = 1});
      ASSERT_TRUE(caption.ok()) << caption.status();
      EXPECT_EQ(caption->neighbors.front().id, id);
      ++captions;
    }
  }
  EXPECT_EQ(captions, (*library)->Counts()->captions);
}

// testdata/index_format_1: the snapshot that the last version of format 1 made of
// that library.
TEST(FormatFixtureTest, AnIndexOfFormat1IsMadeAgainAndSaysWhy) {
  const storage::TestFolder folder;
  std::filesystem::copy(std::string(kTestData) + "/storage/testdata/library_format_1/library",
                        folder / "library", std::filesystem::copy_options::recursive);
  std::filesystem::copy(std::string(kTestData) + "/searcher/testdata/index_format_1",
                        folder / "library/index");
  const auto library = storage::Library::Open(folder / "library", {});
  ASSERT_TRUE(library.ok()) << library.status();
  {
    const auto engine = SearchEngine::Open(library->get(), {.follow_changes = false});
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_EQ((*engine)->status().origin, "rebuilt");
    EXPECT_THAT((*engine)->status().origin_detail, HasSubstr("has format 1"));
    EXPECT_EQ((*engine)->status().rejections.count, 1U);
    EXPECT_EQ((*engine)->status().vectors, 4U);
    ASSERT_TRUE((*engine)->SaveSnapshot().ok());
  }
  const auto engine = SearchEngine::Open(library->get(), {.follow_changes = false});
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->status().origin, "snapshot");
  EXPECT_FALSE(std::filesystem::exists(folder / "library/index/1-1.images-graph"));
}

}  // namespace
}  // namespace eidetic::searcher
