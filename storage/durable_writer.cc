#include "storage/durable_writer.h"

#include <rocksdb/write_batch.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

// Between attempts to recover.
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
// On a full disk no attempt is made with less room than this.
constexpr uint64_t kLeastFreeBytes = uint64_t{1} << 20;

// Key of the default column family, which holds nothing else.
constexpr char kAnchorKey[] = "anchor";

// Room for this process on the folder's file system; nullopt when it is not known.
std::optional<uint64_t> FreeBytes(const std::string& directory) {
  struct statvfs info {};
  if (statvfs(directory.c_str(), &info) != 0) return std::nullopt;
  return static_cast<uint64_t>(geteuid() == 0 ? info.f_bfree : info.f_bavail) * info.f_frsize;
}

std::string FreeBytesText(const std::string& directory) {
  const std::optional<uint64_t> bytes = FreeBytes(directory);
  return bytes.has_value() ? absl::StrCat(*bytes, " bytes free") : "free bytes unknown";
}

}  // namespace

void BackgroundErrors::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  const absl::MutexLock lock(&mutex_);
  if (reason == rocksdb::BackgroundErrorReason::kCompaction && error->IsIOError()) {
    // RocksDB tries it again by itself, once a second, and takes writes meanwhile.
    if (!std::exchange(compaction_fails_, true)) {
      ReportEvent(event_log_, EventSeverity::kWarning, "compaction_failed",
                  {{"reason", DiskTroubleName(DiskTroubleOf(*error))}, {"detail", error->ToString()}});
    }
    return;
  }
  error_ = *error;
}

void BackgroundErrors::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* recover) {
  *recover = false;
}

void BackgroundErrors::OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) {
  if (!job.status.ok()) return;
  const absl::MutexLock lock(&mutex_);
  compaction_fails_ = false;
}

void BackgroundErrors::OnMemTableSealed(const rocksdb::MemTableInfo&) {
  const absl::MutexLock lock(&mutex_);
  flush_due_ = true;
}

void BackgroundErrors::OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) {
  const absl::MutexLock lock(&mutex_);
  flush_due_ = false;
}

void BackgroundErrors::AwaitFlushBegin() {
  const auto begun = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !flush_due_ || !error_.ok(); };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&begun), kLongestPause);
}

rocksdb::Status BackgroundErrors::Wait(absl::Time deadline) {
  const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return woken_ || !error_.ok(); };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&has_news), deadline);
  woken_ = false;
  return std::exchange(error_, rocksdb::Status::OK());
}

void BackgroundErrors::Wake() {
  const absl::MutexLock lock(&mutex_);
  woken_ = true;
}

DurableWriter::DurableWriter(rocksdb::DB* db, const RecoverableEnv* env,
                             std::shared_ptr<BackgroundErrors> errors, const Options& options)
    : db_(db), env_(env), errors_(std::move(errors)), options_(options), health_({.since = absl::Now()}) {
  watcher_ = std::thread([this] { Watch(); });
}

DurableWriter::~DurableWriter() {
  stopping_ = true;
  errors_->Wake();
  watcher_.join();
}

absl::Status DurableWriter::Write(rocksdb::WriteBatch& batch, absl::string_view doing) {
  const absl::MutexLock lock(&write_mutex_);
  if (failing_ && (absl::Now() < last_attempt_ + kFirstPause || !TryToRecover())) return Refusal();
  const rocksdb::Status written = WriteSynced(batch);
  if (written.ok()) return absl::OkStatus();
  if (written.IsInvalidArgument()) return FromRocksDb(written, doing);
  Fail(written, doing);
  return Refusal();
}

absl::Status DurableWriter::Check(const rocksdb::Status& status, absl::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsInvalidArgument()) return FromRocksDb(status, doing);
  const absl::MutexLock lock(&write_mutex_);
  Fail(status, doing);
  return Refusal();
}

WriteHealth DurableWriter::health() const {
  const absl::MutexLock lock(&health_mutex_);
  return health_;
}

// Two ways in which RocksDB 7.8 does not survive a write to its log that fails:
//
// * While no memtable holds anything, Resume finds nothing to write to new files
//   and keeps the log; the next write to it ends the process (an assertion). So
//   something is put into memory, without the log, before each write to it.
// * A flush that was ordered and has not begun is forgotten, and Resume waits for
//   it for ever. Putting the anchor is when memtables are changed and flushes
//   ordered, so that their beginning can be waited for before the write.
rocksdb::Status DurableWriter::Anchor() {
  rocksdb::WriteOptions no_log;
  no_log.disableWAL = true;
  const rocksdb::Status put = db_->Put(no_log, kAnchorKey, "");
  if (put.ok()) errors_->AwaitFlushBegin();
  return put;
}

