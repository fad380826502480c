#include "encoder/model_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

using testing::HasSubstr;

constexpr char kTexts[] = "reference/texts.json";
constexpr char kImages[] = "reference/images.json";
constexpr char kPicture[] = "reference/images/white.ppm";

// A tiny model whose reference vectors are what it says itself.
class ModelCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = DualEncoder::Load(model_.folder(), {.threads = 1});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    encoder_ = *std::move(loaded);
    const std::string white = "P6 2 1 255\n\xFF\xFF\xFF\xFF\x80\xFF";
    model_.Write(kPicture, white);
    auto picture =
        encoder_->PreparePicture({reinterpret_cast<const uint8_t*>(white.data()), white.size()}, {});
    ASSERT_TRUE(picture.ok()) << picture.status();
    image_ = encoder_->EncodePictures({&*picture, 1})->values;
    const std::string text = "a red dog";
    text_ = encoder_->EncodeTexts({&text, 1})->values;
    WriteTexts(text_);
    WriteImages("images/white.ppm", image_);
  }

  void WriteTexts(const std::vector<float>& embedding) {
    model_.Write(kTexts, nlohmann::json{{{"text", "a red dog"}, {"embedding", embedding}}}.dump());
  }
  void WriteImages(const std::string& file, const std::vector<float>& embedding) {
    model_.Write(kImages, nlohmann::json{{{"file", file}, {"embedding", embedding}}}.dump());
  }
  void ExpectRefused(absl::StatusCode code, const std::string& part) {
    const absl::Status status = CheckModel(*encoder_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  TinyModel model_;
  std::unique_ptr<DualEncoder> encoder_;
  std::vector<float> text_;
  std::vector<float> image_;
};

TEST_F(ModelCheckTest, PassesOnItsOwnVectors) {
  const auto report = CheckModel(*encoder_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->passed);
  ASSERT_EQ(report->texts.size(), 1u);
  EXPECT_EQ(report->texts[0].name, "a red dog");
  EXPECT_LT(report->max_text_distance, 1e-6);
  ASSERT_EQ(report->images.size(), 1u);
  EXPECT_EQ(report->images[0].name, "images/white.ppm");
  EXPECT_LT(report->max_image_distance, 1e-6);
  EXPECT_LE(report->max_batch_distance, 1e-6);
}

TEST_F(ModelCheckTest, FailsOnOtherVectors) {
  text_[0] += 0.2f;
  WriteTexts(text_);
  auto report = CheckModel(*encoder_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->passed);
  EXPECT_GT(report->max_text_distance, 1e-3);
  EXPECT_LT(report->max_image_distance, 1e-6);

  text_[0] -= 0.2f;
  WriteTexts(text_);
  for (float& value : image_) value = -value;
  WriteImages("images/white.ppm", image_);
  report = CheckModel(*encoder_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->passed);
  EXPECT_NEAR(report->max_image_distance, 2, 1e-5);
}

TEST_F(ModelCheckTest, MissingReferences) {
  model_.Remove(kTexts);
  ExpectRefused(absl::StatusCode::kNotFound, kTexts);
  WriteTexts(text_);
  model_.Remove(kPicture);
  ExpectRefused(absl::StatusCode::kNotFound, kPicture);
  model_.Remove("reference");
  ExpectRefused(absl::StatusCode::kNotFound, "no reference vectors");
}

TEST_F(ModelCheckTest, DamagedReferences) {
  for (const char* text : {"", "{}", "[]", "[3]", R"([{"text": 4}])", R"([{"text": "a"}])",
                           R"([{"text": "a", "embedding": [1, 2]}])",
                           R"([{"text": "a", "embedding": [1, 2, 3, 4, 5, 6, 7, "8"]}])",
                           R"([{"text": "a", "embedding": [0, 0, 0, 0, 0, 0, 0, 0]}])",
                           R"([{"text": "a", "embedding": [1e300, 0, 0, 0, 0, 0, 0, 0]}])"}) {
    model_.Write(kTexts, text);
    ExpectRefused(absl::StatusCode::kInvalidArgument, kTexts);
  }
  WriteTexts(text_);
  model_.Write(kPicture, "not a picture");
  ExpectRefused(absl::StatusCode::kInvalidArgument, kPicture);
}

TEST_F(ModelCheckTest, PicturesOutsideTheFolderAreNotRead) {
  for (const char* file : {"../config.json", "/etc/passwd", "images/../../config.json", ""}) {
    WriteImages(file, image_);
    ExpectRefused(absl::StatusCode::kInvalidArgument, "not inside the reference folder");
  }
}

}  // namespace
}  // namespace eidetic::encoder
