#include "searcher/search_engine.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <cmath>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "searcher/effort_tuning.h"
#include "searcher/library_indexes.h"
#include "searcher/published.h"
#include "searcher/snapshot.h"
#include "searcher/snapshot_fit.h"

namespace eidetic::searcher {
namespace {

using storage::EventSeverity;

// Changes taken in at once.
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
// Vectors outside the graph are taken in when they are this many, and this share
// of all: until then they cost each search some 50 µs.
constexpr size_t kFewestTail = 4'096;
constexpr double kMostTail = 1.0 / 256;
// A snapshot is written after a graph took vectors in when they are this share.
constexpr double kWorthSaving = 0.1;
// Captions whose texts are searched for to measure the effort that photos need.
constexpr size_t kTuningQueries = 300;
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
    const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
    if (indexes == nullptr) {
      matches.trace.reason = kNoVectors;
      return matches;
    }
    EIDETIC_RETURN_IF_ERROR(CheckModel(*indexes, query));
    const VectorSearchOptions tuned = WithEffort(*indexes, options);
    matches.trace = Trace(*indexes, indexes->images(), tuned);
    EIDETIC_ASSIGN_OR_RETURN(matches.neighbors, indexes->images().Search(query.values(), tuned));
    return matches;
  }

  absl::StatusOr<CaptionMatches> SearchCaptions(const QueryVector& query,
                                                const VectorSearchOptions& options) const override {
    CaptionMatches matches;
    const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
    if (indexes == nullptr) {
      matches.trace.reason = kNoVectors;
      return matches;
    }
    EIDETIC_RETURN_IF_ERROR(CheckModel(*indexes, query));
    matches.trace = Trace(*indexes, indexes->captions(), options);
    EIDETIC_ASSIGN_OR_RETURN(matches.neighbors, indexes->captions().Search(query.values(), options));
    return matches;
  }

