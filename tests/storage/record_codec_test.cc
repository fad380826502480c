#include "storage/record_codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace eidetic::storage {
namespace {

TEST(RecordCodecTest, GivesBackWhatWasFramed) {
  for (const std::string& payload : {std::string(), std::string("x"), std::string(100'000, '\0')}) {
    const std::string frame = EncodeFrame("key", payload);
    const auto decoded = DecodeFrame("key", frame);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(std::string(*decoded), payload);
  }
}

TEST(RecordCodecTest, EveryFlippedBitIsFound) {
  const std::string frame = EncodeFrame("key", "payload");
  for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string damaged = frame;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeFrame("key", damaged).ok()) << "bit " << bit;
  }
}

TEST(RecordCodecTest, EveryTruncationIsFound) {
  const std::string frame = EncodeFrame("key", "payload");
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeFrame("key", frame.substr(0, size)).status())) << size;
  }
}

TEST(RecordCodecTest, AValueUnderAnotherKeyIsFound) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame("other", EncodeFrame("key", "payload")).status()));
}

TEST(RecordCodecTest, ANewerVersionIsSaidToBeOne) {
  std::string frame = EncodeFrame("key", "payload");
  frame[0] = 2;
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeFrame("key", frame).status()));
  // Damage is not taken for a newer version.
  frame[3] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(DecodeFrame("key", frame).status()));
}

TEST(RecordCodecTest, EmbeddingsKeepOwnerAndValues) {
  const std::vector<float> values = {0.5F, -1, 0};
  const std::string frame = EncodeEmbedding("key", "owner", values);
  const auto view = DecodeEmbedding("key", frame, values.size());
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(std::string(view->owner), "owner");
  EXPECT_EQ(std::memcmp(view->bytes.data(), values.data(), sizeof(float) * values.size()), 0);
  EXPECT_TRUE(absl::IsDataLoss(DecodeEmbedding("key", frame, 4).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeEmbedding("key", EncodeFrame("key", ""), 3).status()));
}

}  // namespace
}  // namespace eidetic::storage
