#include "service/confidence.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "searcher/background_queries.h"

namespace eidetic::service {
namespace {

using searcher::CalibrationSamples;
using searcher::ScoreCalibration;

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
// Made again when the library has grown or shrunk by more than this share.
constexpr double kDrift = 0.1;
constexpr size_t kMostCaptions = 2'000;
// Assets read at once while looking for captions, and looked at in all.
constexpr int kAssetsAtOnce = 500;
constexpr size_t kMostAssets = 10'000;
// A best photo may be deleted between searching and reading.
constexpr size_t kBestPhotos = 3;

bool Drifted(uint64_t then, uint64_t now) {
  const auto difference = static_cast<double>(std::max(then, now) - std::min(then, now));
  return difference > kDrift * static_cast<double>(then);
}

void Append(std::vector<float>& rows, std::span<const float> row) {
  rows.insert(rows.end(), row.begin(), row.end());
}

}  // namespace

Confidence::Confidence(const storage::Library* library, const searcher::SearchEngine* engine,
                       ModelSession* model, storage::FileSystem* files, storage::EventLog* event_log)
    : library_(library),
      engine_(engine),
      model_(model),
      files_(files != nullptr ? *files : storage::PosixFileSystem()),
      event_log_(event_log) {}

std::string Confidence::Path() const { return absl::StrCat(library_->directory(), "/calibration"); }

absl::StatusOr<std::shared_ptr<const ScoreCalibration>> Confidence::Current(
    const Cancellation& cancellation) {
  const auto generation = model_->Generation();
  if (absl::IsNotFound(generation.status())) return nullptr;
  EIDETIC_RETURN_IF_ERROR(generation.status());
  const uint64_t photos = engine_->status().vectors;
  if (photos == 0) return nullptr;
  const auto of_this_model = [&](const std::shared_ptr<const ScoreCalibration>& calibration) {
    return calibration != nullptr && calibration->model_fingerprint() == (*generation)->model_fingerprint() &&
           calibration->dimension() == static_cast<int>((*generation)->dimension());
  };
  const auto fits = [&](const std::shared_ptr<const ScoreCalibration>& calibration) {
    return of_this_model(calibration) && !Drifted(calibration->photo_count(), photos);
  };

  std::shared_ptr<const ScoreCalibration> last = Last();
  if (fits(last)) return last;
  if (!make_mutex_.TryLock()) {
    // Another call is making one; the last one is nearly as good.
    if (of_this_model(last)) return last;
    make_mutex_.Lock();
  }
  const absl::Cleanup unlock = [this] { make_mutex_.Unlock(); };
  if (!file_read_) {
    file_read_ = true;
    ReadFile();
  }
  last = Last();
  if (fits(last)) return last;
  EIDETIC_ASSIGN_OR_RETURN(ScoreCalibration made, Make(**generation, photos, cancellation));
  const auto current = std::make_shared<const ScoreCalibration>(std::move(made));
  SetLast(current);
  if (!library_->CheckWritable().ok()) return current;
  // On a full disk it is made again next time.
  const absl::Status kept = storage::WriteFileDurably(files_, Path(), current->Serialize());
  if (!kept.ok() && !std::exchange(told_not_kept_, true)) {
    ReportEvent(event_log_, storage::EventSeverity::kWarning, "calibration_not_kept",
                {{"code", absl::StatusCodeToString(kept.code())}, {"detail", kept.message()}});
  }
  return current;
}

void Confidence::ReadFile() {
  absl::StatusOr<std::string> bytes = files_.ReadFile(Path(), 0, kMaxFileBytes);
  // Whatever is wrong with the file: it is made again.
  absl::StatusOr<ScoreCalibration> stored =
      bytes.ok() ? ScoreCalibration::Parse(*bytes) : absl::StatusOr<ScoreCalibration>(bytes.status());
  if (stored.ok()) SetLast(std::make_shared<const ScoreCalibration>(*std::move(stored)));
}

std::shared_ptr<const ScoreCalibration> Confidence::Last() const {
  const absl::MutexLock lock(&mutex_);
  return last_;
}

void Confidence::SetLast(std::shared_ptr<const ScoreCalibration> calibration) {
  const absl::MutexLock lock(&mutex_);
  last_ = std::move(calibration);
}

absl::StatusOr<std::vector<float>> Confidence::BackgroundVectors(const std::string& fingerprint,
                                                                 const Cancellation& cancellation) {
  const std::shared_ptr<const ScoreCalibration> last = Last();
  if (last != nullptr && last->model_fingerprint() == fingerprint) return last->background();
  const auto queries = searcher::BackgroundQueries();
  EIDETIC_ASSIGN_OR_RETURN(
      encoder::Embeddings embeddings,
      model_->EmbedTexts(std::vector<std::string>(queries.begin(), queries.end()), cancellation));
  return std::move(embeddings.values);
}

absl::StatusOr<ScoreCalibration> Confidence::Make(const storage::Generation& generation, uint64_t photo_count,
                                                  const Cancellation& cancellation) {
  const std::string& fingerprint = generation.model_fingerprint();
  CalibrationSamples samples;
  samples.dimension = static_cast<int>(generation.dimension());
  samples.photo_count = photo_count;
  samples.model_fingerprint = fingerprint;
  EIDETIC_ASSIGN_OR_RETURN(samples.background, BackgroundVectors(fingerprint, cancellation));
  const size_t row_size = generation.dimension();
  for (size_t start = 0; start + row_size <= samples.background.size(); start += row_size) {
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    const auto query = std::span<const float>(samples.background).subspan(start, row_size);
    EIDETIC_ASSIGN_OR_RETURN(const searcher::ImageMatches matches,
                             engine_->SearchImages({fingerprint, {query.begin(), query.end()}},
                                                   {.limit = kBestPhotos, .filter = {}}));
    for (const searcher::Neighbor& match : matches.neighbors) {
      const auto photo = generation.GetEmbedding(static_cast<storage::Ordinal>(match.id));
      if (absl::IsNotFound(photo.status())) continue;
      EIDETIC_RETURN_IF_ERROR(photo.status());
      Append(samples.chance_queries, query);
      Append(samples.chance_photos, *photo);
      break;
    }
  }
  EIDETIC_RETURN_IF_ERROR(SampleCaptions(generation, samples));
  return ScoreCalibration::Fit(std::move(samples));
}

// The first captions that people wrote, one a photo.
absl::Status Confidence::SampleCaptions(const storage::Generation& generation,
                                        CalibrationSamples& samples) const {
  const auto row_size = static_cast<size_t>(samples.dimension);
  std::optional<storage::Ordinal> after;
  for (size_t seen = 0; seen < kMostAssets && samples.captions.size() < kMostCaptions * row_size;) {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::Asset> assets,
                             library_->ListAssets(after, kAssetsAtOnce));
    if (assets.empty()) break;
    seen += assets.size();
    after = assets.back().record.ordinal();
    for (const storage::Asset& asset : assets) {
      EIDETIC_ASSIGN_OR_RETURN(const auto captions, generation.GetCaptionEmbeddings(asset.record.ordinal()));
      if (captions.empty()) continue;
      const auto photo = generation.GetEmbedding(asset.record.ordinal());
      if (absl::IsNotFound(photo.status())) continue;
      EIDETIC_RETURN_IF_ERROR(photo.status());
      Append(samples.captions, captions.front().second);
      Append(samples.captioned_photos, *photo);
    }
  }
  return absl::OkStatus();
}

}  // namespace eidetic::service
