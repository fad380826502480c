// Each tokenizer family has the ids of the reference, over more than 5,000 texts
// and every code point; golden/make_tokenizer_family_goldens.py says how the
// goldens were made.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "encoder/tokenizer.h"
#include "encoder/utf8.h"
#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

constexpr int kNoLimit = 1 << 20;

std::string ReadGolden(const std::string& name) {
  return ReadWholeFile(absl::StrCat(EIDETIC_SOURCE_DIR, "/tests/encoder/testdata/tokenizers/", name));
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

std::string Digest(const std::string& text, size_t digits) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), digits / 2));
}

class TokenizerFamilyTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = GetParam();
    const bool bert = name.starts_with("bert");
    const std::string rules =
        bert ? ReadWholeFile(absl::StrCat(EIDETIC_SOURCE_DIR, "/models/default/tokenizer.json"))
             : ReadGolden(name + ".json");
    nlohmann::json unlimited = nlohmann::json::parse(rules);
    unlimited["truncation"] = nullptr;
    const char* config = name == "bert_cased" ? R"({"do_lower_case": false})" : "";
    auto tokenizer = CreateTokenizer(unlimited.dump(), config, {.max_positions = kNoLimit});
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  std::string Ids(absl::string_view text) const { return absl::StrJoin(tokenizer_->Encode(text), ","); }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TokenizerFamilyTest, TextsHaveTheIdsOfTheReference) {
  const std::vector<std::string> texts = Lines(ReadGolden("texts.txt"));
  const std::vector<std::string> digests = Lines(ReadGolden(absl::StrCat(GetParam(), ".ids")));
  ASSERT_GE(texts.size(), 5000u);
  ASSERT_EQ(texts.size(), digests.size());
  int wrong = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string> parts = absl::StrSplit(texts[i], ' ');
    int count = 0;
    std::string once;
    ASSERT_TRUE(parts.size() == 2 && absl::SimpleAtoi(parts[0], &count) &&
                absl::Base64Unescape(parts[1], &once));
    std::string text;
    for (int repeat = 0; repeat < count; ++repeat) text += once;
    const std::string ids = Ids(text);
    if (Digest(ids, 8) == digests[i]) continue;
    ADD_FAILURE() << "text " << i << ", " << count << " x \"" << absl::CEscape(once)
                  << "\": " << ids.substr(0, 300);
    if (++wrong == 20) FAIL() << "and more";
  }
}

TEST_P(TokenizerFamilyTest, EveryCodePointHasTheIdsOfTheReference) {
  constexpr char32_t kBlock = 4096;
  constexpr char32_t kRow = 64;
  char32_t first = 0;
  for (const std::string& expected : Lines(ReadGolden(absl::StrCat(GetParam(), ".code_points")))) {
    std::string lines;
    for (char32_t row = first; row < first + kBlock; row += kRow) {
      std::u32string text;
      for (char32_t c = row; c < row + kRow; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        if (!text.empty()) text.push_back(U' ');
        text.append({U'x', c, U'y'});
      }
      absl::StrAppend(&lines, Ids(EncodeUtf8(text)), "\n");
    }
    EXPECT_EQ(Digest(lines, 16), expected) << "code points from " << absl::StrCat(absl::Hex(first));
    first += kBlock;
  }
  EXPECT_EQ(first, 0x110000u);
}

INSTANTIATE_TEST_SUITE_P(Families, TokenizerFamilyTest,
                         testing::Values("clip", "xlm_roberta", "siglip", "gemma", "bert", "bert_cased"),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace eidetic::encoder
