#include "encoder/image_preprocessor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/encoder/image_goldens.h"

namespace eidetic::encoder {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::HasSubstr;

ImagePreprocessor Make(const std::string& json) {
  absl::StatusOr<ImagePreprocessor> preprocessor =
      ImagePreprocessor::FromJson(json, "preprocessor_config.json");
  EXPECT_TRUE(preprocessor.ok()) << preprocessor.status();
  return *std::move(preprocessor);
}

std::vector<float> Apply(const ImagePreprocessor& preprocessor, const Image& image) {
  std::vector<float> tensor(preprocessor.tensor_size());
  const absl::Status status = preprocessor.Apply(image, tensor);
  EXPECT_TRUE(status.ok()) << status;
  return tensor;
}

TEST(ImagePreprocessorTest, GivesTheTensorsOfClipImageProcessor) {
  const nlohmann::json goldens = ReadGoldens("tensors");
  ASSERT_GE(goldens.size(), 20u);
  for (const nlohmann::json& golden : goldens) {
    SCOPED_TRACE(absl::StrCat(golden["from"].dump(), " ", golden["edge"].dump(), " ", golden["crop"].dump()));
    const nlohmann::json config = {{"size", {{"shortest_edge", golden["edge"]}}},
                                   {"crop_size", golden["crop"]},
                                   {"resample", golden["resample"]}};
    const std::vector<float> tensor =
        Apply(Make(config.dump()), MakePattern(golden["from"][0], golden["from"][1]));
    const auto expected = golden["every_1999th"].get<std::vector<float>>();
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(tensor[i * 1999], expected[i], 2e-6) << i;
  }
}

TEST(ImagePreprocessorTest, AbsentKeysAreClips) {
  const ImagePreprocessor preprocessor = Make("{}");
  EXPECT_EQ(preprocessor.width(), 224);
  EXPECT_EQ(preprocessor.height(), 224);
  EXPECT_EQ(preprocessor.tensor_size(), 3u * 224 * 224);
  EXPECT_EQ(preprocessor.min_short_side(), 448);
  const std::string all_keys =
      R"({"do_convert_rgb":true,"do_resize":true,"size":224,"resample":3,"do_center_crop":true,
          "crop_size":{"height":224,"width":224},"do_rescale":true,"rescale_factor":0.00392156862745098,
          "do_normalize":true,"image_mean":[0.48145466,0.4578275,0.40821073],
          "image_std":[0.26862954,0.26130258,0.27577711],"unknown":"ignored"})";
  const Image image = MakePattern(300, 260);
  EXPECT_EQ(Apply(preprocessor, image), Apply(Make(all_keys), image));
  EXPECT_THAT(preprocessor.Describe(),
              AllOf(HasSubstr("shorter side to 224 (bicubic)"), HasSubstr("crop 224")));
}

TEST(ImagePreprocessorTest, ExactSizeSquashesWithoutCrop) {
  const ImagePreprocessor preprocessor =
      Make(R"({"size":{"height":30,"width":40},"resample":2,"image_mean":[0,0,0],"image_std":[1,1,1]})");
  EXPECT_EQ(preprocessor.width(), 40);
  EXPECT_EQ(preprocessor.height(), 30);
  EXPECT_EQ(preprocessor.min_short_side(), 80);
  const Image image = MakePattern(123, 77);
  const Image resized = *Resize(image, 40, 30, Resample::kBilinear);
  const std::vector<float> tensor = Apply(preprocessor, image);
  for (int i = 0; i < 40 * 30; ++i) {
    for (int c = 0; c < 3; ++c) ASSERT_FLOAT_EQ(tensor[1200 * c + i], resized.pixels[3 * i + c] / 255.0f);
  }
}

TEST(ImagePreprocessorTest, SwitchesTurnStepsOff) {
  const ImagePreprocessor bytes = Make(
      R"({"do_resize":false,"crop_size":{"height":4,"width":6},"do_rescale":false,"do_normalize":false})");
  EXPECT_EQ(bytes.min_short_side(), 0);
  const Image image = MakePattern(6, 4);
  const std::vector<float> tensor = Apply(bytes, image);
  for (int i = 0; i < 24; ++i) ASSERT_EQ(tensor[24 + i], image.pixels[3 * i + 1]);
  EXPECT_EQ(Make(R"({"resample":0})").min_short_side(), 0);
}

TEST(ImagePreprocessorTest, PicturesSmallerThanTheCropGetBlackBorders) {
  const ImagePreprocessor preprocessor =
      Make(R"({"do_resize":false,"crop_size":5,"do_rescale":false,"do_normalize":false})");
  Image white{.width = 2, .height = 2, .pixels = std::vector<uint8_t>(12, 255)};
  const std::vector<float> tensor = Apply(preprocessor, white);
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 5; ++x) {
      const bool inside = x >= 2 && x < 4 && y >= 2 && y < 4;
      EXPECT_EQ(tensor[5 * y + x], inside ? 255.0f : 0.0f) << x << ", " << y;
    }
  }
}

