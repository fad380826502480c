#include "storage/rocksdb_library.h"

#include <rocksdb/cache.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "storage/caption_reader.h"
#include "storage/database_lock.h"
#include "storage/database_log.h"
#include "storage/family_options.h"
#include "storage/file_system.h"
#include "storage/keys.h"
#include "storage/library_folder.h"
#include "storage/mutation_writer.h"
#include "storage/record_codec.h"
#include "storage/record_reader.h"
#include "storage/recovery_check.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using v1::AssetRecord;
using v1::PathRecord;

// Mutations that one group may hold.
constexpr size_t kGroupMutations = 4096;
// Changes forgotten in one write.
constexpr uint64_t kTrimmedAtOnce = 10'000;
// The default family and those of ColumnFamilies.
constexpr size_t kFixedFamilies = 7;

std::string DatabasePath(const std::string& directory) { return absl::StrCat(directory, "/rocksdb"); }

FileSystem& FilesOf(const OpenOptions& options) {
  return options.file_system != nullptr ? *options.file_system : PosixFileSystem();
}

}  // namespace

struct RocksDbLibrary::Writer {
  const std::vector<Mutation>* mutations = nullptr;
  absl::string_view model_fingerprint;
  std::vector<absl::Status> results;
  absl::Status status;
  bool done = false;
  absl::CondVar wake;
};

absl::StatusOr<std::unique_ptr<Library>> Library::Open(const std::string& directory,
                                                       const OpenOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(std::string obstacle, ObstacleToWriting(directory));
  const bool exists = HasFormatFile(directory);
  if (!exists) {
    if (!options.create) {
      return absl::NotFoundError(
          absl::StrCat("no library in ", directory, "; make one with: eidetic index FOLDER"));
    }
    if (!obstacle.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot make a library in ", directory, ": ", obstacle));
    }
    EIDETIC_RETURN_IF_ERROR(PrepareNewDirectory(FilesOf(options), directory));
  }
  if (!obstacle.empty() && !options.allow_read_only) {
    return absl::FailedPreconditionError(
        absl::StrCat("the library ", directory, " can be searched, but not changed: ", obstacle));
  }
  std::unique_ptr<LibraryLock> lock;
  if (obstacle.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(lock,
                             LibraryLock::Acquire(directory, options.holder_command, options.holder_address));
  } else {
    EIDETIC_ASSIGN_OR_RETURN(lock, LibraryLock::AcquireShared(directory));
  }
  auto library = std::make_unique<RocksDbLibrary>(directory, std::move(lock), std::move(obstacle), options);
  EIDETIC_RETURN_IF_ERROR(library->Start(options));
  return std::unique_ptr<Library>(std::move(library));
}

absl::StatusOr<std::optional<LibraryHolder>> Library::ReadHolder(const std::string& directory) {
  return LibraryLock::ReadHolder(directory);
}

