#include "cli/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eidetic::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProgressState State(uint64_t done, uint64_t total, double per_second) {
  ProgressState state;
  state.label = "Indexing";
  state.done = done;
  state.total = total;
  state.per_second = per_second;
  state.unit = "photos";
  return state;
}

TEST(RenderProgress, ShowsShareCountRateAndRemainingTime) {
  const std::string line = RenderProgress(State(350, 700, 35), 100);
  EXPECT_THAT(line, HasSubstr("Indexing"));
  EXPECT_THAT(line, HasSubstr(" 50%  350/700 photos  35/s  0:10 left"));
  EXPECT_THAT(line, HasSubstr("[===================="));
}

TEST(RenderProgress, LongWorkShowsHours) {
  EXPECT_THAT(RenderProgress(State(1, 200'001, 10), 0), HasSubstr("5:33:20 left"));
}

TEST(RenderProgress, UnknownTotalHasNeitherBarNorShare) {
  const std::string line = RenderProgress(State(12, 0, 0), 80);
  EXPECT_EQ(line, "Indexing  12 photos");
}

TEST(RenderProgress, NeverReachesHundredPercentTooEarly) {
  EXPECT_THAT(RenderProgress(State(9'999, 10'000, 1), 80), HasSubstr(" 99%"));
  EXPECT_THAT(RenderProgress(State(10'000, 10'000, 1), 80), HasSubstr("100%"));
}

TEST(RenderProgress, MoreDoneThanKnownStaysAtHundred) {
  const std::string line = RenderProgress(State(11, 10, 1), 80);
  EXPECT_THAT(line, HasSubstr("100%"));
  EXPECT_THAT(line, Not(HasSubstr("left")));
}

TEST(RenderProgress, FitsTheTerminal) {
  for (int columns = 1; columns < 130; ++columns) {
    EXPECT_LE(RenderProgress(State(123'456, 200'000, 87), columns).size(), static_cast<size_t>(columns));
  }
}

}  // namespace
}  // namespace eidetic::cli
