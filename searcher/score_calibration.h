// Turns the raw score of a text query and a photo into a confidence: how likely
// the photo shows what the text says, rather than being the best of a library
// that has nothing of the kind (docs/confidence.md). Of one library and one
// model. Immutable after Fit or Parse; any thread.
//
//   ASSIGN_OR_RETURN(ScoreCalibration calibration, ScoreCalibration::Fit(samples));
//   float confidence = calibration.Confidence(score, photo_vector);
#ifndef EIDETIC_SEARCHER_SCORE_CALIBRATION_H_
#define EIDETIC_SEARCHER_SCORE_CALIBRATION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "searcher/inner_product.h"

namespace eidetic::searcher {

// Rows of `dimension` floats of unit length.
struct CalibrationSamples {
  int dimension = 0;
  std::vector<float> background;
  // Background queries and the library's best photo for each, row by row: what a
  // match by chance looks like.
  std::vector<float> chance_queries;
  std::vector<float> chance_photos;
  // Captions of the library and the photos they belong to, row by row; may be
  // empty.
  std::vector<float> captions;
  std::vector<float> captioned_photos;
  // What the samples are of.
  uint64_t photo_count = 0;
  std::string model_fingerprint;
};

class ScoreCalibration {
 public:
  // From this many captions on the library's own decide how steeply confidence
  // rises.
  static constexpr size_t kFewestCaptions = 200;

  // What is below is almost surely noise, and the fewest photos that tell:
  // docs/confidence.md has the figures.
  static constexpr float kNoiseConfidence = 0.05F;
  static constexpr uint64_t kFewestPhotosForNoise = 200;

  // kInvalidArgument: row counts or dimension do not fit, or no background.
  static absl::StatusOr<ScoreCalibration> Fit(CalibrationSamples samples);

  // 0 to 1. `score` is the inner product of the query with `photo`.
  // kInvalidArgument: another dimension.
  absl::StatusOr<float> Confidence(float score, std::span<const float> photo) const;

  // What a hit must have to be more than noise; 0: not known in so small a
  // library.
  float noise_confidence() const { return photo_count_ < kFewestPhotosForNoise ? 0 : kNoiseConfidence; }

  // For a file that may be deleted at any time. Parse gives kDataLoss for bytes
  // that are not whole, kFailedPrecondition for those of another version.
  std::string Serialize() const;
  static absl::StatusOr<ScoreCalibration> Parse(absl::string_view bytes);

  const std::string& model_fingerprint() const { return model_fingerprint_; }
  uint64_t photo_count() const { return photo_count_; }
  int dimension() const { return dimension_; }
  // The rows given to Fit.
  const std::vector<float>& background() const { return background_; }
  bool fitted_on_captions() const { return fitted_on_captions_; }

 private:
  ScoreCalibration() = default;
  // How far above the photo's scores for the background this score is, in
  // standard deviations.
  double Standout(double score, std::span<const float> photo) const;
  void FitCurve(std::span<const double> related, std::span<const double> unrelated);

  InnerProductKernel dot_ = BestInnerProduct();
  int dimension_ = 0;
  std::vector<float> background_;
  uint64_t photo_count_ = 0;
  std::string model_fingerprint_;
  // Standout of a best match by chance: median and robust standard deviation.
  double noise_center_ = 0;
  double noise_spread_ = 1;
  // confidence = logistic(slope * standout above noise + intercept).
  double slope_ = 0;
  double intercept_ = 0;
  bool fitted_on_captions_ = false;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SCORE_CALIBRATION_H_
