#include "encoder/dual_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kVision[] = "onnx/vision_model.onnx";
constexpr char kText[] = "onnx/text_model.onnx";

std::unique_ptr<DualEncoder> LoadOk(const TinyModel& model) {
  auto encoder = DualEncoder::Load(model.folder(), {.threads = 1});
  EXPECT_TRUE(encoder.ok()) << encoder.status();
  return encoder.ok() ? *std::move(encoder) : nullptr;
}

// Loading must fail with this code and a message that has all of `parts`.
void ExpectRefused(const TinyModel& model, absl::StatusCode code, std::vector<std::string> parts) {
  const absl::Status status = DualEncoder::Load(model.folder(), {.threads = 1}).status();
  EXPECT_EQ(status.code(), code) << status;
  parts.push_back(model.folder());
  for (const std::string& part : parts) EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

double Distance(std::span<const float> a, std::span<const float> b) {
  double dot = 0;
  for (size_t i = 0; i < a.size(); ++i) dot += static_cast<double>(a[i]) * b[i];
  return 1 - dot;
}

PreparedPicture Noise(const DualEncoder& encoder, int seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  PreparedPicture picture;
  picture.tensor.resize(3 * encoder.info().image_width * encoder.info().image_height);
  for (float& value : picture.tensor) value = values(generator);
  return picture;
}

TEST(DualEncoderTest, SaysWhatTheFolderHolds) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  const ModelInfo& info = encoder->info();
  EXPECT_EQ(info.folder, model.folder());
  EXPECT_THAT(info.name, testing::StartsWith("tiny_model_"));
  EXPECT_THAT(info.fingerprint, testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(info.dimension, 8);
  EXPECT_EQ(info.image_width, 8);
  EXPECT_EQ(info.image_height, 8);
  EXPECT_EQ(info.max_tokens, 16);
  EXPECT_THAT(info.text_rules, HasSubstr("WordPiece"));
  EXPECT_THAT(info.image_rules, HasSubstr("8"));
  EXPECT_THAT(info.files, ElementsAre("config.json", kText, kVision, "preprocessor_config.json",
                                      "tokenizer.json", "tokenizer_config.json"));
  uint64_t bytes = 0;
  for (const std::string& file : info.files) bytes += std::filesystem::file_size(model.Path(file));
  EXPECT_EQ(info.total_bytes, bytes);
}

TEST(DualEncoderTest, NameIsTheFolderEvenWithASlashAtTheEnd) {
  const TinyModel model;
  const auto encoder = DualEncoder::Load(model.folder() + "/", {.threads = 1});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_THAT((*encoder)->info().name, testing::StartsWith("tiny_model_"));
}

TEST(DualEncoderTest, FingerprintChangesWithEachFileThatMatters) {
  const TinyModel model;
  const std::string fingerprint = LoadOk(model)->info().fingerprint;
  EXPECT_EQ(LoadOk(model)->info().fingerprint, fingerprint);
  for (const char* file :
       {"config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"}) {
    const std::string before = model.Read(file);
    model.Write(file, before + "\n");
    EXPECT_NE(LoadOk(model)->info().fingerprint, fingerprint) << file;
    model.Write(file, before);
  }
  model.Write("MODEL_CARD.md", "words");
  EXPECT_EQ(LoadOk(model)->info().fingerprint, fingerprint);
  model.UseGraph(kVision, "vision_any_shape.onnx");
  EXPECT_NE(LoadOk(model)->info().fingerprint, fingerprint);
}

TEST(DualEncoderTest, EmbeddingsHaveUnitLengthAndTheOrderGiven) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) {
    texts.push_back(i % 3 == 0 ? "dog" : i % 3 == 1 ? "a photo of the red dog" : std::string(i, '.'));
  }
  const auto together = encoder->EncodeTexts(texts);
  ASSERT_TRUE(together.ok()) << together.status();
  ASSERT_EQ(together->size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = encoder->EncodeTexts({&texts[i], 1});
    ASSERT_TRUE(alone.ok());
    EXPECT_LT(Distance(alone->row(0), together->row(i)), 1e-6) << texts[i];
    EXPECT_NEAR(Distance(alone->row(0), alone->row(0)), 0, 1e-6);
  }
  EXPECT_GT(Distance(together->row(0), together->row(1)), 1e-3);
}

