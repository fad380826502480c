#include "encoder/model_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "encoder/dual_encoder.h"
#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

constexpr char kVision[] = "onnx/vision_model.onnx";
constexpr char kText[] = "onnx/text_model.onnx";
constexpr char kSingle[] = "onnx/model.onnx";
constexpr char kPicture[] = "P6 2 2 255\n\xFF\x10\x20\x80\x90\xA0\x01\x02\x03\x40\x50\x60";
const std::vector<std::string> kTexts = {"a red dog", "the cat", "a photo of the red dog", "beach"};

std::unique_ptr<DualEncoder> LoadOk(const TinyModel& model,
                                    const DualEncoderOptions& options = {.threads = 1}) {
  auto encoder = DualEncoder::Load(model.folder(), options);
  EXPECT_TRUE(encoder.ok()) << encoder.status();
  return encoder.ok() ? *std::move(encoder) : nullptr;
}

std::vector<float> Picture(const DualEncoder& encoder) {
  const auto picture =
      encoder.PreparePicture({reinterpret_cast<const uint8_t*>(kPicture), sizeof(kPicture) - 1}, {});
  EXPECT_TRUE(picture.ok()) << picture.status();
  const auto rows = encoder.EncodePictures({&*picture, 1});
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() ? rows->values : std::vector<float>();
}

std::vector<float> Texts(const DualEncoder& encoder) {
  const auto rows = encoder.EncodeTexts(kTexts);
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() ? rows->values : std::vector<float>();
}

void ExpectSameEmbeddings(const DualEncoder& encoder, const DualEncoder& expected, float tolerance = 1e-6) {
  EXPECT_THAT(Picture(encoder), Pointwise(FloatNear(tolerance), Picture(expected)));
  EXPECT_THAT(Texts(encoder), Pointwise(FloatNear(tolerance), Texts(expected)));
}

void ExpectRefused(const TinyModel& model, absl::StatusCode code, const std::vector<std::string>& parts,
                   const DualEncoderOptions& options = {.threads = 1}) {
  const absl::Status status = DualEncoder::Load(model.folder(), options).status();
  EXPECT_EQ(status.code(), code) << status;
  for (const std::string& part : parts) EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

// tiny/ as Immich lays a model out.
void MakeImmich(const TinyModel& model) {
  model.Move(kVision, "visual/model.onnx");
  model.Move(kText, "textual/model.onnx");
  model.Move("tokenizer.json", "textual/tokenizer.json");
  model.Move("tokenizer_config.json", "textual/tokenizer_config.json");
  model.Remove("preprocessor_config.json");
  model.Write("visual/preprocess_cfg.json",
              R"({"size": [8, 8], "mode": "RGB", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
                  "interpolation": "bicubic", "resize_mode": "squash", "fill_color": 0})");
  model.Write("config.json",
              R"({"embed_dim": 8, "vision_cfg": {"image_size": 8, "layers": 1, "width": 4, "patch_size": 4},
                  "text_cfg": {"context_length": 16, "vocab_size": 20, "width": 4}})");
}

TEST(ModelLayoutTest, ImmichFolderGivesTheEmbeddingsOfTheSameTowers) {
  const TinyModel plain;
  const TinyModel model;
  MakeImmich(model);
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(encoder->info().layout, "Immich");
  EXPECT_EQ(encoder->info().family, "open_clip");
  EXPECT_THAT(encoder->info().files, ElementsAre("config.json", "textual/model.onnx",
                                                 "textual/tokenizer.json", "textual/tokenizer_config.json",
                                                 "visual/model.onnx", "visual/preprocess_cfg.json"));
  ExpectSameEmbeddings(*encoder, *LoadOk(plain));
}

TEST(ModelLayoutTest, ImmichGraphOfInt32IdsOfFixedLengthWithoutMask) {
  const TinyModel model;
  MakeImmich(model);
  model.UseGraph("textual/model.onnx", "text_immich.onnx");
  model.UseGraph("visual/model.onnx", "vision_bytes.onnx");
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(encoder->info().max_tokens, 16);
  EXPECT_EQ(encoder->info().text_tower.graph, "text int32 → embedding float32");
  EXPECT_EQ(encoder->info().image_tower.graph, "image uint8 channels last → image_embedding float32");
  // A text's vector does not depend on what it is embedded with.
  const std::vector<float> together = Texts(*encoder);
  for (size_t i = 0; i < kTexts.size(); ++i) {
    const auto alone = encoder->EncodeTexts({&kTexts[i], 1});
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(alone->values, std::vector<float>(together.begin() + i * 8, together.begin() + (i + 1) * 8));
  }
}

