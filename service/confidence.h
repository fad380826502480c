// The calibration of the scores of one generation of a library: read from the
// library's folder, made when it is missing or the library has grown past it, and
// kept there. Made by GenerationSession, which owns it; borrows library, engine
// and model. Any thread.
//
//   EIDETIC_ASSIGN_OR_RETURN(const auto calibration, confidence.Current(cancellation));
//   if (calibration != nullptr) … calibration->Confidence(score, vector)
#ifndef EIDETIC_SERVICE_CONFIDENCE_H_
#define EIDETIC_SERVICE_CONFIDENCE_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "searcher/score_calibration.h"
#include "searcher/search_engine.h"
#include "service/cancellation.h"
#include "service/model_session.h"
#include "storage/event_log.h"
#include "storage/file_system.h"
#include "storage/library.h"

namespace eidetic::service {

class Confidence {
 public:
  // Null `files`: those of the system. `event_log` may be null.
  Confidence(const storage::Library* library, const searcher::SearchEngine* engine, ModelSession* model,
             storage::FileSystem* files, storage::EventLog* event_log);

  // Fits the library as it is now, or nearly: a tenth more or fewer photos
  // change nothing, and while one call makes a new one the others get the last.
  // Null while the library is empty. Costs a search for each background query
  // when it has to be made, and embedding those the first time. Errors:
  // ModelSession::EmbedTexts'.
  absl::StatusOr<std::shared_ptr<const searcher::ScoreCalibration>> Current(const Cancellation& cancellation);

 private:
  absl::StatusOr<searcher::ScoreCalibration> Make(const storage::Generation& generation, uint64_t photo_count,
                                                  const Cancellation& cancellation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(make_mutex_);
  absl::StatusOr<std::vector<float>> BackgroundVectors(const std::string& fingerprint,
                                                       const Cancellation& cancellation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(make_mutex_);
  absl::Status SampleCaptions(const storage::Generation& generation,
                              searcher::CalibrationSamples& samples) const;
  void ReadFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(make_mutex_);
  std::shared_ptr<const searcher::ScoreCalibration> Last() const;
  void SetLast(std::shared_ptr<const searcher::ScoreCalibration> calibration);
  std::string Path() const;

  const storage::Library* const library_;
  const searcher::SearchEngine* const engine_;
  ModelSession* const model_;
  storage::FileSystem& files_;
  storage::EventLog* const event_log_;

  // Held while one is made.
  absl::Mutex make_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  bool file_read_ ABSL_GUARDED_BY(make_mutex_) = false;
  bool told_not_kept_ ABSL_GUARDED_BY(make_mutex_) = false;
  // Held for a moment: searches take it.
  mutable absl::Mutex mutex_;
  std::shared_ptr<const searcher::ScoreCalibration> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_CONFIDENCE_H_
