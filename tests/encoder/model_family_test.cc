// Tiny random models of the families that users bring, in the layouts they are
// published in, against vectors of the reference implementations
// (golden/make_model_family_goldens.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "encoder/dual_encoder.h"
#include "encoder/model_check.h"
#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

// Measured: at most 4e-12. Smaller steps of preprocessing done wrong cost 1e-5 here.
constexpr double kAllowedFromPixels = 1e-7;
// Other versions of libjpeg may round otherwise.
constexpr double kAllowedFromJpeg = 1e-4;
constexpr double kApart = 1e-3;

struct Family {
  const char* name;
  const char* layout;
  // Of testdata/tokenizers, and where it goes; null: the folder has its own.
  const char* tokenizer;
  const char* tokenizer_path;
  int max_tokens;
};

class ModelFamilyTest : public testing::TestWithParam<Family> {
 protected:
  ModelFamilyTest() : model_(absl::StrCat("families/", GetParam().name)) {
    const std::string testdata = absl::StrCat(EIDETIC_SOURCE_DIR, "/tests/encoder/testdata/");
    std::filesystem::copy(testdata + "pictures", model_.Path("reference/images"));
    if (GetParam().tokenizer != nullptr) {
      model_.Write(GetParam().tokenizer_path,
                   ReadWholeFile(absl::StrCat(testdata, "tokenizers/", GetParam().tokenizer, ".json")));
    }
  }

  const TinyModel model_;
};

TEST_P(ModelFamilyTest, AgreesWithTheReference) {
  const auto encoder = DualEncoder::Load(model_.folder(), {.threads = 1});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_EQ((*encoder)->info().layout, GetParam().layout);
  EXPECT_EQ((*encoder)->info().max_tokens, GetParam().max_tokens);
  const auto report = CheckModel(**encoder);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GE(report->texts.size(), 10u);
  for (const ModelCheckReport::Item& text : report->texts) {
    EXPECT_LE(text.cosine_distance, kAllowedFromPixels) << text.name;
  }
  EXPECT_GE(report->images.size(), 6u);
  for (const ModelCheckReport::Item& image : report->images) {
    const bool jpeg = absl::EndsWith(image.name, ".jpg");
    EXPECT_LE(image.cosine_distance, jpeg ? kAllowedFromJpeg : kAllowedFromPixels) << image.name;
  }
  EXPECT_LE(report->max_batch_distance, report->allowed_batch_distance);
  RecordProperty("max_text_distance", absl::StrCat(report->max_text_distance));
  RecordProperty("max_image_distance", absl::StrCat(report->max_image_distance));
}

// Otherwise agreement would say nothing.
TEST_P(ModelFamilyTest, TellsTextsApart) {
  const auto encoder = DualEncoder::Load(model_.folder(), {.threads = 1});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const std::vector<std::string> texts = {"a photo of a dog", "two dogs run on the beach"};
  const auto rows = (*encoder)->EncodeTexts(texts);
  ASSERT_TRUE(rows.ok()) << rows.status();
  double dot = 0;
  for (int i = 0; i < rows->dimension; ++i) dot += static_cast<double>(rows->row(0)[i]) * rows->row(1)[i];
  EXPECT_LT(dot, 1 - kApart);
}

INSTANTIATE_TEST_SUITE_P(
    Families, ModelFamilyTest,
    testing::Values(Family{"clip", "Hugging Face", "clip", "tokenizer.json", 77},
                    Family{"clip_single_file", "single file", "clip", "tokenizer.json", 77},
                    Family{"mobileclip", "Hugging Face", "clip", "tokenizer.json", 77},
                    Family{"siglip", "Hugging Face", "siglip", "tokenizer.json", 64},
                    Family{"siglip2", "Hugging Face", "gemma", "tokenizer.json", 64},
                    Family{"multilingual", "Hugging Face", nullptr, nullptr, 128},
                    Family{"immich_clip", "Immich", "clip", "textual/tokenizer.json", 77},
                    Family{"immich_siglip2", "Immich", "gemma", "textual/tokenizer.json", 64},
                    Family{"immich_mclip", "Immich", "xlm_roberta", "textual/tokenizer.json", 77}),
    [](const testing::TestParamInfo<Family>& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace eidetic::encoder