TEST(ModelLayoutTest, ImmichFolderThatIsNotWhole) {
  for (const char* file : {"visual/model.onnx", "textual/model.onnx", "visual/preprocess_cfg.json",
                           "textual/tokenizer.json", "config.json"}) {
    const TinyModel model;
    MakeImmich(model);
    model.Remove(file);
    ExpectRefused(model, absl::StatusCode::kNotFound, {model.folder(), file});
  }
}

TEST(ModelLayoutTest, ImmichRulesThatAreNotSupported) {
  const struct {
    const char* file;
    const char* from;
    const char* to;
    const char* message;
  } cases[] = {
      {"visual/preprocess_cfg.json", "\"squash\"", "\"longest\"", "resize_mode"},
      {"visual/preprocess_cfg.json", "\"bicubic\"", "\"random\"", "interpolation"},
      {"visual/preprocess_cfg.json", "\"RGB\"", "\"L\"", "mode"},
      {"config.json", "\"context_length\": 16", "\"tokenizer_kwargs\": {\"clean\": \"ftfy\"}", "clean"},
      {"config.json", "\"context_length\": 16", "\"tokenizer_kwargs\": {\"strip_sep_token\": true}",
       "strip_sep_token"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.to);
    const TinyModel model;
    MakeImmich(model);
    model.Replace(test.file, test.from, test.to);
    ExpectRefused(model, absl::StatusCode::kUnimplemented, {model.folder(), test.file, test.message});
  }
}

TEST(ModelLayoutTest, OpenClipCleansTexts) {
  const TinyModel model;
  MakeImmich(model);
  model.Replace("config.json", "\"context_length\": 16",
                "\"context_length\": 16, \"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}");
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  const std::vector<std::string> texts = {"a red dog", "  A_RED,\n dog!  "};
  const auto rows = encoder->EncodeTexts(texts);
  ASSERT_TRUE(rows.ok());
  EXPECT_THAT(rows->row(1), Pointwise(FloatNear(1e-6), rows->row(0)));
}

TEST(ModelLayoutTest, SingleFileIsCutIntoItsTowers) {
  const TinyModel plain;
  const TinyModel model;
  model.Remove(kVision);
  model.Remove(kText);
  model.UseGraph(kSingle, "single.onnx");
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(encoder->info().layout, "single file");
  EXPECT_EQ(encoder->info().text_tower.graph, "input_ids int64, attention_mask int64 → text_embeds float32");
  EXPECT_EQ(encoder->info().image_tower.graph, "pixel_values float32 → image_embeds float32");
  ExpectSameEmbeddings(*encoder, *LoadOk(plain));
  const auto lazy = LoadOk(model, {.threads = 1, .lazy = true});
  EXPECT_EQ(lazy->info().fingerprint, encoder->info().fingerprint);
  ExpectSameEmbeddings(*lazy, *encoder);
}

TEST(ModelLayoutTest, SingleFileMustHaveBothEmbeddings) {
  const TinyModel model;
  model.Move(kVision, kSingle);
  model.Remove(kText);
  ExpectRefused(model, absl::StatusCode::kInvalidArgument,
                {model.folder(), kSingle, "text_embeds", "image_embeds"});
}

TEST(ModelLayoutTest, FilesWithoutTheirFolderAreFoundToo) {
  const TinyModel plain;
  const TinyModel model;
  model.Move(kVision, "vision_model.onnx");
  model.Move(kText, "text_model.onnx");
  ExpectSameEmbeddings(*LoadOk(model), *LoadOk(plain));
}

TEST(ModelLayoutTest, FolderWithoutTowersTellsWhatIsLookedFor) {
  const TinyModel model;
  model.Remove("onnx");
  ExpectRefused(
      model, absl::StatusCode::kNotFound,
      {model.folder(), "onnx/vision_model.onnx", "visual/model.onnx", "onnx/model.onnx", "docs/models.md"});
}

TEST(ModelLayoutTest, InputsAndOutputsOfOtherTypesGiveTheSameEmbeddings) {
  const TinyModel plain;
  const auto expected = LoadOk(plain);
  const struct {
    const char* file;
    const char* graph;
    const char* described;
    float tolerance;
  } cases[] = {
      {kVision, "vision_bytes.onnx", "uint8 channels last", 1e-5F},
      {kVision, "vision_channels_last.onnx", "float32 channels last", 1e-6F},
      {kVision, "vision_half.onnx", "float16", 2e-3F},
      {kText, "text_half.onnx", "float16", 2e-3F},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.graph);
    const TinyModel model;
    // Padding would count in this graph without a mask.
    model.Replace("config.json", "max_position_embeddings", "hidden_size");
    model.UseGraph(test.file, test.graph);
    const auto encoder = LoadOk(model);
    ASSERT_NE(encoder, nullptr);
    const ModelInfo& info = encoder->info();
    EXPECT_THAT(info.image_tower.graph + info.text_tower.graph, HasSubstr(test.described));
    ExpectSameEmbeddings(*encoder, *expected, test.tolerance);
    // The input's type is known before a lazy tower is loaded.
    ExpectSameEmbeddings(*LoadOk(model, {.threads = 1, .lazy = true}), *encoder);
  }
}

