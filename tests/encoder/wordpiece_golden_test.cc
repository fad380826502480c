// The ids of the reference tokenizer for the default model's vocabulary;
// golden/make_tokenizer_goldens.py says how they were made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "encoder/tokenizer.h"

namespace eidetic::encoder {
namespace {

constexpr int kMaxTokens = 128;
constexpr int64_t kCls = 101;
constexpr int64_t kSep = 102;

std::string ReadSourceFile(const std::string& name) {
  std::ifstream file(absl::StrCat(EIDETIC_SOURCE_DIR, "/", name), std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name << " is missing";
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class WordPieceGoldenTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto tokenizer = CreateTokenizer(ReadSourceFile("models/default/tokenizer.json"),
                                     ReadSourceFile("models/default/tokenizer_config.json"),
                                     {.max_positions = kMaxTokens});
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  void SetUp() override { ASSERT_NE(tokenizer_, nullptr); }

  // Without [CLS] and [SEP].
  static std::string InnerIds(absl::string_view text) {
    const std::vector<int64_t> ids = tokenizer_->Encode(text);
    EXPECT_EQ(ids.front(), kCls);
    EXPECT_EQ(ids.back(), kSep);
    return absl::StrJoin(ids.begin() + 1, ids.end() - 1, ",");
  }

  static inline std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(WordPieceGoldenTest, TextsHaveTheIdsOfTheReference) {
  const std::string goldens = ReadSourceFile("tests/encoder/testdata/tokenizer_goldens.txt");
  int texts = 0;
  for (absl::string_view line : absl::StrSplit(goldens, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    ASSERT_EQ(parts.size(), 3u) << line;
    int count = 0;
    std::string once;
    ASSERT_TRUE(absl::SimpleAtoi(parts[0], &count) && absl::Base64Unescape(parts[1], &once)) << line;
    std::string text;
    for (int i = 0; i < count; ++i) text += once;
    EXPECT_EQ(InnerIds(text), parts[2]) << count << " x \"" << absl::CEscape(once) << '"';
    ++texts;
  }
  EXPECT_GE(texts, 2000);
}

TEST_F(WordPieceGoldenTest, EveryCodePointHasTheIdsOfTheReference) {
  constexpr char32_t kBlock = 4096;
  const std::string goldens = ReadSourceFile("tests/encoder/testdata/tokenizer_code_points.txt");
  char32_t first = 0;
  for (absl::string_view expected : absl::StrSplit(goldens, '\n', absl::SkipEmpty())) {
    std::string lines;
    for (char32_t c = first; c < first + kBlock; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string text = "x";
      if (c < 0x80) {
        text += static_cast<char>(c);
      } else if (c < 0x800) {
        text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
      } else if (c < 0x10000) {
        text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                 static_cast<char>(0x80 | (c & 0x3F))};
      } else {
        text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
                 static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
      }
      absl::StrAppend(&lines, InnerIds(text + "y"), "\n");
    }
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const uint8_t*>(lines.data()), lines.size(),
           reinterpret_cast<uint8_t*>(digest.data()));
    EXPECT_EQ(absl::BytesToHexString(digest).substr(0, 16), expected)
        << "between U+" << std::hex << static_cast<uint32_t>(first) << " and the next 4,096";
    first += kBlock;
  }
  EXPECT_EQ(first, char32_t{0x110000});
}

// What is cut off must not cost: quadratic behaviour would take minutes here.
TEST_F(WordPieceGoldenTest, LongTextsTakeLinearTime) {
  const auto start = std::chrono::steady_clock::now();
  for (const char* part : {"a", "[", "[MASK", ".", " ", "\xCC\x81", "\xFF", "a "}) {
    std::string text;
    while (text.size() < 4'000'000) text += part;
    EXPECT_LE(tokenizer_->Encode(text).size(), static_cast<size_t>(kMaxTokens));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace eidetic::encoder
