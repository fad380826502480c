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

using storage::EventSeverity;

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

// Why a snapshot was not used: one of few words, for counting.
const char* RejectionReason(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return "damaged";
    case absl::StatusCode::kFailedPrecondition:
      return "foreign";
    case absl::StatusCode::kOutOfRange:
      return "outdated";
    default:
      return "unreadable";
  }
}

class EmbeddedSearchEngine final : public SearchEngine {
 public:
  EmbeddedSearchEngine(storage::Library* library, const SearchEngineOptions& options)
      : library_(library),
        options_(options),
        files_(options.file_system != nullptr ? *options.file_system : storage::PosixFileSystem()),
        folder_(absl::StrCat(library->directory(), "/index")) {}

  ~EmbeddedSearchEngine() override { StopFollowing(); }

  absl::Status Start() {
    EIDETIC_RETURN_IF_ERROR(LoadOrBuild());
    EIDETIC_RETURN_IF_ERROR(CatchUp());
    if (options_.follow_changes) StartFollowing();
    return absl::OkStatus();
  }

  void StartFollowing() override {
    stop_ = false;
    StartBuilderIfNeeded();
    follower_ = std::thread([this] { Follow(); });
  }

  void StopFollowing() override {
    stop_ = true;
    if (follower_.joinable()) follower_.join();
    if (builder_.joinable()) builder_.join();
  }