RocksDbLibrary::~RocksDbLibrary() {
  if (db_ == nullptr) return;
  // Before the database closes, which ends what the writer's own thread may do.
  const bool sealable = whole_ && !writer_->has_failed() && db_->SyncWAL().ok();
  writer_ = nullptr;
  {
    const absl::MutexLock lock(&state_mutex_);
    generations_.clear();
  }
  {
    const absl::MutexLock lock(&commit_mutex_);
    spare_families_.clear();
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  // Nothing is lost when this fails: every acknowledged write was synced. What is
  // missing then is the seal, and the next start recovers as after a crash.
  const bool closed = db_->Close().ok();
  // Until it is gone it may still remove files.
  db_.reset();
  if (closed && sealable) seal_->MarkClosed(last_sequence()).IgnoreError();
  ReportEvent(event_log_, EventSeverity::kInfo, "library_closed", {{"library", DisplayPath(directory_)}});
}

absl::Status RocksDbLibrary::Start(const OpenOptions& options) {
  // Looked at again under the lock: another process may have made it meanwhile.
  const bool exists = HasFormatFile(directory_);
  if (exists) EIDETIC_RETURN_IF_ERROR(CheckFormatFile(directory_));
  std::error_code error;
  if (exists && !fs::exists(absl::StrCat(DatabasePath(directory_), "/CURRENT"), error)) {
    return absl::DataLossError(absl::StrCat(
        "the library ", directory_, " has lost its database (folder rocksdb/)", RepairAdvice(directory_)));
  }
  seal_ = std::make_unique<DatabaseSeal>(directory_, FilesOf(options),
                                         options.env != nullptr ? *options.env : *rocksdb::Env::Default());
  if (exists) EIDETIC_RETURN_IF_ERROR(seal_->Check());
  EIDETIC_RETURN_IF_ERROR(OpenDatabase(/*create=*/!exists, options));
  // Last, so that a library with this file is a whole one.
  if (!exists) EIDETIC_RETURN_IF_ERROR(WriteFormatFile(FilesOf(options), directory_));
  // Open for reading alone it is neither sealed nor changed.
  whole_ = obstacle_.empty();
  if (whole_) EIDETIC_RETURN_IF_ERROR(seal_->Refresh(*db_, last_sequence()));
  ReportEvent(event_log_, EventSeverity::kInfo, "library_opened",
              {{"library", DisplayPath(directory_)}, {"last_sequence", last_sequence()}});
  return absl::OkStatus();
}

absl::Status RocksDbLibrary::OpenDatabase(bool create, const OpenOptions& options) {
  const std::string path = DatabasePath(directory_);
  const size_t budget = std::max<uint64_t>(options.memory_budget_bytes, 16 << 20);
  block_cache_ = rocksdb::NewLRUCache(budget / 2);
  write_buffer_ = budget / 8;
  rocksdb::DBOptions db_options;
  env_ = NewRecoverableEnv(options.env);
  db_options.env = env_.get();
  db_options.create_if_missing = create;
  db_options.create_missing_column_families = true;
  db_options.paranoid_checks = true;
  // All families reach their files in one step: after a write that failed, a crash
  // between two flushes would leave a database that does not open.
  db_options.atomic_flush = true;
  db_options.max_open_files = 256;
  db_options.max_background_jobs = 2;
  db_options.info_log = std::make_shared<DatabaseLog>(event_log_);
  // Otherwise the machine's name is written into every file.
  db_options.db_host_id = "";
  db_options.bytes_per_sync = 1 << 20;
  // When to go on after an error that stopped writes is for DurableWriter to say.
  const auto background_errors = std::make_shared<BackgroundErrors>(event_log_);
  db_options.listeners.push_back(background_errors);
  db_options.max_bgerror_resume_count = 0;
  // What is in no log need not outlive us.
  db_options.avoid_flush_during_shutdown = true;
  db_options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(budget / 2);

  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName,
                                    kAssetsFamily,
                                    kOrdinalsFamily,
                                    kPathsFamily,
                                    kCaptionsFamily,
                                    kChangesFamily,
                                    kMetaFamily};
  std::vector<std::string> present;
  if (rocksdb::DB::ListColumnFamilies(db_options, path, &present).ok()) {
    for (const std::string& name : present) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.reserve(names.size());
  for (const std::string& name : names) {
    descriptors.emplace_back(name, FamilyOptions(name, block_cache_, write_buffer_));
  }
  // RocksDB makes it too, but tells of its absence as of an error.
  if (create) EIDETIC_RETURN_IF_ERROR(CreateDirectoriesDurably(FilesOf(options), path));
  if (obstacle_.empty()) EIDETIC_RETURN_IF_ERROR(PrepareDatabaseLock(path));
  if (!create) {
    if (!seal_->was_closed()) {
      const absl::Status checked = CheckRecovery(db_options, path, seal_->least_sequence());
      if (absl::IsDataLoss(checked)) {
        return absl::DataLossError(absl::StrCat(
            "the database of ", directory_, " is damaged: ", checked.message(), RepairAdvice(directory_)));
      }
      EIDETIC_RETURN_IF_ERROR(AddContext(checked, absl::StrCat("the database of ", directory_)));
    }
    if (obstacle_.empty()) EIDETIC_RETURN_IF_ERROR(seal_->MarkOpen());
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status =
      obstacle_.empty() ? rocksdb::DB::Open(db_options, path, descriptors, &handles, &db)
                        : rocksdb::DB::OpenForReadOnly(db_options, path, descriptors, &handles, &db);
  if (!status.ok()) {
    const absl::Status mapped = FromRocksDb(status, absl::StrCat("opening the database of ", directory_));
    if (!status.IsCorruption() && !status.IsPathNotFound()) return mapped;
    return absl::DataLossError(absl::StrCat(mapped.message(), RepairAdvice(directory_)));
  }
  db_.reset(db);
  handles_.assign(handles.begin(), handles.begin() + kFixedFamilies);
  families_.assets = handles_[1];
  families_.ordinals = handles_[2];
  families_.paths = handles_[3];
  families_.captions = handles_[4];
  families_.changes = handles_[5];
  families_.meta = handles_[6];
  if (obstacle_.empty()) {
    writer_ = std::make_unique<DurableWriter>(
        db_.get(), families_.meta, background_errors,
        DurableWriterOptions{.directory = directory_,
                             .event_log = event_log_,
                             .health_observer = options.write_health_observer});
  }
  std::map<std::string, rocksdb::ColumnFamilyHandle*> of_generations;
  for (size_t i = kFixedFamilies; i < handles.size(); ++i) of_generations[handles[i]->GetName()] = handles[i];
  absl::Status loaded = FromRocksDb(db_->GetDbIdentity(database_id_), "reading the database's id");
  if (loaded.ok()) loaded = AddContext(LoadState(), absl::StrCat("opening the library ", directory_));
  if (loaded.ok() && last_sequence() < seal_->least_sequence()) {
    loaded = absl::DataLossError(absl::StrCat("the database of ", directory_, " is at change ",
                                              last_sequence(), ", but had reached ", seal_->least_sequence(),
                                              RepairAdvice(directory_)));
  }
  return LoadGenerations(std::move(of_generations), loaded);
}

absl::Status RocksDbLibrary::LoadState() {
  const absl::MutexLock lock(&state_mutex_);
  const absl::Status read = ReadRecord(db_.get(), families_.meta, kStateKey, "state record", state_);
  if (!read.ok() && !absl::IsNotFound(read)) return read;
  return absl::OkStatus();
}

absl::Status RocksDbLibrary::CheckWritable() const {
  if (obstacle_.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the library ", directory_, " is open for reading alone: ", obstacle_,
                   "; make it writable and open it anew (restart the server), or write to a copy of it"));
}

WriteHealth RocksDbLibrary::write_health() const {
  if (writer_ != nullptr) return writer_->health();
  return {.ok = false,
          .since = open_time_,
          .reason = DiskTroubleName(DiskTrouble::kReadOnly),
          .detail = obstacle_};
}

absl::Status RocksDbLibrary::SetHolderAddress(absl::string_view address) {
  if (!obstacle_.empty()) return absl::OkStatus();
  return lock_->SetAddress(std::string(address));
}

absl::StatusOr<std::vector<absl::Status>> RocksDbLibrary::Commit(std::vector<Mutation> mutations,
                                                                 absl::string_view model_fingerprint) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  Writer writer;
  writer.mutations = &mutations;
  writer.model_fingerprint = model_fingerprint;
  {
    absl::MutexLock lock(&queue_mutex_);
    queue_.push_back(&writer);
    while (!writer.done && queue_.front() != &writer) writer.wake.Wait(&queue_mutex_);
    if (writer.done) {
      if (!writer.status.ok()) return writer.status;
      return std::move(writer.results);
    }
  }
  // This writer leads. Whoever came while the last group was being written goes along.
  absl::Status status;
  std::vector<Writer*> group;
  {
    const absl::MutexLock commit_lock(&commit_mutex_);
    {
      const absl::MutexLock lock(&queue_mutex_);
      size_t size = 0;
      for (Writer* waiting : queue_) {
        size += waiting->mutations->size();
        if (!group.empty() && size > kGroupMutations) break;
        group.push_back(waiting);
      }
    }
    const absl::Time start = absl::Now();
    status = WriteGroup(group);
    if (commit_observer_) commit_observer_(absl::Now() - start, status.ok());
  }
  {
    const absl::MutexLock lock(&queue_mutex_);
    for (Writer* member : group) {
      queue_.pop_front();
      member->status = status;
      member->done = true;
      if (member != &writer) member->wake.Signal();
    }
    if (!queue_.empty()) queue_.front()->wake.Signal();
  }
  if (!status.ok()) return status;
  return std::move(writer.results);
}

