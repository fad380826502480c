#include "storage/durable_writer.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"

namespace eidetic::storage {
namespace {

constexpr char kMayBeKeptPayload[] = "eidetic.storage/may_be_kept";

// A key of `meta` that is never there.
constexpr char kNoKey[] = "none";

// Between attempts to go on.
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
// On a full disk no attempt is made with less room than this.
constexpr uint64_t kLeastFreeBytes = uint64_t{1} << 20;

absl::Status InDoubt(const absl::Status& error) {
  absl::Status status(error.code(),
                      absl::StrCat(error.message(),
                                   "; if the library is closed before its next change succeeds, "
                                   "this change may be there when it is opened again"));
  status.SetPayload(kMayBeKeptPayload, absl::Cord());
  return status;
}

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

bool MayBeKept(const absl::Status& status) { return status.GetPayload(kMayBeKeptPayload).has_value(); }

DurableWriter::DurableWriter(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* meta,
                             std::shared_ptr<BackgroundErrors> errors, DurableWriterOptions options)
    : db_(db),
      meta_(meta),
      errors_(std::move(errors)),
      options_(std::move(options)),
      health_({.since = absl::Now()}),
      watcher_([this] { Watch(); }) {}

DurableWriter::~DurableWriter() {
  stopping_ = true;
  errors_->Wake();
  watcher_.join();
}

absl::Status DurableWriter::Write(rocksdb::WriteBatch& batch) {
  const absl::MutexLock lock(&mutex_);
  EIDETIC_RETURN_IF_ERROR(SettleLocked());
  const absl::Status status = TryToWrite(batch);
  if (status.ok()) return status;
  const absl::Status settled = SettleLocked();
  // There is room again.
  if (settled.ok()) return TryToWrite(batch);
  return MayBeKept(status) ? status : settled;
}

absl::Status DurableWriter::Settle() {
  const absl::MutexLock lock(&mutex_);
  return SettleLocked();
}

absl::Status DurableWriter::Check(const rocksdb::Status& status, absl::string_view doing) {
  if (status.ok() || status.IsInvalidArgument()) return FromRocksDb(status, doing);
  const absl::MutexLock lock(&mutex_);
  manifest_failed_ = true;
  Fail(state_ == State::kSound ? State::kStopped : state_, status, doing);
  return Refusal();
}

bool DurableWriter::has_failed() const {
  const absl::MutexLock lock(&mutex_);
  return has_failed_;
}

WriteHealth DurableWriter::health() const {
  const absl::MutexLock lock(&health_mutex_);
  return health_;
}

absl::Status DurableWriter::TryToWrite(rocksdb::WriteBatch& batch) {
  // Leaves something in memory that is in no log: without it Resume may find
  // nothing to flush, and then keeps the log that holds half a write.
  if (const rocksdb::Status put = PutTombstone(); !put.ok()) {
    Fail(State::kStopped, put, "writing to the library");
    return Refusal();
  }
  // That was when RocksDB changed memtables, where it was time to. A flush that
  // fails after the log would make Resume repeat that flush alone, and keep the log.
  if (const rocksdb::Status flushed = errors_->AwaitFlush(); !flushed.ok()) {
    Fail(State::kStopped, flushed, "writing to the library");
    return Refusal();
  }
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status written = db_->Write(synced, &batch);
  if (written.ok()) {
    if (!health().ok) Recover();
    return absl::OkStatus();
  }
  Fail(State::kInDoubt, written, "writing to the library");
  std::unique_ptr<rocksdb::LogFile> log;
  log_in_doubt_ = db_->GetCurrentWalFile(&log).ok() ? log->LogNumber() : 0;
  return InDoubt(Refusal());
}

absl::Status DurableWriter::SettleLocked() {
  if (state_ == State::kSound) return absl::OkStatus();
  if (state_ == State::kBroken) return Refusal();
  if (trouble_ == DiskTrouble::kDiskFull &&
      FreeBytes(options_.directory).value_or(kLeastFreeBytes) < kLeastFreeBytes) {
    return Refusal();
  }
  // Flushes all that is in memory, begins a new log and, with the flush, forgets
  // the old one for good: a write in doubt is not there then and never will be.
  rocksdb::Status resumed = Resume();
  const bool certain = resumed.ok() && (state_ == State::kStopped || LogWasReplaced());
  if (certain && manifest_failed_) {
    state_ = State::kStopped;
    resumed = RenewManifest();
  }
  if (certain && resumed.ok()) {
    state_ = State::kSound;
    // Of what was resumed from.
    errors_->Take().PermitUncheckedError();
    return absl::OkStatus();
  }
  if (resumed.ok() || resumed.severity() >= rocksdb::Status::kFatalError) {
    state_ = State::kBroken;
  } else {
    Fail(state_, resumed, "trying to write again");
  }
  return Refusal();
}

rocksdb::Status DurableWriter::PutTombstone() {
  rocksdb::WriteOptions without_log;
  without_log.disableWAL = true;
  return db_->Delete(without_log, meta_, kNoKey);
}

rocksdb::Status DurableWriter::Resume() {
  if (!manifest_failed_) return db_->Resume();
  // After a flush that could not write the manifest RocksDB keeps all files until
  // it has written another, and Resume asserts that it does; after a column family
  // that could not be made or dropped it forgets to (7.8, found by the crash oracle).
  db_->DisableFileDeletions().PermitUncheckedError();
  const rocksdb::Status resumed = db_->Resume();
  db_->EnableFileDeletions(/*force=*/false).PermitUncheckedError();
  return resumed;
}

rocksdb::Status DurableWriter::RenewManifest() {
  rocksdb::Status renewed = PutTombstone();
  if (renewed.ok()) renewed = db_->Flush(rocksdb::FlushOptions(), meta_);
  if (renewed.ok()) manifest_failed_ = false;
  return renewed;
}

bool DurableWriter::LogWasReplaced() const {
  std::unique_ptr<rocksdb::LogFile> log;
  if (log_in_doubt_ == 0 || !db_->GetCurrentWalFile(&log).ok()) return false;
  return log->LogNumber() != log_in_doubt_;
}

absl::Status DurableWriter::Probe() {
  rocksdb::WriteBatch nothing;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(nothing.Delete(meta_, kNoKey), "writing to the library"));
  return TryToWrite(nothing);
}

void DurableWriter::Fail(State state, const rocksdb::Status& error, absl::string_view doing) {
  state_ = state;
  has_failed_ = true;
  trouble_ = DiskTroubleOf(error);
  const WriteHealth before = health();
  const WriteHealth now = {.ok = false,
                           .since = before.ok ? absl::Now() : before.since,
                           .reason = DiskTroubleName(trouble_),
                           .detail = absl::StrCat(doing, ": ", error.ToString())};
  if (before.ok || before.reason != now.reason) {
    ReportEvent(options_.event_log, EventSeverity::kError, "writes_failed",
                {{"reason", now.reason},
                 {"library", DisplayPath(options_.directory)},
                 {"free_bytes", FreeBytes(options_.directory).value_or(0)},
                 {"detail", now.detail}});
  }
  SetHealth(now);
  errors_->Wake();
}

void DurableWriter::Recover() {
  ReportEvent(options_.event_log, EventSeverity::kInfo, "writes_recovered",
              {{"library", DisplayPath(options_.directory)}, {"seconds", absl::Now() - health().since}});
  SetHealth({.since = absl::Now()});
}

absl::Status DurableWriter::Refusal() const {
  const std::string library = DisplayPath(options_.directory);
  const std::string detail = health().detail;
  if (state_ == State::kBroken) {
    const auto code =
        trouble_ == DiskTrouble::kDamaged ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable;
    return absl::Status(
        code,
        absl::StrCat("the library ", library,
                     " takes no changes since one failed; open it again (restart the server): ", detail));
  }
  switch (trouble_) {
    case DiskTrouble::kDiskFull:
      return absl::ResourceExhaustedError(absl::StrCat(
          "no room on the disk of the library ", library, " (", FreeBytesText(options_.directory),
          "): ", detail,
          "; free some space there. Searching goes on, and changes are taken again within seconds "
          "of there being room, without a restart"));
    case DiskTrouble::kReadOnly:
      return absl::FailedPreconditionError(absl::StrCat(
          "the file system of the library ", library, " has become read-only: ", detail,
          "; the system's log says why, often a disk that fails. Searching goes on, and changes are taken "
          "again within seconds of its being writable, without a restart"));
    case DiskTrouble::kDamaged:
      return absl::DataLossError(absl::StrCat("the database of the library ", library,
                                              " takes no changes: ", detail, "; run eidetic verify"));
    case DiskTrouble::kError:
      break;
  }
  return absl::UnavailableError(absl::StrCat("the disk of the library ", library, " failed: ", detail,
                                             "; the system's log says why. Searching goes on"));
}

void DurableWriter::SetHealth(WriteHealth health) {
  bool changed = false;
  {
    const absl::MutexLock lock(&health_mutex_);
    changed = health.ok != health_.ok || health.reason != health_.reason;
    health_ = health;
  }
  if (changed && options_.health_observer) options_.health_observer(health);
}

void DurableWriter::Watch() {
  absl::Duration pause = kFirstPause;
  absl::Time next = absl::InfiniteFuture();
  while (true) {
    errors_->Wait(next);
    if (stopping_) return;
    const absl::MutexLock lock(&mutex_);
    const rocksdb::Status error = errors_->Take();
    // What comes of a probe is noted in health.
    if (health().ok) {
      if (!error.ok()) Fail(State::kStopped, error, "writing to the library");
    } else if (absl::Now() >= next && SettleLocked().ok()) {
      Probe().IgnoreError();
    }
    if (health().ok || state_ == State::kBroken) {
      pause = kFirstPause;
      next = absl::InfiniteFuture();
    } else if (next == absl::InfiniteFuture()) {
      next = absl::Now() + pause;
    } else if (absl::Now() >= next) {
      pause = std::min(pause * 2, kLongestPause);
      next = absl::Now() + pause;
    }
  }
}

}  // namespace eidetic::storage
