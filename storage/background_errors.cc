#include "storage/background_errors.h"

#include <utility>

#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

constexpr absl::Duration kLongestFlush = absl::Minutes(1);

}  // namespace

void BackgroundErrors::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  const absl::MutexLock lock(&mutex_);
  if (reason == rocksdb::BackgroundErrorReason::kCompaction && error->IsIOError()) {
    // RocksDB tries it again, once a second, and takes writes meanwhile.
    if (!std::exchange(compaction_fails_, true)) {
      ReportEvent(event_log_, EventSeverity::kWarning, "compaction_failed",
                  {{"reason", DiskTroubleName(DiskTroubleOf(*error))}, {"detail", error->ToString()}});
    }
    return;
  }
  error_ = *error;
}

void BackgroundErrors::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                                            bool* auto_recovery) {
  *auto_recovery = false;
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

void BackgroundErrors::OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) {
  const absl::MutexLock lock(&mutex_);
  flush_due_ = false;
}

void BackgroundErrors::Wait(absl::Time deadline) {
  const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return woken_ || !error_.ok(); };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&has_news), deadline);
  woken_ = false;
}

void BackgroundErrors::Wake() {
  const absl::MutexLock lock(&mutex_);
  woken_ = true;
}

rocksdb::Status BackgroundErrors::Take() {
  const absl::MutexLock lock(&mutex_);
  return TakeLocked();
}

rocksdb::Status BackgroundErrors::AwaitFlush() {
  const auto has_ended = [this]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !flush_due_ || !error_.ok(); };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&has_ended), kLongestFlush);
  return TakeLocked();
}

rocksdb::Status BackgroundErrors::TakeLocked() {
  if (!error_.ok()) flush_due_ = false;
  return std::exchange(error_, rocksdb::Status());
}

}  // namespace eidetic::storage
