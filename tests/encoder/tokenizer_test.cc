#include "encoder/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// The tiny model's, with the words [PAD] [UNK] [CLS] [SEP] [MASK] a photo of the
// dog cat red blue beach ##s ##ing run . , !
json TinyTokenizer() {
  return json::parse(
      ReadWholeFile(absl::StrCat(EIDETIC_SOURCE_DIR, "/tests/encoder/testdata/models/tiny/tokenizer.json")));
}

std::unique_ptr<Tokenizer> CreateOk(const json& rules, int max_positions = 16,
                                    const std::string& config = "") {
  auto tokenizer = CreateTokenizer(rules.dump(), config, {.max_positions = max_positions});
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

void ExpectRefused(const json& rules, absl::StatusCode code, const std::string& part) {
  const absl::Status status = CreateTokenizer(rules.dump(), "", {.max_positions = 16}).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("tokenizer.json"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

TEST(TokenizerTest, CutsWordsIntoTheLongestPieces) {
  const auto tokenizer = CreateOk(TinyTokenizer());
  EXPECT_THAT(tokenizer->Encode("A photo of the dogs, running!"),
              ElementsAre(2, 5, 6, 7, 8, 9, 14, 18, 1, 19, 3));
  EXPECT_THAT(tokenizer->Encode("DOGSING"), ElementsAre(2, 9, 14, 15, 3));
  EXPECT_THAT(tokenizer->Encode("dogx"), ElementsAre(2, 1, 3));
  EXPECT_THAT(tokenizer->Encode(""), ElementsAre(2, 3));
  EXPECT_EQ(tokenizer->vocabulary_size(), 20);
  EXPECT_EQ(tokenizer->pad_id(), 0);
}

TEST(TokenizerTest, AddedTokensAreFoundBeforeLowerCase) {
  const auto tokenizer = CreateOk(TinyTokenizer());
  EXPECT_THAT(tokenizer->Encode("dog[MASK]s"), ElementsAre(2, 9, 4, 1, 3));
  EXPECT_THAT(tokenizer->Encode("[mask]"), ElementsAre(2, 1, 1, 1, 3));
}

TEST(TokenizerTest, TruncatesToTheSmallestLimit) {
  json rules = TinyTokenizer();
  const std::string text = "a a a a a a a a a a a a a a a a a a a a";
  EXPECT_THAT(CreateOk(rules, 5)->Encode(text), ElementsAre(2, 5, 5, 5, 3));
  EXPECT_THAT(CreateOk(rules, 16, R"({"model_max_length": 4})")->Encode(text), ElementsAre(2, 5, 5, 3));
  rules["truncation"] = {{"max_length", 3}, {"direction", "Right"}};
  EXPECT_THAT(CreateOk(rules, 16, R"({"model_max_length": 1e30})")->Encode(text), ElementsAre(2, 5, 3));
  EXPECT_EQ(CreateOk(rules, 16)->max_length(), 3);
  // A word of several pieces is cut too.
  EXPECT_THAT(CreateOk(rules, 16)->Encode("dogs"), ElementsAre(2, 9, 3));
}

TEST(TokenizerTest, FollowsTheNormalizersSwitches) {
  json rules = TinyTokenizer();
  rules["model"]["vocab"]["caf\u00e9"] = 20;
  rules["model"]["vocab"]["cafe"] = 21;
  EXPECT_THAT(CreateOk(rules)->Encode("CAF\u00c9"), ElementsAre(2, 21, 3));
  rules["normalizer"]["strip_accents"] = false;
  EXPECT_THAT(CreateOk(rules)->Encode("CAF\u00c9"), ElementsAre(2, 20, 3));
  rules["normalizer"]["lowercase"] = false;
  EXPECT_THAT(CreateOk(rules)->Encode("caf\u00e9 CAFE"), ElementsAre(2, 20, 1, 3));
  rules["normalizer"]["strip_accents"] = nullptr;  // Follows lowercase.
  EXPECT_THAT(CreateOk(rules)->Encode("caf\u00e9"), ElementsAre(2, 20, 3));
  rules["normalizer"]["clean_text"] = false;
  EXPECT_THAT(CreateOk(rules)->Encode("dog\u200b\tdog"), ElementsAre(2, 1, 9, 3));
  rules["normalizer"] = nullptr;
  EXPECT_THAT(CreateOk(rules)->Encode("Dog dog"), ElementsAre(2, 1, 9, 3));
}

TEST(TokenizerTest, ReadsATemplateAndPadding) {
  json rules = TinyTokenizer();
  rules["padding"] = {{"pad_id", 7}};
  rules["post_processor"] = json::parse(R"({"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "end"}}],
      "special_tokens": {"end": {"ids": [3, 4]}}})");
  const auto tokenizer = CreateOk(rules, 4);
  EXPECT_THAT(tokenizer->Encode("dog dog dog"), ElementsAre(9, 9, 3, 4));
  EXPECT_EQ(tokenizer->pad_id(), 7);
  rules["post_processor"] = nullptr;
  EXPECT_THAT(CreateOk(rules)->Encode("dog"), ElementsAre(9));
}