TEST(DualEncoderTest, PicturesDoNotDependOnBatchMates) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  std::vector<PreparedPicture> pictures;
  for (int i = 0; i < 21; ++i) pictures.push_back(Noise(*encoder, i));
  const auto together = encoder->EncodePictures(pictures);
  ASSERT_TRUE(together.ok()) << together.status();
  ASSERT_EQ(together->size(), pictures.size());
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto alone = encoder->EncodePictures({&pictures[i], 1});
    ASSERT_TRUE(alone.ok());
    EXPECT_LT(Distance(alone->row(0), together->row(i)), 1e-6) << i;
  }
}

TEST(DualEncoderTest, NothingInGivesNothingOut) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  EXPECT_EQ(encoder->EncodeTexts({})->size(), 0u);
  EXPECT_EQ(encoder->EncodePictures({})->size(), 0u);
}

TEST(DualEncoderTest, PreparesAPictureFromItsBytes) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  const std::string white = "P6 2 1 255\n\xFF\xFF\xFF\xFF\xFF\xFF";
  const auto picture =
      encoder->PreparePicture({reinterpret_cast<const uint8_t*>(white.data()), white.size()}, {});
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->info.width, 2);
  EXPECT_THAT(picture->tensor, testing::SizeIs(3 * 8 * 8));
  EXPECT_THAT(picture->tensor, testing::Each(testing::FloatNear(1, 1e-5)));
  EXPECT_EQ(encoder->PreparePicture({}, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DualEncoderTest, RefusesPicturesPreparedForAnotherModel) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  PreparedPicture picture = Noise(*encoder, 0);
  picture.tensor.pop_back();
  EXPECT_EQ(encoder->EncodePictures({&picture, 1}).status().code(), absl::StatusCode::kInvalidArgument);
  picture.tensor.push_back(std::numeric_limits<float>::quiet_NaN());
  const absl::Status status = encoder->EncodePictures({&picture, 1}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(kVision), HasSubstr("not finite")));
}

TEST(DualEncoderTest, ManyThreadsGetTheSameAnswers) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  const std::vector<std::string> texts = {"a dog", "the red cat runs", "beach", ""};
  std::vector<PreparedPicture> pictures = {Noise(*encoder, 1), Noise(*encoder, 2)};
  const std::vector<float> text_values = encoder->EncodeTexts(texts)->values;
  const std::vector<float> picture_values = encoder->EncodePictures(pictures)->values;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        const auto rows = encoder->EncodeTexts(texts);
        ASSERT_TRUE(rows.ok());
        EXPECT_EQ(rows->values, text_values);
        const auto picture_rows = encoder->EncodePictures(pictures);
        ASSERT_TRUE(picture_rows.ok());
        EXPECT_EQ(picture_rows->values, picture_values);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Graphs of other exporters: batch of 1, every size symbolic.
TEST(DualEncoderTest, GraphsOfOtherExportersGiveTheSameEmbeddings) {
  const TinyModel model;
  const auto encoder = LoadOk(model);
  std::vector<PreparedPicture> pictures = {Noise(*encoder, 1), Noise(*encoder, 2), Noise(*encoder, 3)};
  const std::vector<float> expected = encoder->EncodePictures(pictures)->values;
  for (const char* graph : {"vision_batch_1.onnx", "vision_any_shape.onnx"}) {
    model.UseGraph(kVision, graph);
    const auto other = LoadOk(model);
    ASSERT_NE(other, nullptr) << graph;
    EXPECT_THAT(other->EncodePictures(pictures)->values,
                testing::Pointwise(testing::FloatNear(1e-6), expected))
        << graph;
  }
}

TEST(DualEncoderTest, FixedLengthTextTowerWithAllInputsInInt32) {
  const TinyModel model;
  model.UseGraph(kText, "text_fixed.onnx");
  const auto encoder = LoadOk(model);
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(encoder->info().max_tokens, 6);
  const std::vector<std::string> texts = {"dog", "a photo of the red dog and the cat", "dog"};
  const auto rows = encoder->EncodeTexts(texts);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_LT(Distance(rows->row(0), rows->row(2)), 1e-6);
  EXPECT_GT(Distance(rows->row(0), rows->row(1)), 1e-3);
}