  absl::StatusOr<std::vector<ImageMatches>> SearchImagesBatch(
      std::span<const QueryVector> queries, const VectorSearchOptions& options) const override {
    std::vector<ImageMatches> matches(queries.size());
    const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
    if (indexes == nullptr) {
      for (ImageMatches& one : matches) one.trace.reason = kNoVectors;
      return matches;
    }
    std::vector<float> values;
    for (const QueryVector& query : queries) {
      EIDETIC_RETURN_IF_ERROR(CheckModel(*indexes, query));
      if (query.values().size() != static_cast<size_t>(indexes->dimension())) {
        return absl::InvalidArgumentError(absl::StrCat("the query has ", query.values().size(),
                                                       " values, the index has dimension ",
                                                       indexes->dimension()));
      }
      values.insert(values.end(), query.values().begin(), query.values().end());
    }
    const VectorSearchOptions tuned = WithEffort(*indexes, options);
    const SearchTrace trace = Trace(*indexes, indexes->images(), tuned);
    EIDETIC_ASSIGN_OR_RETURN(auto answers, indexes->images().SearchBatch(values, tuned));
    for (size_t i = 0; i < matches.size(); ++i) matches[i] = {std::move(answers[i]), trace};
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
    std::shared_ptr<LibraryIndexes> indexes;
    std::map<std::string, SnapshotPart> parts;
    IndexKind kind = IndexKind::kExact;
    size_t vectors = 0;
    {
      // What is stored and the number it is of belong together.
      const absl::MutexLock lock(&catch_up_mutex_);
      indexes = indexes_.load();
      if (indexes == nullptr) return absl::OkStatus();
      kind = indexes->images().kind();
      if (saved_ && saved_sequence_ == indexes->last_sequence() && saved_kind_ == kind) {
        return absl::OkStatus();
      }
      info = {.database_id = indexes->database_id(),
              .generation = indexes->generation()->number(),
              .epoch = epoch_ + 1,
              .last_sequence = indexes->last_sequence(),
              .dimension = static_cast<uint32_t>(indexes->dimension()),
              .model_fingerprint = indexes->generation()->model_fingerprint()};
      if (const auto effort = indexes->image_effort(); effort != nullptr) info.image_effort = *effort;
      vectors = indexes->images().size();
      parts = indexes->Store();
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
    saved_vectors_ = vectors;
    snapshot_bytes_ = *bytes;
    if (info.last_sequence <= kKeptChanges) return absl::OkStatus();
    return library_->TrimChanges(info.last_sequence - kKeptChanges);
  }

  SearchEngineStatus status() const override {
    SearchEngineStatus status;
    status.building = building_;
    status.snapshot_bytes = snapshot_bytes_;
    {
      const absl::MutexLock lock(&origin_mutex_);
      status.origin = origin_;
      status.origin_detail = origin_detail_;
      status.rejections = rejections_;
    }
    const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
    if (indexes == nullptr) return status;
    status.kind = indexes->images().kind();
    status.vectors = indexes->images().size();
    status.tombstones = indexes->images().tombstones();
    status.tail = indexes->images().tail();
    status.caption_vectors = indexes->captions().size();
    status.memory_bytes = indexes->images().memory_bytes() + indexes->captions().memory_bytes();
    status.last_sequence = indexes->last_sequence();
    return status;
  }

 private:
  static constexpr char kNoVectors[] = "the library holds no vectors yet";

  static absl::Status CheckModel(const LibraryIndexes& indexes, const QueryVector& query) {
    const storage::Generation& generation = *indexes.generation();
    if (query.model_fingerprint() == generation.model_fingerprint()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("the query is a vector of the model with fingerprint ", query.model_fingerprint(),
                     ", the index holds vectors of \"", generation.record().model_name(), "\" (fingerprint ",
                     generation.model_fingerprint(), "): they cannot be compared"));
  }

  // The effort that was measured for photos, where the caller names none.
  static VectorSearchOptions WithEffort(const LibraryIndexes& indexes, VectorSearchOptions options) {
    const std::shared_ptr<const EffortCurve> measured = indexes.image_effort();
    if (options.ef_search > 0 || measured == nullptr || measured->points.empty()) return options;
    options.ef_search = std::max(measured->EffortFor(kDefaultRecall),
                                 static_cast<int>(std::min<size_t>(4 * options.limit, INT_MAX)));
    return options;
  }

  SearchTrace Trace(const LibraryIndexes& indexes, const VectorIndex& index,
                    const VectorSearchOptions& options) const {
    SearchTrace trace;
    // Before the search, which may see more.
    trace.last_sequence = indexes.last_sequence();
    trace.live_size = index.size();
    trace.index_size = trace.live_size + index.tombstones();
    trace.kind = options.exact ? IndexKind::kExact : index.kind();
    if (trace.kind == IndexKind::kHnsw) {
      trace.ef_search = options.ef_search > 0 ? options.ef_search : DefaultEfSearch(options.limit);
      trace.reason = absl::StrCat(trace.live_size, " vectors: the graph is faster than comparing all");
    } else if (options.exact && index.kind() == IndexKind::kHnsw) {
      trace.reason = "exact search was asked for";
    } else if (building_) {
      trace.reason = "the graph is being built; until then all vectors are compared";
    } else {
      trace.reason =
          absl::StrCat("fewer than ", options_.hnsw_from, " vectors: comparing all is fast and exact");
    }
    return trace;
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
    absl::StatusOr<std::shared_ptr<LibraryIndexes>> loaded = LoadSnapshot(*generation);
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
      // Without a graph it is there at once; that is built while it serves.
      loaded =
          LibraryIndexes::Build(*library_, *generation, {.progress = options_.progress, .cancelled = {}});
      EIDETIC_RETURN_IF_ERROR(loaded.status());
      SetOrigin("rebuilt", lack_);
      ReportEvent(options_.event_log, EventSeverity::kInfo, "index_rebuilt",
                  {{"vectors", (*loaded)->images().size()}, {"seconds", absl::Now() - start}});
    }
    indexes_.store(*std::move(loaded));
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<LibraryIndexes>> LoadSnapshot(
      const std::shared_ptr<const storage::Generation>& generation) {
    auto loaded = [&]() -> absl::StatusOr<std::shared_ptr<LibraryIndexes>> {
      EIDETIC_ASSIGN_OR_RETURN(Snapshot snapshot,
                               ReadSnapshot(folder_, files_, options_.vectors_on_disk ? kVectorsSuffix : ""));
      const SnapshotInfo info = snapshot.info;
      epoch_ = info.epoch;
      EIDETIC_RETURN_IF_ERROR(CheckSnapshotFits(info, *library_, *generation));
      lost_ = CheckNothingLost(info, *library_);
      EIDETIC_RETURN_IF_ERROR(lost_);
      EIDETIC_RETURN_IF_ERROR(library_->ReadChanges(info.last_sequence, 1).status());
      const uint64_t bytes = snapshot.total_bytes;
      EIDETIC_ASSIGN_OR_RETURN(auto indexes, LibraryIndexes::Load(std::move(snapshot), generation));
      snapshot_bytes_ = bytes;
      saved_ = true;
      saved_sequence_ = info.last_sequence;
      saved_kind_ = indexes->images().kind();
      saved_vectors_ = indexes->images().size();
      return indexes;
    }();
    if (!loaded.ok()) NoteRejection(loaded.status());
    return loaded;
  }

  // None, or one from before the change log begins, is no damage.
  void NoteRejection(const absl::Status& reason) {
    lack_ = std::string(reason.message());
    if (absl::IsNotFound(reason) || absl::IsOutOfRange(reason)) return;
    const absl::MutexLock lock(&origin_mutex_);
    ++rejections_.count;
    rejections_.last_reason = lack_;
    rejections_.last_time = absl::Now();
  }

  void SetOrigin(const std::string& origin, const std::string& detail) {
    const absl::MutexLock lock(&origin_mutex_);
    origin_ = origin;
    origin_detail_ = detail;
  }

  std::string Origin() const {
    const absl::MutexLock lock(&origin_mutex_);
    return origin_;
  }

  absl::Status CatchUpLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(catch_up_mutex_) {
    uint64_t goal = library_->last_sequence();
    while (true) {
      const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
      if (indexes != nullptr && indexes->last_sequence() >= goal) return absl::OkStatus();
      const absl::StatusOr<std::shared_ptr<const storage::Generation>> active = library_->OpenGeneration(0);
      if (indexes == nullptr) {
        // The first embedding of a library.
        if (absl::IsNotFound(active.status())) return absl::OkStatus();
        EIDETIC_RETURN_IF_ERROR(active.status());
        EIDETIC_RETURN_IF_ERROR(BuildAnew(*active));
        continue;
      }
      EIDETIC_RETURN_IF_ERROR(active.status());
      const std::shared_ptr<const storage::Generation>& generation = indexes->generation();
      const bool standby = indexes->standby();
      if (standby) {
        if ((*active)->number() != generation->number()) return absl::OkStatus();
        // Not before the switch, wherever that is.
        goal = library_->last_sequence();
      }
      absl::StatusOr<std::vector<storage::Change>> changes =
          library_->ReadChanges(indexes->last_sequence(), kChangesAtOnce);
      if (absl::IsOutOfRange(changes.status())) {
        // A log that was cut.
        EIDETIC_RETURN_IF_ERROR(BuildAnew(generation));
        continue;
      }
      EIDETIC_RETURN_IF_ERROR(changes.status());
      const uint64_t switched = standby ? 0 : CutAtSwitch(*changes);
      if (!changes->empty()) {
        const bool activates = standby && changes->back().sequence >= goal;
        std::span<const storage::Ordinal> lacked;
        if (activates) lacked = indexes->lacked();
        EIDETIC_ASSIGN_OR_RETURN(const IndexUpdate update, PrepareUpdate(*generation, *changes, lacked));
        EIDETIC_RETURN_IF_ERROR(indexes->Apply(update));
        if (activates) indexes->Activate();
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

  absl::Status BuildAnew(std::shared_ptr<const storage::Generation> generation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(catch_up_mutex_) {
    EIDETIC_ASSIGN_OR_RETURN(auto built, LibraryIndexes::Build(*library_, std::move(generation), {}));
    indexes_.store(std::move(built));
    return absl::OkStatus();
  }

  void Follow() {
    while (!stop_) {
      const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
      const uint64_t have = indexes != nullptr ? indexes->last_sequence() : 0;
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

  // Vectors outside the graph that should be in one.
  bool NeedsGraph(const VectorIndex& index, double hysteresis) const {
    if (options_.hnsw_from == 0) return false;
    const auto size = static_cast<double>(index.size());
    if (index.kind() == IndexKind::kExact) {
      return size >= static_cast<double>(options_.hnsw_from) * hysteresis;
    }
    return index.tail() >= kFewestTail && static_cast<double>(index.tail()) >= kMostTail * size;
  }

  // Too many tombstones.
  static bool IsWorn(const VectorIndex& index) {
    return index.tombstones() >= kFewestTombstones &&
           static_cast<double>(index.tombstones()) >
               kMostTombstones * static_cast<double>(index.size() + index.tombstones());
  }

  // Called by StartFollowing and then by the follower alone.
  void StartBuilderIfNeeded() {
    const std::shared_ptr<LibraryIndexes> indexes = indexes_.load();
    if (building_ || indexes == nullptr) return;
    const double hysteresis = Origin() == "rebuilt" ? 1 : kGraphHysteresis;
    const bool worn = IsWorn(indexes->images()) || IsWorn(indexes->captions());
    if (!worn && !NeedsGraph(indexes->images(), hysteresis) && !NeedsGraph(indexes->captions(), hysteresis)) {
      return;
    }
    if (builder_.joinable()) builder_.join();
    building_ = true;
    builder_ = std::thread([this, indexes, worn, hysteresis] {
      const absl::Status status = worn ? Rebuild(indexes->generation()) : Merge(*indexes, hysteresis);
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

  // Into the graph of the indexes that serve, beside searches and changes.
  absl::Status Merge(LibraryIndexes& indexes, double hysteresis) {
    EIDETIC_RETURN_IF_ERROR(BuildGraphs(indexes, hysteresis));
    const auto now = static_cast<double>(indexes.images().size());
    const bool worth = saved_kind_ != indexes.images().kind() ||
                       std::abs(now - static_cast<double>(saved_vectors_)) > kWorthSaving * now;
    return worth ? SaveAndSettle(indexes.generation()) : absl::OkStatus();
  }

  // All embeddings anew, without tombstones, beside the indexes that serve.
  absl::Status Rebuild(const std::shared_ptr<const storage::Generation>& generation) {
    EIDETIC_ASSIGN_OR_RETURN(
        const std::shared_ptr<LibraryIndexes> built,
        LibraryIndexes::Build(*library_, generation,
                              {.progress = options_.progress, .cancelled = [this] { return stop_.load(); }}));
    if (built->standby()) return MovedOn();
    EIDETIC_RETURN_IF_ERROR(BuildGraphs(*built, /*hysteresis=*/1));
    EIDETIC_RETURN_IF_ERROR(Swap(built));
    return SaveAndSettle(generation);
  }

  absl::Status BuildGraphs(LibraryIndexes& indexes, double hysteresis) {
    EIDETIC_RETURN_IF_ERROR(indexes.BuildGraphs(
        [this, hysteresis](const VectorIndex& index) { return NeedsGraph(index, hysteresis); },
        {.low_priority = true, .progress = options_.progress, .cancelled = [this] { return stop_.load(); }}));
    return indexes.image_effort() == nullptr ? MeasureImageEffort(indexes) : absl::OkStatus();
  }

  // By the captions' texts. Too few: the default effort stays.
  absl::Status MeasureImageEffort(LibraryIndexes& indexes) {
    const size_t captions = indexes.captions().size();
    if (indexes.images().kind() != IndexKind::kHnsw || captions < kFewestTuningQueries)
      return absl::OkStatus();
    const size_t step = std::max<size_t>(1, captions / kTuningQueries);
    std::vector<float> queries;
    size_t seen = 0;
    EIDETIC_RETURN_IF_ERROR(indexes.generation()->NewView()->ForEachCaptionEmbedding(
        [&](storage::CaptionId, std::span<const float> vector) {
          if (seen++ % step == 0) queries.insert(queries.end(), vector.begin(), vector.end());
          return stop_ ? absl::CancelledError("stopped") : absl::OkStatus();
        }));
    EIDETIC_ASSIGN_OR_RETURN(
        EffortCurve curve,
        MeasureEffort(indexes.images(), queries, {.cancelled = [this] { return stop_.load(); }}));
    indexes.set_image_effort(std::move(curve));
    return absl::OkStatus();
  }

  // Takes the newest changes into `indexes` and puts them in the place of those
  // that serve; readers see a swap of pointers.
  absl::Status Swap(const std::shared_ptr<LibraryIndexes>& indexes) {
    const absl::MutexLock turn(&catch_up_mutex_);
    while (indexes->last_sequence() < library_->last_sequence()) {
      if (stop_) return absl::CancelledError("stopped");
      EIDETIC_ASSIGN_OR_RETURN(auto changes, library_->ReadChanges(indexes->last_sequence(), kChangesAtOnce));
      if (changes.empty()) break;
      if (CutAtSwitch(changes) != 0) return MovedOn();
      EIDETIC_ASSIGN_OR_RETURN(const IndexUpdate update, PrepareUpdate(*indexes->generation(), changes, {}));
      EIDETIC_RETURN_IF_ERROR(indexes->Apply(update));
    }
    indexes_.store(indexes);
    return absl::OkStatus();
  }

  static absl::Status MovedOn() {
    return absl::CancelledError("the library has moved to another generation");
  }

  // With vectors on disk: those that were in memory while the graph was built
  // are left to the file they are in now.
  absl::Status SaveAndSettle(const std::shared_ptr<const storage::Generation>& generation) {
    EIDETIC_RETURN_IF_ERROR(SaveSnapshot());
    if (!options_.vectors_on_disk || !library_->CheckWritable().ok()) return absl::OkStatus();
    absl::StatusOr<std::shared_ptr<LibraryIndexes>> loaded;
    {
      const absl::MutexLock turn(&snapshot_mutex_);
      loaded = LoadSnapshot(generation);
    }
    if (absl::IsNotFound(loaded.status())) return MovedOn();
    EIDETIC_RETURN_IF_ERROR(loaded.status());
    return Swap(*loaded);
  }

  storage::Library* const library_;
  const SearchEngineOptions options_;
  storage::FileSystem& files_;
  const std::string folder_;

  // One snapshot is written at a time.
  absl::Mutex snapshot_mutex_ ABSL_ACQUIRED_BEFORE(catch_up_mutex_);
  uint64_t epoch_ = 0;
  bool saved_ = false;
  uint64_t saved_sequence_ = 0;
  std::atomic<IndexKind> saved_kind_ = IndexKind::kExact;
  std::atomic<size_t> saved_vectors_ = 0;

  // One thread takes changes in at a time.
  absl::Mutex catch_up_mutex_;
  // What searches use; stored under catch_up_mutex_, loaded by anyone.
  Published<LibraryIndexes> indexes_;

  mutable absl::Mutex origin_mutex_;
  std::string origin_ ABSL_GUARDED_BY(origin_mutex_);
  std::string origin_detail_ ABSL_GUARDED_BY(origin_mutex_);
  SnapshotRejections rejections_ ABSL_GUARDED_BY(origin_mutex_);

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