absl::Status RocksDbLibrary::WriteGroup(std::span<Writer* const> group) {
  const OpenGenerations generations = GenerationsForWriting();
  MutationWriter batch(db_.get(), families_, CopyState(), generations);
  for (Writer* writer : group) {
    writer->results.reserve(writer->mutations->size());
    for (const Mutation& mutation : *writer->mutations) {
      writer->results.push_back(batch.Apply(mutation, writer->model_fingerprint));
    }
  }
  const absl::Status written = batch.Write(*writer_);
  {
    const absl::MutexLock lock(&state_mutex_);
    if (written.ok()) state_ = batch.state();
  }
  // A seal that could not be written promises less; the write itself is durable.
  if (written.ok()) seal_->RefreshIfDue(*db_, batch.state().last_sequence()).IgnoreError();
  return written;
}

absl::StatusOr<PathRecord> RocksDbLibrary::GetPath(absl::string_view path) const {
  PathRecord record;
  EIDETIC_RETURN_IF_ERROR(
      ReadRecord(db_.get(), families_.paths, path, absl::StrCat("path ", DisplayPath(path)), record));
  return record;
}

absl::StatusOr<Asset> RocksDbLibrary::GetAsset(absl::string_view asset_id) const {
  Asset asset{.asset_id = std::string(asset_id), .record = {}};
  EIDETIC_RETURN_IF_ERROR(
      ReadRecord(db_.get(), families_.assets, asset_id, absl::StrCat("asset ", asset_id), asset.record));
  return asset;
}

