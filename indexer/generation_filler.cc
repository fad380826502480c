#include "indexer/generation_filler.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "encoder/file_contents.h"
#include "indexer/bounded_queue.h"
#include "indexer/picture_preparer.h"
#include "indexer/rate_meter.h"
#include "proto/status_macros.h"

namespace eidetic::indexer {
namespace {

using storage::GenerationVectors;
using storage::MissingVectors;

// Assets looked up at a time; between two looks nothing is held in the database.
constexpr size_t kListedAtOnce = 256;
constexpr absl::Duration kReportEvery = absl::Milliseconds(50);
// How long the encoder waits for its batch to fill.
constexpr absl::Duration kLinger = absl::Milliseconds(20);

using FailedVersions = absl::flat_hash_map<storage::Ordinal, uint64_t>;

// One walk over all that is missing, as threads with bounded queues:
//
//   lister → missing → workers (read, hash, decode) → encoder, which also stores
//
// Made, run once and thrown away by one thread.
class FillPass {
 public:
  FillPass(storage::Library* library, const storage::Generation& generation,
           const encoder::DualEncoder* encoder, const IndexerOptions& options, const FailedVersions& failed,
           FillProgress& progress, RateMeter& rate)
      : library_(library),
        generation_(generation),
        encoder_(encoder),
        options_(options),
        known_failed_(failed),
        progress_(progress),
        rate_(rate),
        preparer_(encoder, options.decode),
        listed_(kListedAtOnce),
        prepared_(PreparedCapacity(options, encoder->info())) {}

  absl::Status Run(const FillCallbacks& callbacks, FailedVersions& failed, FillSummary& summary) {
    std::atomic<bool> finished = false;
    std::thread driver([&] {
      Drive();
      finished = true;
    });
    const uint64_t done_before = progress_.done;
    while (!finished) {
      Report(callbacks, done_before);
      absl::SleepFor(kReportEvery);
    }
    driver.join();
    Report(callbacks, done_before);
    const absl::MutexLock lock(&mutex_);
    summary.embedded += embedded_;
    summary.captions += captions_;
    summary.failed += newly_failed_.size();
    summary.cancelled = cancelled_;
    failed.insert(newly_failed_.begin(), newly_failed_.end());
    return error_;
  }

  // Assets there was something to do for.
  uint64_t found() const { return found_; }

 private:
  struct Work {
    MissingVectors missing;
    std::optional<encoder::PreparedPicture> picture;
  };

  void Drive() {
    std::thread lister([this] { List(); });
    std::vector<std::thread> workers;
    const int worker_count = WorkerCount(options_);
    workers.reserve(static_cast<size_t>(worker_count));
    for (int i = 0; i < worker_count; ++i) workers.emplace_back([this] { ReadAndDecode(); });
    std::thread encoder([this] { EncodeAndStore(); });
    lister.join();
    listed_.Close();
    for (std::thread& worker : workers) worker.join();
    prepared_.Close();
    encoder.join();
  }

  void List() {
    std::optional<storage::Ordinal> after;
    while (!stop_) {
      absl::StatusOr<std::vector<MissingVectors>> page =
          generation_.NewView()->ListMissing(after, kListedAtOnce);
      if (!page.ok()) return Break(page.status());
      if (page->empty()) return;
      after = page->back().asset.record.ordinal();
      for (MissingVectors& missing : *page) {
        const auto failed = known_failed_.find(missing.asset.record.ordinal());
        if (missing.embedding && failed != known_failed_.end() &&
            failed->second == missing.asset.record.embedding_version()) {
          missing.embedding = false;
          if (missing.captions.empty()) continue;
        }
        ++found_;
        if (!listed_.Push({std::move(missing), std::nullopt})) return;
      }
    }
  }