TEST(ImagePreprocessorTest, NamesTheWrongKey) {
  const auto error = [](const char* json) {
    const absl::Status status = ImagePreprocessor::FromJson(json, "config").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    return std::string(status.message());
  };
  for (const char* json : {"", "[]", "{", "7", "null"})
    EXPECT_THAT(error(json), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(R"({"do_resize":1})"), HasSubstr("config: \"do_resize\""));
  for (const char* size :
       {"0", "-5", "1e9", "5000", "\"224\"", "[224,224]", "{}", R"({"height":5})",
        R"({"height":5,"width":"5"})", R"({"shortest_edge":0})", R"({"shortest_edge":5,"longest_edge":9})"}) {
    EXPECT_THAT(error(absl::StrCat("{\"size\":", size, "}").c_str()), HasSubstr("\"size\"")) << size;
    if (std::string(size).find("edge") == std::string::npos) {
      EXPECT_THAT(error(absl::StrCat("{\"crop_size\":", size, "}").c_str()), HasSubstr("\"crop_size\""))
          << size;
    }
  }
  for (const char* resample : {"6", "-1", "2.5", "\"bicubic\""}) {
    EXPECT_THAT(error(absl::StrCat("{\"resample\":", resample, "}").c_str()), HasSubstr("\"resample\""));
  }
  EXPECT_THAT(error(R"({"image_mean":[0,0]})"), HasSubstr("\"image_mean\""));
  EXPECT_THAT(error(R"({"image_mean":[0,0,"x"]})"), HasSubstr("\"image_mean\""));
  EXPECT_THAT(error(R"({"image_std":[1,0,1]})"), HasSubstr("\"image_std\" must be above 0"));
  EXPECT_THAT(error(R"({"rescale_factor":"x"})"), HasSubstr("\"rescale_factor\""));
  EXPECT_THAT(error(R"({"do_center_crop":false})"), HasSubstr("\"do_center_crop\""));
}

TEST(ImagePreprocessorTest, RefusesStepsThatItDoesNotHave) {
  for (const char* key : {"do_pad", "do_flip_channel_order", "do_something_new"}) {
    const std::string json = absl::StrCat("{\"", key, "\": true}");
    const absl::Status status = ImagePreprocessor::FromJson(json, "config").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << key;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("config: \"", key, "\""))) << key;
    EXPECT_TRUE(ImagePreprocessor::FromJson(absl::StrCat("{\"", key, "\": false}"), "config").ok()) << key;
  }
  for (const char* json : {R"({"crop_pct": 0.875})", R"({"max_num_patches": 256})"}) {
    EXPECT_EQ(ImagePreprocessor::FromJson(json, "config").status().code(), absl::StatusCode::kUnimplemented)
        << json;
  }
  EXPECT_TRUE(
      ImagePreprocessor::FromJson(R"({"return_attention_mask": true, "some_note": [1]})", "config").ok());
}

TEST(ImagePreprocessorTest, AbsentKeysAreThoseOfTheProcessor) {
  const ImagePreprocessor siglip = Make(R"({"image_processor_type": "SiglipImageProcessorFast"})");
  EXPECT_THAT(siglip.Describe(), HasSubstr("resize to 224 x 224 (bicubic), byte * (0.00784314"));
  EXPECT_THAT(siglip.assumptions(), testing::Contains(HasSubstr("SiglipImageProcessorFast")));
  const ImagePreprocessor vit = Make(R"({"feature_extractor_type": "ViTFeatureExtractor", "size": 64})");
  EXPECT_THAT(vit.Describe(), HasSubstr("resize to 64 x 64 (bilinear)"));
  // Of one that is not known everything must be said.
  const char* unknown = R"({"image_processor_type": "NewImageProcessor", "size": {"shortest_edge": 224},
                            "resample": 3, "image_mean": [0, 0, 0]})";
  const absl::Status status = ImagePreprocessor::FromJson(unknown, "config").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(HasSubstr("\"image_std\""), HasSubstr("NewImageProcessor")));
}

TEST(ImagePreprocessorTest, ReadsOpenClipsKeys) {
  const ImagePreprocessor shortest = Make(R"({"size": [224, 224], "mean": [0, 0, 0], "std": [1, 1, 1]})");
  EXPECT_THAT(shortest.Describe(), HasSubstr("shorter side to 224 (bicubic), centre crop 224 x 224"));
  const ImagePreprocessor squash =
      Make(R"({"size": 384, "interpolation": "bilinear", "resize_mode": "squash", "fill_color": 0})");
  EXPECT_THAT(squash.Describe(), HasSubstr("resize to 384 x 384 (bilinear)"));
  for (const char* json :
       {R"({"mean": [0, 0, 0]})", R"({"mean": [0, 0], "size": 224})", R"({"std": [0, 1, 1], "size": 224})",
        R"({"mean": [0, 0, 0], "size": [1, 2, 3]})", R"({"resize_mode": 5, "size": 224})"}) {
    EXPECT_EQ(ImagePreprocessor::FromJson(json, "config").status().code(), absl::StatusCode::kInvalidArgument)
        << json;
  }
}

TEST(ImagePreprocessorTest, RefusesWrongTensorsAndPictures) {
  const ImagePreprocessor preprocessor = Make("{}");
  const Image image = MakePattern(8, 8);
  std::vector<float> tensor(preprocessor.tensor_size() - 1);
  EXPECT_EQ(preprocessor.Apply(image, tensor).code(), absl::StatusCode::kInvalidArgument);
  tensor.resize(preprocessor.tensor_size());
  EXPECT_EQ(preprocessor.Apply(Image{}, tensor).code(), absl::StatusCode::kInvalidArgument);
  const Image line = MakePattern(1, 1000);
  EXPECT_THAT(preprocessor.Apply(line, tensor).message(), HasSubstr("too narrow"));
}

}  // namespace
}  // namespace eidetic::encoder
