// Confidence: what it rises with, what it rests on, and its file.
#include "searcher/score_calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "searcher/background_queries.h"

namespace eidetic::searcher {
namespace {

using testing::HasSubstr;

constexpr int kDimension = 32;

class Rows {
 public:
  explicit Rows(uint32_t seed) : generator_(seed) {}

  std::vector<float> Unit() {
    std::vector<float> row(kDimension);
    double squares = 0;
    for (float& value : row) {
      value = normal_(generator_);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    for (float& value : row) value = static_cast<float>(value / std::sqrt(squares));
    return row;
  }

  // `share` of `row`, the rest at random.
  std::vector<float> Near(const std::vector<float>& row, float share) {
    std::vector<float> mixed = Unit();
    double squares = 0;
    for (size_t i = 0; i < mixed.size(); ++i) {
      mixed[i] = share * row[i] + (1 - share) * mixed[i];
      squares += static_cast<double>(mixed[i]) * static_cast<double>(mixed[i]);
    }
    for (float& value : mixed) value = static_cast<float>(value / std::sqrt(squares));
    return mixed;
  }

 private:
  std::mt19937 generator_;
  std::normal_distribution<float> normal_;
};

void Append(std::vector<float>& rows, const std::vector<float>& row) {
  rows.insert(rows.end(), row.begin(), row.end());
}

float Dot(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// 60 background queries over 100 photos, none of which is of them.
CalibrationSamples Unrelated(Rows& rows, std::vector<std::vector<float>>& photos) {
  CalibrationSamples samples;
  samples.dimension = kDimension;
  samples.photo_count = 100;
  samples.model_fingerprint = "f";
  for (int i = 0; i < 100; ++i) photos.push_back(rows.Unit());
  for (int i = 0; i < 60; ++i) {
    const std::vector<float> query = rows.Unit();
    const std::vector<float>* best = &photos[0];
    for (const auto& photo : photos) {
      if (Dot(query, photo) > Dot(query, *best)) best = &photo;
    }
    Append(samples.background, query);
    Append(samples.chance_queries, query);
    Append(samples.chance_photos, *best);
  }
  return samples;
}

TEST(ScoreCalibrationTest, BestMatchesByChanceAreUnlikelyAndRealOnesLikely) {
  Rows rows(1);
  std::vector<std::vector<float>> photos;
  const auto calibration = ScoreCalibration::Fit(Unrelated(rows, photos));
  ASSERT_TRUE(calibration.ok()) << calibration.status();
  EXPECT_FALSE(calibration->fitted_on_captions());
  double by_chance = 0;
  double real = 0;
  for (int i = 0; i < 200; ++i) {
    const std::vector<float> query = rows.Unit();
    const std::vector<float>* best = &photos[0];
    for (const auto& photo : photos) {
      if (Dot(query, photo) > Dot(query, *best)) best = &photo;
    }
    by_chance += *calibration->Confidence(Dot(query, *best), *best);
    const std::vector<float>& photo = photos[static_cast<size_t>(i) % photos.size()];
    real += *calibration->Confidence(Dot(rows.Near(photo, 0.8F), photo), photo);
  }
  EXPECT_LT(by_chance / 200, 0.25);
  EXPECT_GT(real / 200, 0.9);
}

TEST(ScoreCalibrationTest, RisesWithTheScoreAndStaysBetweenZeroAndOne) {
  Rows rows(2);
  std::vector<std::vector<float>> photos;
  const auto calibration = ScoreCalibration::Fit(Unrelated(rows, photos));
  ASSERT_TRUE(calibration.ok());
  float last = -1;
  for (float score = -1; score <= 1; score += 0.05F) {
    const auto confidence = calibration->Confidence(score, photos[0]);
    ASSERT_TRUE(confidence.ok());
    EXPECT_GE(*confidence, 0);
    EXPECT_LE(*confidence, 1);
    EXPECT_GE(*confidence, last);
    last = *confidence;
  }
}

TEST(ScoreCalibrationTest, CaptionsOfTheLibraryDecideHowSteepItIs) {
  Rows rows(3);
  std::vector<std::vector<float>> photos;
  const CalibrationSamples unrelated = Unrelated(rows, photos);
  const auto fit = [&](size_t captions, float share) {
    CalibrationSamples samples = unrelated;
    for (size_t i = 0; i < captions; ++i) {
      const std::vector<float>& photo = photos[i % photos.size()];
      Append(samples.captions, rows.Near(photo, share));
      Append(samples.captioned_photos, photo);
    }
    return *ScoreCalibration::Fit(std::move(samples));
  };
  EXPECT_FALSE(fit(ScoreCalibration::kFewestCaptions - 1, 0.9F).fitted_on_captions());
  const ScoreCalibration close = fit(ScoreCalibration::kFewestCaptions, 0.9F);
  EXPECT_TRUE(close.fitted_on_captions());
  // Where captions match only loosely, the same score means more.
  const ScoreCalibration loose = fit(ScoreCalibration::kFewestCaptions, 0.45F);
  EXPECT_TRUE(loose.fitted_on_captions());
  EXPECT_GT(*loose.Confidence(0.6F, photos[0]), *close.Confidence(0.6F, photos[0]));
  // Captions that have nothing to do with their photos teach nothing.
  EXPECT_FALSE(fit(ScoreCalibration::kFewestCaptions, 0.0F).fitted_on_captions());
}

TEST(ScoreCalibrationTest, RefusesWhatDoesNotFitTogether) {
  Rows rows(4);
  std::vector<std::vector<float>> photos;
  const CalibrationSamples whole = Unrelated(rows, photos);
  const auto refused = [](CalibrationSamples samples) {
    return absl::IsInvalidArgument(ScoreCalibration::Fit(std::move(samples)).status());
  };
  EXPECT_TRUE(refused({}));
  CalibrationSamples samples = whole;
  samples.dimension = 0;
  EXPECT_TRUE(refused(samples));
  samples = whole;
  samples.chance_photos.pop_back();
  EXPECT_TRUE(refused(samples));
  samples = whole;
  samples.background.pop_back();
  EXPECT_TRUE(refused(samples));
  samples = whole;
  samples.captions = photos[0];
  EXPECT_TRUE(refused(samples));
  const std::vector<float> shorter(kDimension - 1);
  EXPECT_TRUE(absl::IsInvalidArgument(ScoreCalibration::Fit(whole)->Confidence(0.5F, shorter).status()));
}

TEST(ScoreCalibrationTest, ComesBackFromItsFileAndKnowsADamagedOne) {
  Rows rows(5);
  std::vector<std::vector<float>> photos;
  const auto calibration = ScoreCalibration::Fit(Unrelated(rows, photos));
  ASSERT_TRUE(calibration.ok());
  const std::string bytes = calibration->Serialize();
  const auto parsed = ScoreCalibration::Parse(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->model_fingerprint(), "f");
  EXPECT_EQ(parsed->photo_count(), 100);
  EXPECT_EQ(parsed->background(), calibration->background());
  EXPECT_EQ(*parsed->Confidence(0.4F, photos[3]), *calibration->Confidence(0.4F, photos[3]));

  std::mt19937 generator(6);
  for (int i = 0; i < 500; ++i) {
    std::string damaged = bytes;
    damaged[generator() % damaged.size()] ^= static_cast<char>(1 << (generator() % 8));
    EXPECT_FALSE(ScoreCalibration::Parse(damaged).ok());
    EXPECT_FALSE(
        ScoreCalibration::Parse(absl::string_view(bytes).substr(0, generator() % bytes.size())).ok());
  }
  EXPECT_FALSE(ScoreCalibration::Parse(bytes + "x").ok());
}

TEST(BackgroundQueriesTest, AreManyAndDiffer) {
  std::vector<std::string> queries(BackgroundQueries().begin(), BackgroundQueries().end());
  EXPECT_GE(queries.size(), 150);
  std::sort(queries.begin(), queries.end());
  EXPECT_EQ(std::adjacent_find(queries.begin(), queries.end()), queries.end());
}

}  // namespace
}  // namespace eidetic::searcher
