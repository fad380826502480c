#include "storage/checked_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace eidetic::storage {
namespace {

TEST(CheckedJsonTest, AChecksumIsTheSameInPieces) {
  std::string bytes;
  for (int i = 0; i < 5'000; ++i) bytes.push_back(static_cast<char>(i * i));
  for (const size_t piece : {1, 7, 64, 4'999, 5'000}) {
    RunningChecksum running;
    for (size_t at = 0; at < bytes.size(); at += piece)
      running.Update({bytes.data() + at, std::min(piece, bytes.size() - at)});
    EXPECT_EQ(running.Digest(), ContentChecksum(bytes)) << piece;
  }
  EXPECT_EQ(RunningChecksum().Digest(), ContentChecksum(""));
  EXPECT_NE(ContentChecksum(bytes), ContentChecksum(bytes + "x"));
}

TEST(CheckedJsonTest, EveryChangedByteIsNoticed) {
  const std::string text = EncodeCheckedJson({{"format", 1}, {"name", "x"}});
  ASSERT_TRUE(DecodeCheckedJson("f", text).ok());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_TRUE(absl::IsDataLoss(DecodeCheckedJson("f", changed).status())) << i;
  }
}

}  // namespace
}  // namespace eidetic::storage
