#include "cli/recall.h"

#include <gtest/gtest.h>

#include <vector>

namespace eidetic::cli {
namespace {

encoder::Embeddings Rows(const std::vector<std::vector<float>>& rows) {
  encoder::Embeddings embeddings;
  embeddings.dimension = static_cast<int>(rows.front().size());
  for (const auto& row : rows) embeddings.values.insert(embeddings.values.end(), row.begin(), row.end());
  return embeddings;
}

TEST(MeasureRecall, PerfectSpaceGivesOneEverywhere) {
  const auto pictures = Rows({{1, 0}, {0, 1}});
  const std::vector<size_t> picture_of = {0, 1};
  const Recall recall = MeasureRecall(pictures, pictures, picture_of);
  for (size_t i = 0; i < kRecallCutoffs.size(); ++i) {
    EXPECT_DOUBLE_EQ(recall.text_to_image[i], 1);
    EXPECT_DOUBLE_EQ(recall.image_to_text[i], 1);
  }
}

TEST(MeasureRecall, CountsByRank) {
  // Two captions a picture; picture 1's captions both lie at picture 0.
  const auto pictures = Rows({{1, 0}, {0, 1}});
  const auto captions = Rows({{1, 0}, {0.9F, 0.1F}, {0.8F, 0.2F}, {0.7F, 0.3F}});
  const std::vector<size_t> picture_of = {0, 0, 1, 1};
  const Recall recall = MeasureRecall(pictures, captions, picture_of);
  EXPECT_DOUBLE_EQ(recall.text_to_image[0], 0.5);
  EXPECT_DOUBLE_EQ(recall.text_to_image[1], 1);
  // The caption nearest to picture 1 is its own last one.
  EXPECT_DOUBLE_EQ(recall.image_to_text[0], 1);
}

TEST(MeasureRecall, ImageToTextIsAHitWhenAnyCaptionIsNearEnough) {
  const auto pictures = Rows({{1, 0}, {0, 1}});
  const auto captions = Rows({{0.2F, 0.1F}, {0, 0.5F}, {0.1F, 0.9F}});
  // Picture 0 owns captions 0 and 1, picture 1 owns caption 2.
  const std::vector<size_t> picture_of = {0, 0, 1};
  const Recall recall = MeasureRecall(pictures, captions, picture_of);
  EXPECT_DOUBLE_EQ(recall.image_to_text[0], 1);
}

TEST(MeasureRecall, TiesRankByPosition) {
  const auto pictures = Rows({{1, 0}, {1, 0}});
  const auto captions = Rows({{1, 0}, {1, 0}});
  const std::vector<size_t> picture_of = {0, 1};
  const Recall recall = MeasureRecall(pictures, captions, picture_of);
  EXPECT_DOUBLE_EQ(recall.text_to_image[0], 0.5);
  EXPECT_DOUBLE_EQ(recall.image_to_text[0], 0.5);
}

TEST(MeasureRecall, NothingGivesZero) {
  const Recall recall = MeasureRecall({}, {}, {});
  EXPECT_DOUBLE_EQ(recall.text_to_image[0], 0);
}

}  // namespace
}  // namespace eidetic::cli
