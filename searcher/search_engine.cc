#include "searcher/search_engine.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "searcher/library_indexes.h"
#include "searcher/snapshot.h"

namespace eidetic::searcher {
namespace {

// Changes taken in under one hold of the writer's lock.
constexpr int kChangesAtOnce = 256;
// The follower looks whether it should stop this often.
constexpr absl::Duration kFollowerWakes = absl::Milliseconds(200);
// After a failed attempt to take changes in.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
// An index is built anew when this share of it is tombstones.
constexpr double kMostTombstones = 0.2;
constexpr size_t kFewestTombstones = 1'000;
// An exact index becomes a graph a little above the size, so that one that sways
// around it does not go to and fro.
constexpr double kGraphHysteresis = 1.1;
// Changes kept in the log for readers behind the snapshot.
constexpr uint64_t kKeptChanges = 100'000;

class EmbeddedSearchEngine final : public SearchEngine {
 public:
  EmbeddedSearchEngine(storage::Library* library, const SearchEngineOptions& options)
      : library_(library),
        options_(options),
        files_(options.file_system != nullptr ? *options.file_system : storage::PosixFileSystem()),
        folder_(absl::StrCat(library->directory(), "/index")) {}

  ~EmbeddedSearchEngine() override {
    stop_ = true;
    if (follower_.joinable()) follower_.join();
    if (builder_.joinable()) builder_.join();
  }