  void ReadAndDecode() {
    while (std::optional<Work> work = listed_.Pop()) {
      if (work->missing.embedding) {
        absl::StatusOr<encoder::PreparedPicture> picture = ReadPicture(work->missing.asset);
        if (picture.ok()) {
          work->picture = *std::move(picture);
        } else {
          Fail(work->missing.asset, picture.status());
          work->missing.embedding = false;
        }
      }
      if (!prepared_.Push(*std::move(work))) return;
    }
  }

  // From the first of the asset's files that has its content still.
  absl::StatusOr<encoder::PreparedPicture> ReadPicture(const storage::Asset& asset) {
    if (asset.record.paths().empty()) {
      return absl::FailedPreconditionError(
          "a client put it without a file: only a client can make its vector; put it again after the "
          "switch");
    }
    absl::Status trouble;
    for (const std::string& path : asset.record.paths()) {
      const absl::StatusOr<std::string> content =
          encoder::ReadFileContents(path, options_.decode.max_file_bytes);
      if (!content.ok()) {
        trouble.Update(content.status());
        continue;
      }
      const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(content->data()),
                                           content->size());
      if (storage::ContentAssetId(bytes) == asset.asset_id) return preparer_.Prepare(bytes);
      trouble.Update(absl::FailedPreconditionError(
          absl::StrCat(storage::DisplayPath(path),
                       " has another content than when it was indexed: run eidetic index on its folder")));
    }
    return trouble;
  }

  void EncodeAndStore() {
    while (true) {
      std::vector<Work> batch =
          prepared_.PopMany(static_cast<size_t>(std::max(1, options_.encode_batch)), kLinger);
      if (batch.empty()) return;
      if (const absl::Status stored = StoreBatch(batch); !stored.ok()) return Break(stored);
      done_ += batch.size();
    }
  }

  absl::Status StoreBatch(std::vector<Work>& batch) {
    std::vector<GenerationVectors> vectors(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      vectors[i].asset_id = batch[i].missing.asset.asset_id;
      vectors[i].embedding_version = batch[i].missing.asset.record.embedding_version();
    }
    EncodePictures(batch, vectors);
    EIDETIC_RETURN_IF_ERROR(EncodeCaptions(batch, vectors));
    uint64_t captions = 0;
    uint64_t embedded = 0;
    EIDETIC_ASSIGN_OR_RETURN(
        const std::vector<absl::Status> results,
        library_->PutGenerationVectors(generation_.number(), encoder_->info().fingerprint, vectors));
    for (size_t i = 0; i < results.size(); ++i) {
      // Changed or gone since it was listed: the next walk finds what it needs.
      if (absl::IsAborted(results[i]) || absl::IsNotFound(results[i])) continue;
      EIDETIC_RETURN_IF_ERROR(results[i]);
      captions += vectors[i].captions.size();
      if (!vectors[i].embedding.empty()) ++embedded;
    }
    const absl::MutexLock lock(&mutex_);
    embedded_ += embedded;
    captions_ += captions;
    return absl::OkStatus();
  }