rocksdb::Status DurableWriter::WriteSynced(rocksdb::WriteBatch& batch) {
  rocksdb::Status written = Anchor();
  if (!written.ok()) return written;
  rocksdb::WriteOptions sync;
  sync.sync = true;
  return db_->Write(sync, &batch);
}

rocksdb::Status DurableWriter::Probe() {
  rocksdb::WriteBatch probe;
  const rocksdb::Status put = probe.Put(kAnchorKey, "");
  return put.ok() ? WriteSynced(probe) : put;
}

void DurableWriter::Fail(const rocksdb::Status& error, absl::string_view doing) {
  const DiskTrouble trouble = DiskTroubleOf(error);
  WriteHealth health;
  health.ok = false;
  health.reason = DiskTroubleName(trouble);
  health.detail = absl::StrCat(doing, ": ", error.ToString());
  health.since = failing_ ? this->health().since : absl::Now();
  if (!failing_ || health.reason != this->health().reason) {
    ReportEvent(options_.event_log, EventSeverity::kError, "writes_failed",
                {{"reason", health.reason},
                 {"library", DisplayPath(options_.directory)},
                 {"free_bytes", FreeBytes(options_.directory).value_or(0)},
                 {"detail", health.detail}});
  }
  if (!failing_) pause_ = kFirstPause;
  failing_ = true;
  trouble_ = trouble;
  last_attempt_ = absl::Now();
  SetHealth(std::move(health));
  errors_->Wake();
}

absl::Status DurableWriter::Refusal() const {
  const std::string library = DisplayPath(options_.directory);
  const std::string detail = health().detail;
  switch (trouble_) {
    case DiskTrouble::kDiskFull:
      return absl::ResourceExhaustedError(absl::StrCat(
          "no room on the disk of the library ", library, " (", FreeBytesText(options_.directory),
          "): ", detail,
          "; free some space there. Searching goes on, and writes are taken again within seconds "
          "of there being room, without a restart"));
    case DiskTrouble::kReadOnly:
      return absl::FailedPreconditionError(
          absl::StrCat("the file system of the library ", library, " has become read-only: ", detail,
                       "; the system's log says why, often a disk that fails. Searching goes on, and writes "
                       "are taken again "
                       "within seconds of its being writable, without a restart"));
    case DiskTrouble::kDamaged:
      return absl::DataLossError(absl::StrCat("the database of the library ", library,
                                              " takes no writes: ", detail,
                                              "; run eidetic verify, and restore a backup if it finds "
                                              "faults"));
    case DiskTrouble::kError:
      break;
  }
  return absl::UnavailableError(absl::StrCat(
      "the disk of the library ", library, " fails: ", detail,
      "; the system's log says why. Searching goes on, and writes are tried again every few seconds"));
}

bool DurableWriter::MayResume() const {
  if (trouble_ == DiskTrouble::kDiskFull) {
    if (const auto free = FreeBytes(options_.directory); free.has_value() && *free < kLeastFreeBytes) {
      return false;
    }
  }
  if (!env_->current_log_failed()) return true;
  // See Anchor: only when a memtable was changed between the anchor and the write.
  uint64_t in_memory = 0;
  uint64_t waiting = 0;
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kNumEntriesActiveMemTable, &in_memory);
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kNumImmutableMemTable, &waiting);
  return in_memory + waiting > 0;
}

bool DurableWriter::TryToRecover() {
  last_attempt_ = absl::Now();
  if (!MayResume()) return false;
  rocksdb::Status recovered = db_->Resume();
  if (recovered.ok()) recovered = Probe();
  if (!recovered.ok()) {
    Fail(recovered, "trying to write again");
    return false;
  }
  failing_ = false;
  ReportEvent(options_.event_log, EventSeverity::kInfo, "writes_recovered",
              {{"library", DisplayPath(options_.directory)}, {"seconds", absl::Now() - health().since}});
  SetHealth({.since = absl::Now()});
  return true;
}

void DurableWriter::SetHealth(WriteHealth health) {
  {
    const absl::MutexLock lock(&health_mutex_);
    health_ = health;
  }
  if (options_.health_observer) options_.health_observer(health);
}

void DurableWriter::Watch() {
  absl::Time next = absl::InfiniteFuture();
  while (true) {
    const rocksdb::Status error = errors_->Wait(next);
    if (stopping_) return;
    const absl::MutexLock lock(&write_mutex_);
    // It may have passed already, with a recovery that a writer tried.
    if (!error.ok() && !failing_ && !Probe().ok()) Fail(error, "writing to the library's files");
    if (failing_ && absl::Now() >= last_attempt_ + pause_ && !TryToRecover()) {
      pause_ = std::min(pause_ * 2, kLongestPause);
    }
    next = failing_ ? last_attempt_ + pause_ : absl::InfiniteFuture();
  }
}

}  // namespace eidetic::storage
