#include "storage/background_errors.h"

#include <utility>

#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

// A flush begins at once unless an earlier one is under way.
constexpr absl::Duration kLongestWait = absl::Seconds(5);

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
  failed_ = true;
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

void BackgroundErrors::OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) {
  const absl::MutexLock lock(&mutex_);
  flush_due_ = false;
}

bool BackgroundErrors::Wait(absl::Time deadline) {
  const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return woken_ || failed_; };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&has_news), deadline);
  woken_ = false;
  return std::exchange(failed_, false);
}

void BackgroundErrors::Wake() {
  const absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void BackgroundErrors::AwaitFlushBegin() {
  const auto has_begun = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !flush_due_ || failed_; };
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&has_begun), kLongestWait);
}

}  // namespace eidetic::storage
