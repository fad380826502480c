#include "searcher/score_calibration.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eidetic/searcher/v1/score_calibration.pb.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

constexpr char kMagic[] = "eideticC";
constexpr size_t kMagicBytes = 8;
// Of the file, the method and the list of background queries together.
constexpr char kVersion = 1;
constexpr size_t kHeaderBytes = kMagicBytes + 1 + sizeof(XXH128_canonical_t);

// Measured with the default model on 2,000 training photos of Flickr8k and their
// captions against the background queries (docs/confidence.md).
constexpr double kSlope = 1.75;
constexpr double kIntercept = -2.15;
// How strongly a fit is held to them, beside a weight of 1 for all samples.
constexpr double kPrior = 0.01;
constexpr int kNewtonSteps = 50;
constexpr double kLongestStep = 0.5;

constexpr double kSmallestSpread = 0.05;
constexpr double kSmallestDeviation = 1e-6;
// A median absolute deviation as a standard deviation of a normal distribution.
constexpr double kFromMedianDeviation = 1.4826;

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

XXH128_canonical_t ChecksumOf(absl::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return canonical;
}

absl::string_view AsView(const XXH128_canonical_t& checksum) {
  return {reinterpret_cast<const char*>(checksum.digest), sizeof(checksum.digest)};
}

}  // namespace

absl::StatusOr<ScoreCalibration> ScoreCalibration::Fit(CalibrationSamples samples) {
  const auto dimension = static_cast<size_t>(std::max(samples.dimension, 1));
  const auto whole_rows = [dimension](const std::vector<float>& values) {
    return values.size() % dimension == 0;
  };
  if (samples.dimension < 1 || samples.background.empty() || !whole_rows(samples.background) ||
      samples.chance_queries.empty() || !whole_rows(samples.chance_queries) ||
      samples.chance_photos.size() != samples.chance_queries.size() || !whole_rows(samples.captions) ||
      samples.captioned_photos.size() != samples.captions.size()) {
    return absl::InvalidArgumentError("samples of a calibration do not fit together");
  }
  ScoreCalibration calibration;
  calibration.dimension_ = samples.dimension;
  calibration.background_ = std::move(samples.background);
  calibration.photo_count_ = samples.photo_count;
  calibration.model_fingerprint_ = std::move(samples.model_fingerprint);

  const auto standouts = [&](const std::vector<float>& queries, const std::vector<float>& photos) {
    std::vector<double> result;
    for (size_t start = 0; start < queries.size(); start += dimension) {
      const auto photo = std::span<const float>(photos).subspan(start, dimension);
      result.push_back(
          calibration.Standout(calibration.dot_(queries.data() + start, photo.data(), dimension), photo));
    }
    return result;
  };
  std::vector<double> unrelated = standouts(samples.chance_queries, samples.chance_photos);
  calibration.noise_center_ = Median(unrelated);
  std::vector<double> deviations = unrelated;
  for (double& value : deviations) value = std::abs(value - calibration.noise_center_);
  calibration.noise_spread_ = std::max(kFromMedianDeviation * Median(std::move(deviations)), kSmallestSpread);

  calibration.slope_ = kSlope;
  calibration.intercept_ = kIntercept;
  if (samples.captions.size() / dimension >= kFewestCaptions) {
    std::vector<double> related = standouts(samples.captions, samples.captioned_photos);
    for (std::vector<double>* values : {&related, &unrelated}) {
      for (double& value : *values) {
        value = (value - calibration.noise_center_) / calibration.noise_spread_;
      }
    }
    calibration.FitCurve(related, unrelated);
  }
  return calibration;
}

