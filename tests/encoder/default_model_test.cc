// The model that ships: it loads, agrees with the Python reference that made
// its vectors, and has its phrases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "encoder/dual_encoder.h"
#include "encoder/model_check.h"
#include "encoder/phrase_bank.h"

namespace eidetic::encoder {
namespace {

std::string Folder() { return absl::StrCat(EIDETIC_SOURCE_DIR, "/models/default"); }

TEST(DefaultModelTest, AgreesWithItsReferenceVectors) {
  const auto encoder = DualEncoder::Load(Folder(), {});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto report = CheckModel(**encoder);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GE(report->texts.size(), 10u);
  EXPECT_GE(report->images.size(), 5u);
  for (const auto& item : report->texts) EXPECT_LE(item.cosine_distance, 1e-3) << item.name;
  for (const auto& item : report->images) EXPECT_LE(item.cosine_distance, 1e-3) << item.name;
  EXPECT_LE(report->max_batch_distance, 1e-6);
  EXPECT_TRUE(report->passed);
}

TEST(DefaultModelTest, HasAPhraseBank) {
  const auto encoder = DualEncoder::Load(Folder(), {});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto bank = LoadPhraseBank(Folder(), (*encoder)->dimension());
  ASSERT_TRUE(bank.ok()) << bank.status();
  EXPECT_GE(bank->phrases.size(), 20'000u);
  // The stored vectors are those of this text tower.
  for (const size_t row : {size_t{0}, bank->phrases.size() / 2, bank->phrases.size() - 1}) {
    const auto embedding = (*encoder)->EncodeTexts({&bank->phrases[row], 1});
    ASSERT_TRUE(embedding.ok()) << embedding.status();
    double cosine = 0;
    for (int i = 0; i < bank->dimension; ++i) {
      cosine += bank->embeddings[row * bank->dimension + i] * embedding->row(0)[i];
    }
    EXPECT_GT(cosine, 0.99) << bank->phrases[row];
  }
}

}  // namespace
}  // namespace eidetic::encoder