TEST(DualEncoderTest, MissingFolderAndFiles) {
  EXPECT_EQ(DualEncoder::Load("/nowhere/model", {}).status().code(), absl::StatusCode::kNotFound);
  for (const char* file : {"config.json", "preprocessor_config.json", "tokenizer.json", kVision, kText}) {
    const TinyModel model;
    model.Remove(file);
    ExpectRefused(model, absl::StatusCode::kNotFound, {file});
    std::filesystem::create_directories(model.Path(file));
    ExpectRefused(model, absl::StatusCode::kInvalidArgument, {file, "not a regular file"});
  }
  const TinyModel model;
  EXPECT_EQ(DualEncoder::Load(model.Path("config.json"), {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  model.Remove("tokenizer_config.json");
  EXPECT_NE(LoadOk(model), nullptr);
}

TEST(DualEncoderTest, FifoInPlaceOfAFileDoesNotHang) {
  const TinyModel model;
  model.Remove(kText);
  ASSERT_EQ(mkfifo(model.Path(kText).c_str(), 0600), 0);
  ExpectRefused(model, absl::StatusCode::kInvalidArgument, {kText});
}

TEST(DualEncoderTest, DamagedJson) {
  for (const char* file :
       {"config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"}) {
    for (const char* text : {"", "{", "[]", "null", "{\"a\": \xFF}"}) {
      if (std::string(file) == "tokenizer_config.json" && *text == '\0') continue;  // As good as none.
      const TinyModel model;
      model.Write(file, text);
      ExpectRefused(model, absl::StatusCode::kInvalidArgument, {file});
    }
  }
}

TEST(DualEncoderTest, ConfigThatContradictsTheTowers) {
  const struct {
    const char* from;
    const char* to;
    const char* message;
  } cases[] = {
      {"\"projection_dim\": 8", "\"projection_dim\": 9", "projection_dim"},
      {"\"projection_dim\": 8", "\"projection_dim\": \"8\"", "projection_dim"},
      {"\"projection_dim\": 8", "\"projection_dim\": 1e30", "projection_dim"},
      {"\"image_size\": 8", "\"image_size\": 16", "image_size"},
      {"\"image_size\": 8", "\"image_size\": -8", "image_size"},
      {"\"max_position_embeddings\": 16", "\"max_position_embeddings\": 2", "no room"},
      {"\"vocab_size\": 20", "\"vocab_size\": 10", "vocab_size"},
  };
  for (const auto& test : cases) {
    const TinyModel model;
    model.Replace("config.json", test.from, test.to);
    ExpectRefused(model, absl::StatusCode::kInvalidArgument, {test.message});
  }
}

TEST(DualEncoderTest, TowersThatAreNotUnderstood) {
  const struct {
    const char* file;
    const char* graph;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {kVision, "vision_nan.onnx", absl::StatusCode::kInvalidArgument, "not finite"},
      {kVision, "vision_zero.onnx", absl::StatusCode::kInvalidArgument, "all zero"},
      {kVision, "vision_other_output.onnx", absl::StatusCode::kInvalidArgument, "logits"},
      {kVision, "vision_rank_3.onnx", absl::StatusCode::kInvalidArgument, "[batch, 3, height, width]"},
      {kVision, "vision_one_channel.onnx", absl::StatusCode::kInvalidArgument, "[batch, 3, height, width]"},
      {kVision, "vision_other_side.onnx", absl::StatusCode::kInvalidArgument, "16"},
      {kVision, "vision_two_inputs.onnx", absl::StatusCode::kInvalidArgument, "one input"},
      {kVision, "vision_batch_4.onnx", absl::StatusCode::kInvalidArgument, "batches of exactly 4"},
      {kText, "text_nan.onnx", absl::StatusCode::kInvalidArgument, "not finite"},
      {kText, "text_dimension_16.onnx", absl::StatusCode::kInvalidArgument, "16"},
      {kText, "text_small_table.onnx", absl::StatusCode::kInvalidArgument, "probe"},
      {kText, "text_unknown_input.onnx", absl::StatusCode::kInvalidArgument, "pixel_values"},
      {kText, "text_float_ids.onnx", absl::StatusCode::kInvalidArgument, "input_ids"},
      {kText, "text_rank_3_output.onnx", absl::StatusCode::kInvalidArgument, ""},
      {kText, "text_external.onnx", absl::StatusCode::kInvalidArgument, "external data"},
      {kText, "text_external_in_constant.onnx", absl::StatusCode::kInvalidArgument, "external data"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.graph);
    const TinyModel model;
    model.UseGraph(test.file, test.graph);
    ExpectRefused(model, test.code, {test.file, test.message});
  }
}

TEST(DualEncoderTest, TowersInEachOthersPlace) {
  const TinyModel model;
  const std::string vision = model.Read(kVision);
  model.Write(kVision, model.Read(kText));
  ExpectRefused(model, absl::StatusCode::kInvalidArgument, {kVision});
  model.Write(kText, vision);
  model.Write(kVision, vision);
  ExpectRefused(model, absl::StatusCode::kInvalidArgument, {kText});
}

TEST(DualEncoderTest, TruncatedGraphs) {
  for (const char* file : {kVision, kText}) {
    const TinyModel model;
    const std::string whole = model.Read(file);
    for (size_t size = 0; size < whole.size(); size += size < 300 ? 7 : 61) {
      model.Write(file, whole.substr(0, size));
      SCOPED_TRACE(size);
      const absl::Status status = DualEncoder::Load(model.folder(), {.threads = 1}).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(file));
    }
  }
}

// Damage may go unseen (a weight), but must never crash or give other than
// unit vectors.
TEST(DualEncoderTest, DamagedGraphsAreRefusedOrWork) {
  std::mt19937 generator(1);
  for (const char* file : {kVision, kText}) {
    const TinyModel model;
    const std::string whole = model.Read(file);
    for (int i = 0; i < 200; ++i) {
      std::string damaged = whole;
      // The structure is at the beginning and the end, the weights between.
      const size_t place = generator() % 2 ? generator() % 200 : whole.size() - 1 - generator() % 300;
      damaged[place % damaged.size()] ^= static_cast<char>(1 << generator() % 8);
      model.Write(file, damaged);
      const auto encoder = DualEncoder::Load(model.folder(), {.threads = 1});
      if (!encoder.ok()) continue;
      const std::string text = "dog";
      const auto row = (*encoder)->EncodeTexts({&text, 1});
      if (row.ok()) {
        EXPECT_NEAR(Distance(row->row(0), row->row(0)), 0, 1e-5);
      }
    }
  }
}

TEST(DualEncoderTest, WithoutProbeABadTowerIsFoundAtItsFirstUse) {
  const TinyModel model;
  model.UseGraph(kText, "text_nan.onnx");
  const auto encoder = DualEncoder::Load(model.folder(), {.threads = 1, .probe = false});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const std::string text = "dog";
  const absl::Status status = (*encoder)->EncodeTexts({&text, 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr(kText));
}

class LazyDualEncoderTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<DualEncoder>> Load() const {
    return DualEncoder::Load(model_.folder(), {.threads = 1, .lazy = true});
  }

  const TinyModel model_;
};

TEST_F(LazyDualEncoderTest, GivesTheVectorsOfAnEagerOne) {
  const auto eager = LoadOk(model_);
  const auto lazy = Load();
  ASSERT_TRUE(lazy.ok()) << lazy.status();
  EXPECT_EQ((*lazy)->info().fingerprint, eager->info().fingerprint);
  EXPECT_EQ((*lazy)->info().dimension, eager->info().dimension);
  EXPECT_EQ((*lazy)->info().files, eager->info().files);
  EXPECT_EQ((*lazy)->info().total_bytes, eager->info().total_bytes);
  const PreparedPicture picture = Noise(*eager, 1);
  const auto row = (*lazy)->EncodePictures({&picture, 1});
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->values, eager->EncodePictures({&picture, 1})->values);
}

// The vectors must be those of the fingerprint.
TEST_F(LazyDualEncoderTest, UsesTheTowerThatWasHashed) {
  const auto lazy = Load();
  ASSERT_TRUE(lazy.ok()) << lazy.status();
  const PreparedPicture picture = Noise(**lazy, 1);
  const std::vector<float> expected = LoadOk(model_)->EncodePictures({&picture, 1})->values;
  model_.UseGraph(kVision, "vision_nan.onnx");
  const auto row = (*lazy)->EncodePictures({&picture, 1});
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->values, expected);
}