// Logistic regression by Newton's method; both classes weigh the same.
void ScoreCalibration::FitCurve(std::span<const double> related, std::span<const double> unrelated) {
  double slope = kSlope;
  double intercept = kIntercept;
  for (int step = 0; step < kNewtonSteps; ++step) {
    // Gradient and negated Hessian of the weighted log likelihood with its prior.
    double gradient_slope = kPrior * (kSlope - slope);
    double gradient_intercept = kPrior * (kIntercept - intercept);
    double slope_slope = kPrior;
    double slope_intercept = 0;
    double intercept_intercept = kPrior;
    const auto add = [&](std::span<const double> values, double label) {
      const double weight = 0.5 / static_cast<double>(values.size());
      for (const double value : values) {
        const double likely = Logistic(slope * value + intercept);
        const double curvature = weight * likely * (1 - likely);
        gradient_slope += weight * (label - likely) * value;
        gradient_intercept += weight * (label - likely);
        slope_slope += curvature * value * value;
        slope_intercept += curvature * value;
        intercept_intercept += curvature;
      }
    };
    add(related, 1);
    add(unrelated, 0);
    const double determinant = slope_slope * intercept_intercept - slope_intercept * slope_intercept;
    const double slope_step =
        (intercept_intercept * gradient_slope - slope_intercept * gradient_intercept) / determinant;
    const double intercept_step =
        (slope_slope * gradient_intercept - slope_intercept * gradient_slope) / determinant;
    // Far from the maximum a whole step overshoots.
    const double damping = std::min(1.0, kLongestStep / std::hypot(slope_step, intercept_step));
    slope += damping * slope_step;
    intercept += damping * intercept_step;
  }
  // Captions that say nothing of their photos teach nothing.
  if (!std::isfinite(slope) || !std::isfinite(intercept) || slope < kSlope / 4) return;
  slope_ = slope;
  intercept_ = intercept;
  fitted_on_captions_ = true;
}

double ScoreCalibration::Standout(double score, std::span<const float> photo) const {
  double sum = 0;
  double squares = 0;
  const size_t count = background_.size() / photo.size();
  for (size_t i = 0; i < count; ++i) {
    const auto value =
        static_cast<double>(dot_(background_.data() + i * photo.size(), photo.data(), photo.size()));
    sum += value;
    squares += value * value;
  }
  const double mean = sum / static_cast<double>(count);
  const double variance = squares / static_cast<double>(count) - mean * mean;
  return (score - mean) / std::max(std::sqrt(std::max(variance, 0.0)), kSmallestDeviation);
}

absl::StatusOr<float> ScoreCalibration::Confidence(float score, std::span<const float> photo) const {
  if (photo.size() != static_cast<size_t>(dimension_)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a photo's vector has ", photo.size(), " values, the calibration ", dimension_));
  }
  const double above_noise = (Standout(score, photo) - noise_center_) / noise_spread_;
  return static_cast<float>(Logistic(slope_ * above_noise + intercept_));
}

std::string ScoreCalibration::Serialize() const {
  v1::ScoreCalibration message;
  message.set_model_fingerprint(model_fingerprint_);
  message.set_photo_count(photo_count_);
  message.set_dimension(static_cast<uint32_t>(dimension_));
  message.mutable_background()->Assign(background_.begin(), background_.end());
  message.set_noise_center(noise_center_);
  message.set_noise_spread(noise_spread_);
  message.set_slope(slope_);
  message.set_intercept(intercept_);
  message.set_fitted_on_captions(fitted_on_captions_);
  const std::string payload = message.SerializeAsString();
  return absl::StrCat(absl::string_view(kMagic, kMagicBytes), absl::string_view(&kVersion, 1),
                      AsView(ChecksumOf(payload)), payload);
}

absl::StatusOr<ScoreCalibration> ScoreCalibration::Parse(absl::string_view bytes) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, kMagicBytes) != absl::string_view(kMagic, kMagicBytes)) {
    return absl::DataLossError("not a calibration");
  }
  if (bytes[kMagicBytes] != kVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a calibration of version ", static_cast<int>(bytes[kMagicBytes]),
        ", this version of Eidetic reads version ", static_cast<int>(kVersion), "; it is made anew"));
  }
  const absl::string_view payload = bytes.substr(kHeaderBytes);
  if (AsView(ChecksumOf(payload)) != bytes.substr(kMagicBytes + 1, sizeof(XXH128_canonical_t))) {
    return absl::DataLossError("a calibration has a wrong checksum");
  }
  v1::ScoreCalibration message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size())) || message.dimension() == 0 ||
      message.background().empty() ||
      static_cast<size_t>(message.background_size()) % message.dimension() != 0) {
    return absl::DataLossError("a calibration is malformed");
  }
  ScoreCalibration calibration;
  calibration.dimension_ = static_cast<int>(message.dimension());
  calibration.background_.assign(message.background().begin(), message.background().end());
  calibration.photo_count_ = message.photo_count();
  calibration.model_fingerprint_ = message.model_fingerprint();
  calibration.noise_center_ = message.noise_center();
  calibration.noise_spread_ = message.noise_spread();
  calibration.slope_ = message.slope();
  calibration.intercept_ = message.intercept();
  calibration.fitted_on_captions_ = message.fitted_on_captions();
  return calibration;
}

}  // namespace eidetic::searcher