absl::StatusOr<std::string> RocksDbLibrary::GetAssetId(Ordinal ordinal) const {
  const std::string key = OrdinalKey(ordinal);
  rocksdb::PinnableSlice frame;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), families_.ordinals, key, &frame);
  if (status.IsNotFound()) return absl::NotFoundError(absl::StrCat("no asset has ordinal ", ordinal));
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(status, absl::StrCat("reading ordinal ", ordinal)));
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view id, DecodeFrame(key, ToView(frame)));
  return std::string(id);
}

absl::StatusOr<std::vector<float>> RocksDbLibrary::GetEmbedding(Ordinal ordinal) const {
  EIDETIC_ASSIGN_OR_RETURN(const auto active, FindGeneration(0));
  return active->GetEmbedding(ordinal);
}

absl::StatusOr<CaptionEntry> RocksDbLibrary::GetCaption(CaptionId id) const {
  CaptionEntry entry{.id = id, .record = {}};
  EIDETIC_RETURN_IF_ERROR(
      ReadRecord(db_.get(), families_.captions, CaptionKey(id), absl::StrCat("caption ", id), entry.record));
  return entry;
}

absl::StatusOr<std::vector<std::optional<Asset>>> RocksDbLibrary::GetAssets(
    std::span<const Ordinal> ordinals) const {
  std::vector<std::optional<Asset>> assets;
  assets.reserve(ordinals.size());
  for (const Ordinal ordinal : ordinals) {
    absl::StatusOr<std::string> id = GetAssetId(ordinal);
    absl::StatusOr<Asset> asset = id.ok() ? GetAsset(*id) : absl::StatusOr<Asset>(id.status());
    if (asset.ok()) {
      assets.emplace_back(*std::move(asset));
    } else if (absl::IsNotFound(asset.status())) {
      assets.emplace_back(std::nullopt);
    } else {
      return asset.status();
    }
  }
  return assets;
}

absl::StatusOr<std::vector<CaptionEntry>> RocksDbLibrary::GetCaptions(Ordinal ordinal) const {
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(rocksdb::ReadOptions(), families_.captions));
  return ReadCaptionsThrough(*iterator, ordinal);
}

absl::StatusOr<std::vector<std::pair<CaptionId, std::vector<float>>>> RocksDbLibrary::GetCaptionEmbeddings(
    Ordinal ordinal) const {
  EIDETIC_ASSIGN_OR_RETURN(const auto active, FindGeneration(0));
  return active->GetCaptionEmbeddings(ordinal);
}

absl::StatusOr<std::vector<Asset>> RocksDbLibrary::ListAssets(std::optional<Ordinal> after, int limit) const {
  std::vector<Asset> assets;
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(rocksdb::ReadOptions(), families_.ordinals));
  iterator->Seek(OrdinalKey(after.value_or(0)));
  for (; iterator->Valid() && assets.size() < static_cast<size_t>(std::max(limit, 0)); iterator->Next()) {
    const std::optional<Ordinal> ordinal = ParseOrdinalKey(ToView(iterator->key()));
    if (ordinal.has_value() && after.has_value() && *ordinal <= *after) continue;
    EIDETIC_ASSIGN_OR_RETURN(const absl::string_view id,
                             DecodeFrame(ToView(iterator->key()), ToView(iterator->value())));
    absl::StatusOr<Asset> asset = GetAsset(id);
    // Deleted since the iterator was made.
    if (absl::IsNotFound(asset.status())) continue;
    EIDETIC_RETURN_IF_ERROR(asset.status());
    assets.push_back(*std::move(asset));
  }
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(iterator->status(), "listing assets"));
  return assets;
}