TEST_F(LazyDualEncoderTest, ManyThreadsMayComeFirst) {
  const auto eager = LoadOk(model_);
  const PreparedPicture picture = Noise(*eager, 1);
  const std::vector<float> expected = eager->EncodePictures({&picture, 1})->values;
  const auto lazy = Load();
  ASSERT_TRUE(lazy.ok()) << lazy.status();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto row = (*lazy)->EncodePictures({&picture, 1});
      ASSERT_TRUE(row.ok()) << row.status();
      EXPECT_EQ(row->values, expected);
    });
  }
}

TEST_F(LazyDualEncoderTest, ABadImageTowerIsFoundAtItsFirstUseAndLeavesTextsAlone) {
  const struct {
    const char* graph;
    const char* message;
  } cases[] = {{"vision_nan.onnx", "not finite"},
               {"vision_zero.onnx", "all zero"},
               {"vision_two_inputs.onnx", "one input"},
               {"vision_batch_4.onnx", "batches of exactly 4"},
               {"vision_other_side.onnx", "16"},
               {"vision_other_output.onnx", "is an embedding"},
               {"text_dimension_16.onnx", "an image tower has one input"}};
  for (const auto& test : cases) {
    SCOPED_TRACE(test.graph);
    model_.UseGraph(kVision, test.graph);
    const auto lazy = Load();
    ASSERT_TRUE(lazy.ok()) << lazy.status();
    const PreparedPicture picture = Noise(**lazy, 1);
    for (int call = 0; call < 2; ++call) {
      const absl::Status status = (*lazy)->EncodePictures({&picture, 1}).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
      EXPECT_THAT(std::string(status.message()),
                  AllOf(HasSubstr(model_.folder()), HasSubstr(kVision), HasSubstr(test.message)));
    }
    const std::string text = "dog";
    EXPECT_TRUE((*lazy)->EncodeTexts({&text, 1}).ok());
  }
}