  void EncodePictures(std::vector<Work>& batch, std::vector<GenerationVectors>& vectors) {
    std::vector<encoder::PreparedPicture> pictures;
    std::vector<size_t> owners;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch[i].picture.has_value()) continue;
      pictures.push_back(*std::move(batch[i].picture));
      owners.push_back(i);
    }
    std::vector<absl::StatusOr<std::vector<float>>> embeddings = EncodeEach(*encoder_, pictures);
    for (size_t i = 0; i < owners.size(); ++i) {
      if (embeddings[i].ok()) {
        vectors[owners[i]].embedding = *std::move(embeddings[i]);
      } else {
        Fail(batch[owners[i]].missing.asset, embeddings[i].status());
      }
    }
  }

  absl::Status EncodeCaptions(const std::vector<Work>& batch, std::vector<GenerationVectors>& vectors) {
    std::vector<std::string> texts;
    for (const Work& work : batch) {
      for (const storage::CaptionEntry& entry : work.missing.captions) texts.push_back(entry.record.text());
    }
    if (texts.empty()) return absl::OkStatus();
    EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings, encoder_->EncodeTexts(texts));
    size_t row = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      for (const storage::CaptionEntry& entry : batch[i].missing.captions) {
        const std::span<const float> values = embeddings.row(row++);
        vectors[i].captions.push_back({entry.id, entry.record.text(), {values.begin(), values.end()}});
      }
    }
    return absl::OkStatus();
  }

  void Fail(const storage::Asset& asset, const absl::Status& status) {
    const absl::MutexLock lock(&mutex_);
    newly_failed_.emplace(asset.record.ordinal(), asset.record.embedding_version());
    new_failures_.push_back(
        {asset.asset_id, asset.record.paths().empty() ? "" : asset.record.paths(0), status});
  }

  void Break(const absl::Status& status) {
    {
      const absl::MutexLock lock(&mutex_);
      if (error_.ok()) error_ = status;
    }
    Stop();
  }

  void Stop() {
    stop_ = true;
    listed_.Abort();
    prepared_.Abort();
  }

  // From Run's thread.
  void Report(const FillCallbacks& callbacks, uint64_t done_before) {
    if (!stop_ && callbacks.cancelled && callbacks.cancelled()) {
      cancelled_ = true;
      Stop();
    }
    std::vector<FillFailure> failures;
    {
      const absl::MutexLock lock(&mutex_);
      failures.swap(new_failures_);
    }
    if (callbacks.failure) {
      for (const FillFailure& failure : failures) callbacks.failure(failure);
    }
    progress_.done = done_before + done_;
    progress_.total = std::max(progress_.total, progress_.done);
    progress_.assets_per_second = rate_.Update(progress_.done, absl::Now());
    if (callbacks.progress) callbacks.progress(progress_);
  }

  storage::Library* const library_;
  const storage::Generation& generation_;
  const encoder::DualEncoder* const encoder_;
  const IndexerOptions& options_;
  const FailedVersions& known_failed_;
  FillProgress& progress_;
  RateMeter& rate_;
  PicturePreparer preparer_;

  BoundedQueue<Work> listed_;
  BoundedQueue<Work> prepared_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> cancelled_ = false;
  std::atomic<uint64_t> found_ = 0;
  std::atomic<uint64_t> done_ = 0;

  absl::Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  uint64_t embedded_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t captions_ ABSL_GUARDED_BY(mutex_) = 0;
  FailedVersions newly_failed_ ABSL_GUARDED_BY(mutex_);
  std::vector<FillFailure> new_failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

GenerationFiller::GenerationFiller(storage::Library* library,
                                   std::shared_ptr<const storage::Generation> generation,
                                   const encoder::DualEncoder* encoder, const IndexerOptions& options)
    : library_(library), generation_(std::move(generation)), encoder_(encoder), options_(options) {}

absl::StatusOr<FillSummary> GenerationFiller::Run(const FillCallbacks& callbacks) {
  const absl::Time start = absl::Now();
  FillSummary summary;
  FillProgress progress;
  RateMeter rate;
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                           library_->ListGenerations());
  for (const storage::GenerationStatus& status : generations) {
    if (status.record.number() == generation_->number()) progress.total = status.missing_embeddings;
  }
  // Until a walk finds nothing that can be done: assets are put and changed
  // meanwhile. Where that never ends, walks become no shorter any more.
  for (uint64_t previous = std::numeric_limits<uint64_t>::max(); !summary.cancelled;) {
    const FailedVersions known = failed_;
    FillPass pass(library_, *generation_, encoder_, options_, known, progress, rate);
    EIDETIC_RETURN_IF_ERROR(pass.Run(callbacks, failed_, summary));
    if (pass.found() == 0 || pass.found() >= previous) break;
    previous = pass.found();
  }
  summary.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  return summary;
}

}  // namespace eidetic::indexer