TEST(TokenizerTest, OtherFamiliesAreNamed) {
  json rules = TinyTokenizer();
  rules["model"]["type"] = "WordLevel";
  ExpectRefused(rules, absl::StatusCode::kUnimplemented, "WordLevel");
  for (const auto& [part, type] : {std::pair("normalizer", "NFKC"), std::pair("pre_tokenizer", "Metaspace"),
                                   std::pair("post_processor", "PairProcessing")}) {
    rules = TinyTokenizer();
    rules[part] = {{"type", type}};
    ExpectRefused(rules, absl::StatusCode::kUnimplemented, type);
  }
  rules = TinyTokenizer();
  rules["truncation"] = {{"direction", "Left"}, {"max_length", 8}};
  ExpectRefused(rules, absl::StatusCode::kUnimplemented, "left");
  rules = TinyTokenizer();
  rules["added_tokens"][0]["normalized"] = true;
  ExpectRefused(rules, absl::StatusCode::kUnimplemented, "[PAD]");
}

TEST(TokenizerTest, ErrorsNameTheKey) {
  const struct {
    const char* patch;
    const char* part;
  } cases[] = {
      {R"([{"op": "remove", "path": "/model"}])", "model"},
      {R"([{"op": "replace", "path": "/model", "value": 3}])", "model"},
      {R"([{"op": "remove", "path": "/model/type"}])", "type"},
      {R"([{"op": "remove", "path": "/model/vocab"}])", "vocab"},
      {R"([{"op": "replace", "path": "/model/vocab", "value": []}])", "vocab"},
      {R"([{"op": "replace", "path": "/model/vocab/dog", "value": -1}])", "vocab"},
      {R"([{"op": "replace", "path": "/model/vocab/dog", "value": 1.5}])", "vocab"},
      {R"([{"op": "replace", "path": "/model/vocab/dog", "value": 99999999999}])", "vocab"},
      {R"([{"op": "remove", "path": "/model/vocab/[UNK]"}])", "[UNK]"},
      {R"([{"op": "replace", "path": "/model/max_input_chars_per_word", "value": 0}])", "max_input_chars"},
      {R"([{"op": "replace", "path": "/model/unk_token", "value": 7}])", "unk_token"},
      {R"([{"op": "replace", "path": "/normalizer/lowercase", "value": "yes"}])", "lowercase"},
      {R"([{"op": "remove", "path": "/pre_tokenizer"}])", "pre_tokenizer"},
      {R"([{"op": "replace", "path": "/post_processor/cls", "value": ["[CLS]"]}])", "cls"},
      {R"([{"op": "replace", "path": "/post_processor", "value": {"type": "TemplateProcessing", "single": []}}])",
       "single"},
      {R"([{"op": "replace", "path": "/added_tokens/0/id", "value": -4}])", "id"},
      {R"([{"op": "remove", "path": "/added_tokens/0/content"}])", "content"},
      {R"([{"op": "replace", "path": "/truncation", "value": {"max_length": 0}}])", "max_length"},
      {R"([{"op": "replace", "path": "/truncation", "value": {"max_length": 2}}])", "no room"},
      {R"([{"op": "replace", "path": "/padding", "value": {"pad_id": -1}}])", "pad_id"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.patch);
    ExpectRefused(TinyTokenizer().patch(json::parse(test.patch)), absl::StatusCode::kInvalidArgument,
                  test.part);
  }
}

TEST(TokenizerTest, DamagedTextIsRefused) {
  const std::string whole = TinyTokenizer().dump();
  for (size_t size = 0; size < whole.size(); size += 13) {
    EXPECT_EQ(CreateTokenizer(whole.substr(0, size), "", {.max_positions = 16}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(CreateTokenizer(std::string(200'000, '['), "", {.max_positions = 16}).ok());
  const absl::Status status =
      CreateTokenizer(whole, R"({"model_max_length": "many"})", {.max_positions = 16}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("tokenizer_config.json"));
}

}  // namespace
}  // namespace eidetic::encoder
