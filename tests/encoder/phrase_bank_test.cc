#include "encoder/phrase_bank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/encoder/tiny_model.h"

namespace eidetic::encoder {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kPhrases[] = "phrase_bank/phrases.txt";
constexpr char kEmbeddings[] = "phrase_bank/embeddings.npy";
constexpr char kScales[] = "phrase_bank/scales.npy";

std::string Npy(const std::string& type, const std::string& shape, const std::string& data) {
  const std::string header =
      absl::StrCat("{'descr': '", type, "', 'fortran_order': False, 'shape': (", shape, "), }\n");
  std::string bytes = "\x93NUMPY";
  bytes += {'\1', '\0', static_cast<char>(header.size()), '\0'};
  return bytes + header + data;
}

std::string Floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class PhraseBankTest : public testing::Test {
 protected:
  PhraseBankTest() {
    model_.Write(kPhrases, "a dog\na cat on a mat\n");
    model_.Write(kEmbeddings, Npy("|i1", "2, 2", std::string("\x03\x04\x00\x81", 4)));
    model_.Write(kScales, Npy("<f4", "2,", Floats({0.2f, 0.01f})));
  }

  void ExpectRefused(const char* file) {
    const absl::Status status = LoadPhraseBank(model_.folder(), 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(model_.Path(file)));
  }

  TinyModel model_;
};

TEST_F(PhraseBankTest, GivesUnitVectors) {
  const auto bank = LoadPhraseBank(model_.folder(), 2);
  ASSERT_TRUE(bank.ok()) << bank.status();
  EXPECT_EQ(bank->dimension, 2);
  EXPECT_THAT(bank->phrases, ElementsAre("a dog", "a cat on a mat"));
  EXPECT_THAT(bank->embeddings, testing::Pointwise(testing::FloatNear(1e-6), {0.6f, 0.8f, 0.0f, -1.0f}));
}

TEST_F(PhraseBankTest, LastLineNeedsNoEnd) {
  model_.Write(kPhrases, "a dog\na cat on a mat");
  EXPECT_TRUE(LoadPhraseBank(model_.folder(), 2).ok());
}

TEST_F(PhraseBankTest, NoBankIsAnEmptyBank) {
  model_.Remove("phrase_bank");
  const auto bank = LoadPhraseBank(model_.folder(), 2);
  ASSERT_TRUE(bank.ok()) << bank.status();
  EXPECT_TRUE(bank->phrases.empty());
  EXPECT_TRUE(bank->embeddings.empty());
}

TEST_F(PhraseBankTest, MissingPartsAreNamed) {
  for (const char* file : {kPhrases, kEmbeddings, kScales}) {
    const std::string before = model_.Read(file);
    model_.Remove(file);
    const absl::Status status = LoadPhraseBank(model_.folder(), 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
    model_.Write(file, before);
  }
}

TEST_F(PhraseBankTest, RefusesFilesThatDisagree) {
  EXPECT_FALSE(LoadPhraseBank(model_.folder(), 4).ok());
  model_.Write(kPhrases, "a dog\n");
  ExpectRefused(kEmbeddings);
  model_.Write(kPhrases, "a dog\na cat\n");
  model_.Write(kScales, Npy("<f4", "1,", Floats({1})));
  ExpectRefused(kScales);
  model_.Write(kScales, Npy("<f8", "2,", std::string(16, 'a')));
  ExpectRefused(kScales);
  model_.Write(kEmbeddings, Npy("<f4", "2, 2", std::string(16, 'a')));
  ExpectRefused(kEmbeddings);
  model_.Write(kEmbeddings, "PNG");
  ExpectRefused(kEmbeddings);
}

TEST_F(PhraseBankTest, RefusesRowsWithoutADirection) {
  model_.Write(kScales, Npy("<f4", "2,", Floats({0.2f, NAN})));
  ExpectRefused(kEmbeddings);
  model_.Write(kScales, Npy("<f4", "2,", Floats({0.0f, 1})));
  ExpectRefused(kEmbeddings);
}

}  // namespace
}  // namespace eidetic::encoder