  absl::StatusOr<ImageMatches> SearchImages(const QueryVector& query,
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

  absl::StatusOr<CaptionMatches> SearchCaptions(const QueryVector& query,
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
    // A library that may not be written to keeps the snapshot it has.
    if (!library_->CheckWritable().ok()) return absl::OkStatus();
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
              .generation = indexes_->generation()->number(),
              .epoch = epoch_ + 1,
              .last_sequence = indexes_->last_sequence(),
              .dimension = static_cast<uint32_t>(indexes_->dimension()),
              .model_fingerprint = indexes_->generation()->model_fingerprint()};
      kind = indexes_->images().kind();
      EIDETIC_ASSIGN_OR_RETURN(parts, indexes_->Serialize());
    }
    // Also when writing fails: its manifest may be in place already, and the
    // files a manifest names are never written again.
    epoch_ = info.epoch;
    const absl::Time start = absl::Now();
    const absl::StatusOr<uint64_t> bytes = WriteSnapshot(folder_, info, parts, files_);
    if (!bytes.ok()) {
      Report(EventSeverity::kWarning, "snapshot_write_failed", bytes.status());
      return bytes.status();
    }
    ReportEvent(options_.event_log, EventSeverity::kInfo, "snapshot_written",
                {{"last_sequence", info.last_sequence}, {"bytes", *bytes}, {"seconds", absl::Now() - start}});
    saved_ = true;
    saved_kind_ = kind;
    saved_sequence_ = info.last_sequence;
    snapshot_bytes_ = *bytes;
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
  absl::StatusOr<std::vector<Neighbor>> Search(const QueryVector& query, const VectorSearchOptions& options,
                                               Choose choose, SearchTrace& trace) const {
    const absl::ReaderMutexLock lock(&mutex_);
    if (indexes_ == nullptr) {
      trace.reason = "the library holds no vectors yet";
      return std::vector<Neighbor>();
    }
    const storage::Generation& generation = *indexes_->generation();
    if (query.model_fingerprint() != generation.model_fingerprint()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the query is a vector of the model with fingerprint ", query.model_fingerprint(),
                       ", the index holds vectors of \"", generation.record().model_name(),
                       "\" (fingerprint ", generation.model_fingerprint(), "): they cannot be compared"));
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
    return index.Search(query.values(), options);
  }

  // A snapshot that is whole and fits the library, or all embeddings anew.
  absl::Status LoadOrBuild() {
    absl::StatusOr<std::shared_ptr<const storage::Generation>> generation = options_.generation;
    if (options_.generation == nullptr) generation = library_->OpenGeneration(0);
    if (absl::IsNotFound(generation.status())) {
      SetOrigin("empty", "");
      return absl::OkStatus();
    }
    EIDETIC_RETURN_IF_ERROR(generation.status());
    absl::StatusOr<std::unique_ptr<LibraryIndexes>> loaded = LoadSnapshot(*generation);
    if (loaded.ok()) {
      SetOrigin("snapshot", "");
      ReportEvent(options_.event_log, EventSeverity::kInfo, "snapshot_loaded",
                  {{"last_sequence", (*loaded)->last_sequence()}, {"bytes", snapshot_bytes_.load()}});
    } else if (!lost_.ok()) {
      return lost_;
    } else {
      if (absl::IsNotFound(loaded.status())) {
        ReportEvent(options_.event_log, EventSeverity::kInfo, "snapshot_absent", {{"detail", lack_}});
      } else {
        ReportEvent(options_.event_log, EventSeverity::kWarning, "snapshot_rejected",
                    {{"reason", RejectionReason(loaded.status())}, {"detail", lack_}});
      }
      const absl::Time start = absl::Now();
      // Exact first: it is there at once; the graph is built while it serves.
      loaded = LibraryIndexes::Build(*library_, *generation,
                                     {.hnsw_from = 0, .progress = options_.progress, .cancelled = {}});
      EIDETIC_RETURN_IF_ERROR(loaded.status());
      SetOrigin("rebuilt", lack_);
      ReportEvent(options_.event_log, EventSeverity::kInfo, "index_rebuilt",
                  {{"vectors", (*loaded)->images().size()}, {"seconds", absl::Now() - start}});
    }
    const absl::MutexLock lock(&mutex_);
    indexes_ = *std::move(loaded);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<LibraryIndexes>> LoadSnapshot(
      const std::shared_ptr<const storage::Generation>& generation) {
    auto loaded = [&]() -> absl::StatusOr<std::unique_ptr<LibraryIndexes>> {
      EIDETIC_ASSIGN_OR_RETURN(const Snapshot snapshot, ReadSnapshot(folder_, files_));
      const SnapshotInfo& info = snapshot.info;
      epoch_ = info.epoch;
      if (info.database_id != library_->database_id()) {
        return absl::FailedPreconditionError("the snapshot is of another database");
      }
      EIDETIC_RETURN_IF_ERROR(CheckGeneration(info.generation, generation->number()));
      if (info.model_fingerprint != generation->model_fingerprint() ||
          info.dimension != generation->dimension()) {
        return absl::FailedPreconditionError("the snapshot is of another model");
      }
      EIDETIC_ASSIGN_OR_RETURN(const storage::v1::GenerationRecord active, library_->ActiveGeneration());
      if (active.number() != generation->number()) {
        return absl::NotFoundError("the snapshot is of a generation that is not in use");
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
      EIDETIC_ASSIGN_OR_RETURN(auto indexes, LibraryIndexes::Parse(snapshot, generation));
      snapshot_bytes_ = snapshot.total_bytes;
      saved_ = true;
      saved_sequence_ = info.last_sequence;
      saved_kind_ = indexes->images().kind();
      return indexes;
    }();
    if (!loaded.ok()) NoteRejection(loaded.status());
    return loaded;
  }

  // A snapshot of another of the library's generations is no damage: the library
  // moved from one model to another.
  absl::Status CheckGeneration(uint64_t of_snapshot, uint64_t wanted) const {
    if (of_snapshot == wanted) return absl::OkStatus();
    EIDETIC_ASSIGN_OR_RETURN(const auto generations, library_->ListGenerations());
    const bool known =
        (of_snapshot > 0 && of_snapshot < wanted) ||
        std::any_of(generations.begin(), generations.end(), [&](const storage::GenerationStatus& status) {
          return status.record.number() == of_snapshot;
        });
    return known ? absl::NotFoundError("the snapshot is of another generation")
                 : absl::DataLossError("the snapshot is of a generation that the library does not have");
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
    uint64_t goal = library_->last_sequence();
    while (true) {
      uint64_t have = 0;
      std::shared_ptr<const storage::Generation> generation;
      bool standby = false;
      std::vector<storage::Ordinal> lacked;
      {
        const absl::ReaderMutexLock lock(&mutex_);
        if (indexes_ != nullptr) {
          have = indexes_->last_sequence();
          generation = indexes_->generation();
          standby = indexes_->standby();
          lacked = indexes_->lacked();
        }
      }
      if (generation != nullptr && have >= goal) return absl::OkStatus();
      const absl::StatusOr<std::shared_ptr<const storage::Generation>> active = library_->OpenGeneration(0);
      if (generation == nullptr) {
        // The first embedding of a library.
        if (absl::IsNotFound(active.status())) return absl::OkStatus();
        EIDETIC_RETURN_IF_ERROR(active.status());
        EIDETIC_RETURN_IF_ERROR(BuildAnew(*active));
        continue;
      }
      EIDETIC_RETURN_IF_ERROR(active.status());
      if (standby) {
        if ((*active)->number() != generation->number()) return absl::OkStatus();
        // Not before the switch, wherever that is.
        goal = library_->last_sequence();
      }
      absl::StatusOr<std::vector<storage::Change>> changes = library_->ReadChanges(have, kChangesAtOnce);
      if (absl::IsOutOfRange(changes.status())) {
        // A log that was cut.
        EIDETIC_RETURN_IF_ERROR(BuildAnew(generation));
        continue;
      }
      EIDETIC_RETURN_IF_ERROR(changes.status());
      const uint64_t switched = standby ? 0 : CutAtSwitch(*changes);
      if (!changes->empty()) {
        const bool activates = standby && changes->back().sequence >= goal;
        if (!activates) lacked.clear();
        EIDETIC_ASSIGN_OR_RETURN(const IndexUpdate update, PrepareUpdate(*generation, *changes, lacked));
        const absl::MutexLock lock(&mutex_);
        EIDETIC_RETURN_IF_ERROR(indexes_->Apply(update));
        if (activates) indexes_->Activate();
      } else if (switched == 0) {
        return absl::OkStatus();
      }
      if (switched == 0) continue;
      if ((*active)->number() == generation->number()) {
        // Away and back again: what happened between is in no change log.
        EIDETIC_RETURN_IF_ERROR(BuildAnew(generation));
        continue;
      }
      return Superseded(switched);
    }
  }

  // Takes off everything from the first switch on and returns the generation that
  // it leads to; 0: there is none.
  static uint64_t CutAtSwitch(std::vector<storage::Change>& changes) {
    const auto switched = std::find_if(changes.begin(), changes.end(), [](const storage::Change& change) {
      return change.record.kind() == storage::v1::ChangeRecord::KIND_SWITCH;
    });
    if (switched == changes.end()) return 0;
    const uint64_t generation = switched->record.generation();
    changes.erase(switched, changes.end());
    return generation;
  }

  static absl::Status Superseded(uint64_t generation) {
    return absl::FailedPreconditionError(absl::StrCat("the library has moved to generation ", generation,
                                                      ", this index is of an earlier one"));
  }

  absl::Status BuildAnew(std::shared_ptr<const storage::Generation> generation) {
    EIDETIC_ASSIGN_OR_RETURN(auto built,
                             LibraryIndexes::Build(*library_, std::move(generation), {.hnsw_from = 0}));
    const absl::MutexLock lock(&mutex_);
    indexes_ = std::move(built);
    return absl::OkStatus();
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
        Report(EventSeverity::kWarning, "index_behind", status);
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
      if (!status.ok() && !absl::IsCancelled(status)) {
        SetOrigin("behind", std::string(status.message()));
        Report(EventSeverity::kWarning, "index_build_failed", status);
      }
    });
  }

  void Report(EventSeverity severity, absl::string_view event, const absl::Status& status) const {
    ReportEvent(options_.event_log, severity, event,
                {{"code", absl::StatusCodeToString(status.code())}, {"detail", status.message()}});
  }

  // Beside the indexes that serve; readers see a swap of pointers.
  absl::Status Rebuild() {
    std::shared_ptr<const storage::Generation> generation;
    {
      const absl::ReaderMutexLock lock(&mutex_);
      generation = indexes_->generation();
    }
    EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<LibraryIndexes> built,
                             LibraryIndexes::Build(*library_, generation,
                                                   {.hnsw_from = options_.hnsw_from,
                                                    .progress = options_.progress,
                                                    .cancelled = [this] { return stop_.load(); }}));
    const absl::Status superseded = absl::CancelledError("the library has moved to another generation");
    if (built->standby()) return superseded;
    {
      const absl::MutexLock turn(&catch_up_mutex_);
      while (built->last_sequence() < library_->last_sequence()) {
        if (stop_) return absl::CancelledError("stopped");
        EIDETIC_ASSIGN_OR_RETURN(auto changes, library_->ReadChanges(built->last_sequence(), kChangesAtOnce));
        if (changes.empty()) break;
        if (CutAtSwitch(changes) != 0) return superseded;
        EIDETIC_ASSIGN_OR_RETURN(const IndexUpdate update, PrepareUpdate(*generation, changes, {}));
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