TEST_F(LazyDualEncoderTest, TowersOfTwoDimensionsAreFoundAtTheFirstPicture) {
  model_.UseGraph(kText, "text_dimension_16.onnx");
  model_.Replace("config.json", "\"projection_dim\": 8", "\"projection_dim\": 16");
  const auto lazy = Load();
  ASSERT_TRUE(lazy.ok()) << lazy.status();
  const PreparedPicture picture = Noise(**lazy, 1);
  const absl::Status status = (*lazy)->EncodePictures({&picture, 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("do not share a space"));
}

TEST_F(LazyDualEncoderTest, EverythingElseIsCheckedAtLoad) {
  const std::string vision = model_.Read(kVision);
  const auto expect_refused = [&](absl::StatusCode code, const char* file) {
    const absl::Status status = Load().status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(model_.folder()), HasSubstr(file)));
  };
  model_.Write(kVision, vision.substr(0, vision.size() / 2));
  expect_refused(absl::StatusCode::kInvalidArgument, kVision);
  model_.UseGraph(kVision, "text_external.onnx");
  expect_refused(absl::StatusCode::kInvalidArgument, kVision);
  model_.Remove(kVision);
  expect_refused(absl::StatusCode::kNotFound, kVision);
  model_.Write(kVision, vision);
  model_.UseGraph(kText, "text_nan.onnx");
  expect_refused(absl::StatusCode::kInvalidArgument, kText);
}

TEST(NormalizeEmbeddingTest, MakesUnitLengthOrRefuses) {
  std::vector<float> vector = {3, 4};
  ASSERT_TRUE(NormalizeEmbedding(vector).ok());
  EXPECT_THAT(vector, ElementsAre(testing::FloatEq(0.6f), testing::FloatEq(0.8f)));
  vector = {1e30f, 1e30f};
  ASSERT_TRUE(NormalizeEmbedding(vector).ok());
  EXPECT_FLOAT_EQ(vector[0], std::sqrt(0.5f));
  vector = {0, 0};
  EXPECT_EQ(NormalizeEmbedding(vector).code(), absl::StatusCode::kInvalidArgument);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    vector = {1, bad};
    EXPECT_EQ(NormalizeEmbedding(vector).code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace eidetic::encoder