// As SigLIP pools: without filling up, another token would be the last.
TEST(ModelLayoutTest, SiglipFillsTextsUp) {
  const TinyModel model;
  model.UseGraph(kText, "text_last_token.onnx");
  model.Write("config.json", R"({"model_type": "siglip", "vision_config": {"image_size": 8},
                                 "text_config": {"vocab_size": 20}})");
  model.Remove("tokenizer_config.json");
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(encoder->info().max_tokens, 64);
  EXPECT_THAT(encoder->info().text_rules, HasSubstr("filled up to 64"));
  EXPECT_THAT(encoder->info().assumptions, testing::Contains(HasSubstr("at most 64 tokens")));
  // [PAD] is last in every text.
  const std::vector<float> rows = Texts(*encoder);
  double dot = 0;
  for (size_t i = 0; i < 8; ++i) dot += static_cast<double>(rows[i]) * rows[8 + i];
  EXPECT_GT(dot, 0.999);
}

TEST(ModelLayoutTest, DynamicallyQuantizedTowersRunOneInputAtATime) {
  const TinyModel model;
  model.UseGraph(kText, "text_dynamically_quantized.onnx");
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  const std::vector<float> together = Texts(*encoder);
  for (size_t i = 0; i < kTexts.size(); ++i) {
    const auto alone = encoder->EncodeTexts({&kTexts[i], 1});
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(alone->values, std::vector<float>(together.begin() + i * 8, together.begin() + (i + 1) * 8));
  }
}

TEST(ModelVariantTest, ChosenByNameAndOtherwiseTheBestThatFits) {
  const TinyModel model;
  for (const char* suffix : {"_fp16", "_quantized", "_q4"}) {
    for (const char* prefix : {"onnx/vision_model", "onnx/text_model"}) {
      model.Write(absl::StrCat(prefix, suffix, ".onnx"), model.Read(absl::StrCat(prefix, ".onnx")));
    }
  }
  model.Write("onnx/text_model_int8.onnx", "alone");
  const auto files = FindModelFiles(model.folder());
  ASSERT_TRUE(files.ok()) << files.status();
  std::vector<std::string> names;
  for (const ModelVariant& variant : files->variants) names.push_back(variant.name);
  EXPECT_THAT(names, ElementsAre("plain", "fp16", "quantized", "q4"));
  const uint64_t bytes = files->variants[0].bytes;
  EXPECT_EQ(bytes,
            std::filesystem::file_size(model.Path(kVision)) + std::filesystem::file_size(model.Path(kText)));
  EXPECT_EQ(ChooseVariant(*files, "", 100 * bytes)->name, "plain");
  EXPECT_EQ(ChooseVariant(*files, "q4", 100 * bytes)->name, "q4");
  const absl::Status unknown = ChooseVariant(*files, "int8", 100 * bytes).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()),
              AllOf(HasSubstr("\"int8\""), HasSubstr("plain, fp16, quantized, q4")));
}

TEST(ModelVariantTest, LittleMemoryTakesASmallerOne) {
  ModelFiles files;
  files.variants = {
      {.name = "plain", .bytes = 600}, {.name = "fp16", .bytes = 300}, {.name = "quantized", .bytes = 150}};
  EXPECT_EQ(ChooseVariant(files, "", 2400)->name, "plain");
  EXPECT_EQ(ChooseVariant(files, "", 2399)->name, "fp16");  // Widened: three times its size.
  EXPECT_EQ(ChooseVariant(files, "", 1799)->name, "quantized");
  EXPECT_EQ(ChooseVariant(files, "", 1)->name, "quantized");
}

TEST(ModelVariantTest, ExternalDataBesideAGraphCounts) {
  const TinyModel model;
  const uint64_t before = FindModelFiles(model.folder())->variants[0].bytes;
  model.Write("onnx/text_model.onnx_data", std::string(1000, 'x'));
  EXPECT_EQ(FindModelFiles(model.folder())->variants[0].bytes, before + 1000);
}

