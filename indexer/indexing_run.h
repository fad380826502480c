// One run of the Indexer: its threads, queues and counters. Made, run once and
// thrown away by the thread that called Indexer::Run.
//
//   scanner → changed files → workers (read, hash, decode) → encoder → writer
//
// Queues are bounded in items, pictures of many pixels are decoded one at a time,
// so memory stays flat.
#ifndef EIDETIC_INDEXER_INDEXING_RUN_H_
#define EIDETIC_INDEXER_INDEXING_RUN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "indexer/asset_facts.h"
#include "indexer/bounded_queue.h"
#include "indexer/caption_file.h"
#include "indexer/folder_scanner.h"
#include "indexer/indexer.h"
#include "indexer/picture_preparer.h"
#include "indexer/rate_meter.h"

namespace eidetic::indexer {

class IndexingRun {
 public:
  IndexingRun(storage::Library* library, const encoder::DualEncoder* encoder, const IndexerOptions& options,
              const IndexRequest& request, const IndexCallbacks& callbacks);

  absl::StatusOr<IndexSummary> Execute();

 private:
  // What the library knew of a path when the run began.
  struct KnownPath {
    eidetic::storage::v1::PathRecord record;
    bool seen = false;
  };

  // A new or changed file on its way through the stages.
  struct Work {
    FoundPicture found;
    std::optional<eidetic::storage::v1::PathRecord> known;
    std::string asset_id;
    encoder::PreparedPicture picture;
    AssetFacts facts;
    // Texts beside the file and in it, once embedded ready to be stored.
    std::optional<storage::CaptionSet> sidecar;
    std::vector<storage::CaptionSet> embedded;
    std::vector<float> embedding;
  };

  // What the writer commits, and what it counts when that went well.
  enum class Outcome { kIndexed, kMoved, kUnchanged, kRemoved };
  struct Write {
    storage::Mutation mutation;
    Outcome outcome = Outcome::kIndexed;
    std::string path;      // for failures
    std::string asset_id;  // of an asset that others may be waiting for
    uint64_t captions = 0;
  };

  // All stages, one after the other's end; in a thread of its own.
  void Drive();

  // Stages; each runs in a thread of its own, or several.
  void ScanAll();
  void ReadAndDecode();
  void Encode();
  void WriteOut();

  void ScanRoot(const std::string& root);
  absl::Status LoadKnownPaths(const std::string& root);
  // Known paths of the root that the scan did not see.
  void NoteGone();
  void RemoveGone();
  void Process(Work work);
  // Whether another file of this run brings the same content; then `work` waits
  // for it.
  bool JoinTwin(Work& work);
  static storage::AttachPath AttachOf(const Work& work);
  static Write AttachWrite(const Work& work);
  static storage::PathInput PathOf(const Work& work);
  void EncodeBatch(std::vector<Work> batch);
  absl::Status EmbedCaptions(std::vector<Work>& batch);
  void FinishPut(Work work);
  void FailAsset(const Work& work, const absl::Status& status);
  void CommitWrites(std::vector<Write> writes);

  // The captions file, after all photos are in (captions_stage.cc).
  struct Captioned {
    std::string asset_id;
    std::vector<std::string> texts;
  };
  absl::Status AttachCaptions(const CaptionFile& file);
  absl::StatusOr<std::vector<Captioned>> MatchCaptions(const CaptionFile& file);
  absl::StatusOr<std::string> FindCaptioned(const std::string& name) const;
  absl::Status DropStored(std::vector<Captioned>& assets);
  absl::Status CommitCaptions(std::span<const Captioned> assets);

  void Fail(const std::string& path, absl::Status status);
  // Ends the run with an error.
  void Break(const absl::Status& status);
  bool Stopped() const { return stop_.load(std::memory_order_relaxed); }
  // Reports progress and failures and polls `cancelled`; from Execute's thread.
  void Report();

  storage::Library* const library_;
  const encoder::DualEncoder* const encoder_;
  const IndexerOptions options_;
  const IndexRequest& request_;
  const IndexCallbacks& callbacks_;
  const absl::Time start_;
  PicturePreparer preparer_;

  BoundedQueue<Work> changed_;
  BoundedQueue<Work> prepared_;
  BoundedQueue<Write> writes_;

  std::atomic<bool> stop_ = false;
  std::atomic<bool> cancelled_ = false;
  std::atomic<IndexProgress::Stage> stage_ = IndexProgress::Stage::kScanning;
  std::atomic<bool> scanned_ = false;
  std::atomic<uint64_t> found_ = 0;  // pictures seen by the scanner
  std::atomic<uint64_t> to_do_ = 0;  // of them new or changed
  std::atomic<uint64_t> done_ = 0;   // of those finished, well or not
  std::atomic<uint64_t> captions_done_ = 0;
  std::atomic<uint64_t> captions_total_ = 0;
  // Of Execute's thread.
  RateMeter rate_;
  IndexProgress::Stage reported_stage_ = IndexProgress::Stage::kScanning;

  mutable absl::Mutex mutex_;
  IndexSummary summary_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  std::vector<IndexFailure> new_failures_ ABSL_GUARDED_BY(mutex_);
  // Contents on their way, and the files that wait for them.
  absl::flat_hash_map<std::string, std::vector<Work>> twins_ ABSL_GUARDED_BY(mutex_);

  std::optional<CaptionFile> captions_;

  // Used by the scanner's thread, and after its end by Drive's.
  absl::flat_hash_map<std::string, KnownPath> known_;
  std::vector<std::string> unreadable_folders_;
  std::vector<std::string> gone_;
  // File name → path of every picture seen; empty string when several have it.
  // Only with a captions file.
  absl::flat_hash_map<std::string, std::string> path_of_name_;
};

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_INDEXING_RUN_H_