absl::Status RocksDbLibrary::ForEachPath(
    absl::string_view prefix,
    const std::function<absl::Status(absl::string_view, const PathRecord&)>& visit) const {
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(rocksdb::ReadOptions(), families_.paths));
  PathRecord record;
  for (iterator->Seek(ToSlice(prefix)); iterator->Valid() && iterator->key().starts_with(ToSlice(prefix));
       iterator->Next()) {
    const absl::string_view path = ToView(iterator->key());
    EIDETIC_RETURN_IF_ERROR(AddContext(DecodeRecord(path, ToView(iterator->value()), record),
                                       absl::StrCat("path ", DisplayPath(path))));
    EIDETIC_RETURN_IF_ERROR(visit(path, record));
  }
  return FromRocksDb(iterator->status(), "reading paths");
}

absl::StatusOr<LibraryCounts> RocksDbLibrary::Counts() const {
  LibraryCounts counts;
  {
    const absl::MutexLock lock(&state_mutex_);
    counts = {
        .assets = state_.asset_count(), .paths = state_.path_count(), .captions = state_.caption_count()};
  }
  std::error_code error;
  for (fs::directory_iterator entry(DatabasePath(directory_), error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code size_error;
    const uintmax_t size = entry->file_size(size_error);
    // A file may be deleted by compaction between listing and asking.
    if (!size_error) counts.database_bytes += size;
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("reading ", DatabasePath(directory_)));
  return counts;
}

uint64_t RocksDbLibrary::last_sequence() const {
  const absl::MutexLock lock(&state_mutex_);
  return state_.last_sequence();
}

absl::StatusOr<std::vector<Change>> RocksDbLibrary::ReadChanges(uint64_t sequence, int limit) const {
  uint64_t trimmed = 0;
  uint64_t last = 0;
  {
    const absl::MutexLock lock(&state_mutex_);
    trimmed = state_.trimmed_sequence();
    last = state_.last_sequence();
  }
  if (sequence < trimmed) {
    return absl::OutOfRangeError(absl::StrCat("the change log begins after ", trimmed, ", changes after ",
                                              sequence, " are forgotten"));
  }
  std::vector<Change> changes;
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(rocksdb::ReadOptions(), families_.changes));
  for (iterator->Seek(SequenceKey(sequence + 1));
       iterator->Valid() && changes.size() < static_cast<size_t>(std::max(limit, 0)); iterator->Next()) {
    const std::optional<uint64_t> number = ParseUint64Key(ToView(iterator->key()));
    if (!number.has_value() || *number > last) break;
    Change change{.sequence = *number, .record = {}};
    EIDETIC_RETURN_IF_ERROR(
        AddContext(DecodeRecord(ToView(iterator->key()), ToView(iterator->value()), change.record),
                   absl::StrCat("change ", *number)));
    if (*number != sequence + 1 + changes.size()) {
      return absl::DataLossError(
          absl::StrCat("change ", sequence + 1 + changes.size(), " is missing from the log"));
    }
    changes.push_back(std::move(change));
  }
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(iterator->status(), "reading the change log"));
  return changes;
}

uint64_t RocksDbLibrary::WaitForChange(uint64_t sequence, absl::Time deadline) const {
  const auto changed = [this, sequence]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_) {
    return state_.last_sequence() > sequence;
  };
  const absl::MutexLock lock(&state_mutex_);
  state_mutex_.AwaitWithDeadline(absl::Condition(&changed), deadline);
  return state_.last_sequence();
}

absl::Status RocksDbLibrary::TrimChanges(uint64_t sequence) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  while (true) {
    const absl::MutexLock commit_lock(&commit_mutex_);
    v1::StateRecord state;
    {
      const absl::MutexLock lock(&state_mutex_);
      state = state_;
    }
    const uint64_t first = state.trimmed_sequence() + 1;
    const uint64_t last = std::min({sequence, state.last_sequence(), first + kTrimmedAtOnce - 1});
    if (last < first) return absl::OkStatus();
    state.set_trimmed_sequence(last);
    rocksdb::WriteBatch batch;
    rocksdb::Status written = batch.Put(families_.meta, kStateKey, EncodeRecord(kStateKey, state));
    // One by one: iterators of RocksDB 7.8 abort on the tombstones of DeleteRange
    // when writes come meanwhile (found by the crash oracle).
    for (uint64_t number = first; number <= last && written.ok(); ++number) {
      written = batch.Delete(families_.changes, SequenceKey(number));
    }
    EIDETIC_RETURN_IF_ERROR(FromRocksDb(written, "trimming the change log"));
    EIDETIC_RETURN_IF_ERROR(writer_->Write(batch));
    const absl::MutexLock lock(&state_mutex_);
    state_ = state;
  }
}

}  // namespace eidetic::storage