TEST(ModelVariantTest, TheFingerprintThatIsWantedFindsItsVariant) {
  const TinyModel model;
  model.UseGraph("onnx/vision_model_fp16.onnx", "vision_half.onnx");
  model.Write("onnx/text_model_fp16.onnx", model.Read(kText));
  const auto plain = LoadOk(model);
  const auto half = LoadOk(model, {.threads = 1, .variant = "fp16"});
  ASSERT_NE(half, nullptr);
  EXPECT_EQ(plain->info().variant, "plain");
  EXPECT_EQ(half->info().variant, "fp16");
  EXPECT_THAT(half->info().variants, ElementsAre("plain", "fp16"));
  ASSERT_NE(half->info().fingerprint, plain->info().fingerprint);
  EXPECT_EQ(LoadOk(model, {.threads = 1, .fingerprint = half->info().fingerprint})->info().variant, "fp16");
  EXPECT_EQ(LoadOk(model, {.threads = 1, .fingerprint = plain->info().fingerprint})->info().variant, "plain");
  EXPECT_EQ(LoadOk(model, {.threads = 1, .fingerprint = "another"})->info().variant, "plain");
  ExpectRefused(model, absl::StatusCode::kNotFound, {model.folder(), "q4", "plain, fp16"},
                {.threads = 1, .variant = "q4"});
}

TEST(ModelVariantTest, TowersOfDifferentPrecisionsAreNoPair) {
  const TinyModel model;
  model.Move(kText, "onnx/text_model_fp16.onnx");
  ExpectRefused(model, absl::StatusCode::kNotFound, {kVision, "onnx/text_model_fp16.onnx", "same suffix"});
}

class ExternalDataTest : public testing::Test {
 protected:
  ExternalDataTest() {
    model_.UseGraph(kText, "text_in_file.onnx");
    model_.UseGraph(kData, "text_model.onnx_data");
  }
  static constexpr char kData[] = "onnx/text_model.onnx_data";
  const TinyModel model_;
};

TEST_F(ExternalDataTest, WeightsInAnotherFileGiveTheSameEmbeddings) {
  const TinyModel plain;
  const auto encoder = LoadOk(model_);
  ASSERT_NE(encoder, nullptr);
  ExpectSameEmbeddings(*encoder, *LoadOk(plain));
  EXPECT_THAT(encoder->info().files, testing::Contains(kData));
  ExpectSameEmbeddings(*LoadOk(model_, {.threads = 1, .lazy = true}), *encoder);
}

TEST_F(ExternalDataTest, IsPartOfTheFingerprint) {
  const std::string fingerprint = LoadOk(model_)->info().fingerprint;
  std::string data = model_.Read(kData);
  data[100] ^= 1;
  model_.Write(kData, data);
  EXPECT_NE(LoadOk(model_)->info().fingerprint, fingerprint);
}

TEST_F(ExternalDataTest, MissingOrShort) {
  model_.Write(kData, model_.Read(kData).substr(0, 500));
  ExpectRefused(model_, absl::StatusCode::kInvalidArgument,
                {model_.folder(), kData, "500 bytes", "704", kText});
  model_.Remove(kData);
  ExpectRefused(model_, absl::StatusCode::kNotFound, {model_.folder(), kData, kText, "download it too"});
}

// Nothing outside the folder is opened, and nothing is allocated for a claim.
TEST_F(ExternalDataTest, HostileTensors) {
  const struct {
    const char* graph;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {"text_external.onnx", absl::StatusCode::kInvalidArgument, "not a path inside the model's folder"},
      {"text_external_in_constant.onnx", absl::StatusCode::kInvalidArgument, "not a path inside"},
      {"text_in_absolute_file.onnx", absl::StatusCode::kInvalidArgument, "/etc/passwd"},
      {"text_in_inner_parent.onnx", absl::StatusCode::kInvalidArgument, "not a path inside"},
      {"text_in_short_file.onnx", absl::StatusCode::kInvalidArgument, "truncated or of another export"},
      {"text_in_file_of_other_length.onnx", absl::StatusCode::kInvalidArgument, "claims 640 bytes"},
      {"text_in_file_too_large.onnx", absl::StatusCode::kInvalidArgument, "704 bytes"},
      {"text_overflowing.onnx", absl::StatusCode::kInvalidArgument, "more elements than any file"},
      {"text_claims_10_gb.onnx", absl::StatusCode::kInvalidArgument, "but has 64"},
      {"text_claims_10_gb_typed.onnx", absl::StatusCode::kInvalidArgument, "but has 64"},
      {"text_negative_dimension.onnx", absl::StatusCode::kInvalidArgument, "dimension of -1"},
      {"text_sparse.onnx", absl::StatusCode::kUnimplemented, "sparse"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.graph);
    model_.UseGraph(kText, test.graph);
    ExpectRefused(model_, test.code, {model_.folder(), kText, test.message});
  }
}

TEST_F(ExternalDataTest, DirectoryInPlaceOfTheFile) {
  model_.Remove(kData);
  std::filesystem::create_directories(model_.Path(kData));
  ExpectRefused(model_, absl::StatusCode::kInvalidArgument, {kData, "not a regular file"});
}

}  // namespace
}  // namespace eidetic::encoder