  absl::Status Start() {
    EIDETIC_RETURN_IF_ERROR(LoadOrBuild());
    EIDETIC_RETURN_IF_ERROR(CatchUp());
    if (options_.follow_changes) {
      StartBuilderIfNeeded();
      follower_ = std::thread([this] { Follow(); });
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ImageMatches> SearchImages(std::span<const float> query,
                                            const VectorSearchOptions& options) const override {
    ImageMatches matches;
    EIDETIC_ASSIGN_OR_RETURN(matches.neighbors, Search(
                                                    query, options,
                                                    [](const LibraryIndexes& indexes) -> const VectorIndex& {
                                                      return indexes.images();
                                                    },
                                                    matches.trace));
    return matches;
  }

  absl::StatusOr<CaptionMatches> SearchCaptions(std::span<const float> query,
                                                const VectorSearchOptions& options) const override {
    CaptionMatches matches;
    EIDETIC_ASSIGN_OR_RETURN(matches.neighbors, Search(
                                                    query, options,
                                                    [](const LibraryIndexes& indexes) -> const VectorIndex& {
                                                      return indexes.captions();
                                                    },
                                                    matches.trace));
    return matches;
  }

  absl::Status CatchUp() override {
    const absl::MutexLock turn(&catch_up_mutex_);
    return CatchUpLocked();
  }

  absl::Status SaveSnapshot() override {
    const absl::MutexLock turn(&snapshot_mutex_);
    SnapshotInfo info;
    IndexKind kind = IndexKind::kExact;
    std::map<std::string, std::string> parts;
    {
      const absl::ReaderMutexLock lock(&mutex_);
      if (indexes_ == nullptr || (saved_ && saved_sequence_ == indexes_->last_sequence() &&
                                  saved_kind_ == indexes_->images().kind())) {
        return absl::OkStatus();
      }
      info = {.database_id = indexes_->database_id(),
              .generation = indexes_->generation(),
              .epoch = epoch_ + 1,
              .last_sequence = indexes_->last_sequence(),
              .dimension = static_cast<uint32_t>(indexes_->dimension()),
              .model_fingerprint = indexes_->model_fingerprint()};
      kind = indexes_->images().kind();
      EIDETIC_ASSIGN_OR_RETURN(parts, indexes_->Serialize());
    }
    // Also when writing fails: its manifest may be in place already, and the
    // files a manifest names are never written again.
    epoch_ = info.epoch;
    EIDETIC_ASSIGN_OR_RETURN(const uint64_t bytes, WriteSnapshot(folder_, info, parts, files_));
    saved_ = true;
    saved_kind_ = kind;
    saved_sequence_ = info.last_sequence;
    snapshot_bytes_ = bytes;
    if (info.last_sequence <= kKeptChanges) return absl::OkStatus();
    return library_->TrimChanges(info.last_sequence - kKeptChanges);
  }

  SearchEngineStatus status() const override {
    SearchEngineStatus status;
    status.building = building_;
    status.snapshot_bytes = snapshot_bytes_;
    const absl::ReaderMutexLock lock(&mutex_);
    status.origin = origin_;
    status.origin_detail = origin_detail_;
    status.rejections = rejections_;
    if (indexes_ == nullptr) return status;
    status.kind = indexes_->images().kind();
    status.vectors = indexes_->images().size();
    status.tombstones = indexes_->images().tombstones();
    status.caption_vectors = indexes_->captions().size();
    status.last_sequence = indexes_->last_sequence();
    return status;
  }

 private:
  template <typename Choose>
  absl::StatusOr<std::vector<Neighbor>> Search(std::span<const float> query,
                                               const VectorSearchOptions& options, Choose choose,
                                               SearchTrace& trace) const {
    const absl::ReaderMutexLock lock(&mutex_);
    if (indexes_ == nullptr) {
      trace.reason = "the library holds no vectors yet";
      return std::vector<Neighbor>();
    }
    const VectorIndex& index = choose(*indexes_);
    trace.index_size = index.size() + index.tombstones();
    trace.live_size = index.size();
    trace.last_sequence = indexes_->last_sequence();
    trace.kind = options.exact ? IndexKind::kExact : index.kind();
    if (trace.kind == IndexKind::kHnsw) {
      trace.ef_search = options.ef_search > 0 ? options.ef_search : DefaultEfSearch(options.limit);
      trace.reason = absl::StrCat(index.size(), " vectors: the graph is faster than comparing all");
    } else if (options.exact && index.kind() == IndexKind::kHnsw) {
      trace.reason = "exact search was asked for";
    } else if (building_) {
      trace.reason = "the graph is being built; until then all vectors are compared";
    } else {
      trace.reason =
          absl::StrCat("fewer than ", options_.hnsw_from, " vectors: comparing all is fast and exact");
    }
    return index.Search(query, options);
  }

  // A snapshot that is whole and fits the library, or all embeddings anew.
  absl::Status LoadOrBuild() {
    const absl::StatusOr<storage::v1::GenerationRecord> generation = library_->ActiveGeneration();
    if (absl::IsNotFound(generation.status())) {
      SetOrigin("empty", "");
      return absl::OkStatus();
    }
    EIDETIC_RETURN_IF_ERROR(generation.status());
    absl::StatusOr<std::unique_ptr<LibraryIndexes>> loaded = LoadSnapshot(*generation);
    if (loaded.ok()) {
      SetOrigin("snapshot", "");
    } else if (!lost_.ok()) {
      return lost_;
    } else {
      // Exact first: it is there at once; the graph is built while it serves.
      loaded =
          LibraryIndexes::Build(*library_, {.hnsw_from = 0, .progress = options_.progress, .cancelled = {}});
      EIDETIC_RETURN_IF_ERROR(loaded.status());
      SetOrigin("rebuilt", lack_);
    }
    const absl::MutexLock lock(&mutex_);
    indexes_ = *std::move(loaded);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<LibraryIndexes>> LoadSnapshot(
      const storage::v1::GenerationRecord& generation) {
    auto loaded = [&]() -> absl::StatusOr<std::unique_ptr<LibraryIndexes>> {
      EIDETIC_ASSIGN_OR_RETURN(const Snapshot snapshot, ReadSnapshot(folder_, files_));
      const SnapshotInfo& info = snapshot.info;
      epoch_ = info.epoch;
      if (info.database_id != library_->database_id()) {
        return absl::DataLossError("the snapshot is of another database");
      }
      if (info.generation != generation.number() ||
          info.model_fingerprint != generation.model_fingerprint() ||
          info.dimension != generation.dimension()) {
        return absl::DataLossError("the snapshot is of another model");
      }
      if (info.last_sequence > library_->last_sequence()) {
        // It was made from what was durable: the database is what is wrong.
        lost_ = absl::DataLossError(absl::StrCat(
            "the database of ", library_->directory(), " has lost changes ", library_->last_sequence() + 1,
            " to ", info.last_sequence, ", which the snapshot of its index holds; restore a backup, or save ",
            "what can be saved: eidetic verify --repair --library ", library_->directory()));
        return lost_;
      }
      EIDETIC_RETURN_IF_ERROR(library_->ReadChanges(info.last_sequence, 1).status());
      EIDETIC_ASSIGN_OR_RETURN(auto indexes, LibraryIndexes::Parse(snapshot));
      snapshot_bytes_ = snapshot.total_bytes;
      saved_ = true;
      saved_sequence_ = info.last_sequence;
      saved_kind_ = indexes->images().kind();
      return indexes;
    }();
    if (!loaded.ok()) NoteRejection(loaded.status());
    return loaded;
  }

  // None, or one from before the change log begins, is no damage.
  void NoteRejection(const absl::Status& reason) {
    lack_ = std::string(reason.message());
    if (absl::IsNotFound(reason) || absl::IsOutOfRange(reason)) return;
    const absl::MutexLock lock(&mutex_);
    ++rejections_.count;
    rejections_.last_reason = lack_;
    rejections_.last_time = absl::Now();
  }

  void SetOrigin(const std::string& origin, const std::string& detail) {
    const absl::MutexLock lock(&mutex_);
    origin_ = origin;
    origin_detail_ = detail;
  }

  absl::Status CatchUpLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(catch_up_mutex_) {
    const uint64_t goal = library_->last_sequence();
    while (true) {
      uint64_t have = 0;
      {
        const absl::ReaderMutexLock lock(&mutex_);
        if (indexes_ != nullptr) have = indexes_->last_sequence();
        if (have >= goal) return absl::OkStatus();
        if (indexes_ == nullptr) have = 0;
      }
      absl::StatusOr<std::vector<storage::Change>> changes = library_->ReadChanges(have, kChangesAtOnce);
      bool have_indexes = false;
      {
        const absl::ReaderMutexLock lock(&mutex_);
        have_indexes = indexes_ != nullptr;
      }
      if (!have_indexes || absl::IsOutOfRange(changes.status())) {
        // The first embedding of a library, or a log that was cut.
        EIDETIC_ASSIGN_OR_RETURN(auto built, LibraryIndexes::Build(*library_, {.hnsw_from = 0}));
        const absl::MutexLock lock(&mutex_);
        indexes_ = std::move(built);
        continue;
      }
      EIDETIC_RETURN_IF_ERROR(changes.status());
      if (changes->empty()) return absl::OkStatus();
      EIDETIC_ASSIGN_OR_RETURN(const IndexUpdate update, PrepareUpdate(*library_, *changes));
      const absl::MutexLock lock(&mutex_);
      EIDETIC_RETURN_IF_ERROR(indexes_->Apply(update));
    }
  }

  void Follow() {
    while (!stop_) {
      uint64_t have = 0;
      {
        const absl::ReaderMutexLock lock(&mutex_);
        if (indexes_ != nullptr) have = indexes_->last_sequence();
      }
      if (library_->WaitForChange(have, absl::Now() + kFollowerWakes) <= have) continue;
      if (const absl::Status status = CatchUp(); !status.ok()) {
        // Told by status(); tried again, since a full disk or a busy moment passes.
        SetOrigin("behind", std::string(status.message()));
        for (absl::Duration waited; waited < kRetryAfter && !stop_; waited += kFollowerWakes) {
          absl::SleepFor(kFollowerWakes);
        }
        continue;
      }
      StartBuilderIfNeeded();
    }
  }

  // Whether the indexes should be built anew: grown into a graph, or rid of
  // tombstones.
  bool NeedsBuild() const {
    const absl::ReaderMutexLock lock(&mutex_);
    if (indexes_ == nullptr) return false;
    const auto needs = [this](const VectorIndex& index) {
      const double threshold =
          static_cast<double>(options_.hnsw_from) * (origin_ == "rebuilt" ? 1 : kGraphHysteresis);
      const bool grown = index.kind() == IndexKind::kExact && options_.hnsw_from > 0 &&
                         static_cast<double>(index.size()) >= threshold;
      const bool worn = index.tombstones() >= kFewestTombstones &&
                        static_cast<double>(index.tombstones()) >
                            kMostTombstones * static_cast<double>(index.size() + index.tombstones());
      return grown || worn;
    };
    return needs(indexes_->images()) || needs(indexes_->captions());
  }

  // Called by Start and then by the follower alone.
  void StartBuilderIfNeeded() {
    if (building_ || !NeedsBuild()) return;
    if (builder_.joinable()) builder_.join();
    building_ = true;
    builder_ = std::thread([this] {
      const absl::Status status = Rebuild();
      building_ = false;
      if (!status.ok() && !absl::IsCancelled(status)) SetOrigin("behind", std::string(status.message()));
    });
  }

  // Beside the indexes that serve; readers see a swap of pointers.
  absl::Status Rebuild() {
    EIDETIC_ASSIGN_OR_RETURN(
        std::unique_ptr<LibraryIndexes> built,
        LibraryIndexes::Build(*library_, {.hnsw_from = options_.hnsw_from,
                                          .progress = options_.progress,
                                          .cancelled = [this] { return stop_.load(); }}));
    {
      const absl::MutexLock turn(&catch_up_mutex_);
      while (built->last_sequence() < library_->last_sequence()) {
        if (stop_) return absl::CancelledError("stopped");
        EIDETIC_ASSIGN_OR_RETURN(const auto changes,
                                 library_->ReadChanges(built->last_sequence(), kChangesAtOnce));
        if (changes.empty()) break;
        EIDETIC_ASSIGN_OR_RETURN(const IndexUpdate update, PrepareUpdate(*library_, changes));
        EIDETIC_RETURN_IF_ERROR(built->Apply(update));
      }
      const absl::MutexLock lock(&mutex_);
      indexes_.swap(built);
    }
    return SaveSnapshot();
  }

  storage::Library* const library_;
  const SearchEngineOptions options_;
  storage::FileSystem& files_;
  const std::string folder_;

  // One thread takes changes in at a time.
  absl::Mutex catch_up_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  // One snapshot is written at a time.
  absl::Mutex snapshot_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  uint64_t epoch_ = 0;
  bool saved_ = false;
  uint64_t saved_sequence_ = 0;
  IndexKind saved_kind_ = IndexKind::kExact;

  // Readers share it during a search; writers hold it for one short batch.
  mutable absl::Mutex mutex_;
  std::unique_ptr<LibraryIndexes> indexes_ ABSL_GUARDED_BY(mutex_);
  std::string origin_ ABSL_GUARDED_BY(mutex_);
  std::string origin_detail_ ABSL_GUARDED_BY(mutex_);
  SnapshotRejections rejections_ ABSL_GUARDED_BY(mutex_);

  std::string lack_;
  // Damage of the library that its snapshot proves.
  absl::Status lost_;
  std::atomic<uint64_t> snapshot_bytes_ = 0;
  std::atomic<bool> building_ = false;
  std::atomic<bool> stop_ = false;
  std::thread follower_;
  std::thread builder_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SearchEngine>> SearchEngine::Open(storage::Library* library,
                                                                 const SearchEngineOptions& options) {
  auto engine = std::make_unique<EmbeddedSearchEngine>(library, options);
  EIDETIC_RETURN_IF_ERROR(engine->Start());
  return engine;
}

}  // namespace eidetic::searcher
