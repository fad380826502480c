// What RocksDB's own threads do, and what goes wrong in them, for DurableWriter:
// give it to DBOptions::listeners. Keeps RocksDB from recovering by itself: while it
// tries, it refuses Resume. Any thread; calls nothing of RocksDB.
//
//   const auto errors = std::make_shared<BackgroundErrors>(options.event_log);
//   db_options.listeners.push_back(errors);
#ifndef EIDETIC_STORAGE_BACKGROUND_ERRORS_H_
#define EIDETIC_STORAGE_BACKGROUND_ERRORS_H_

#include <rocksdb/listener.h>
#include <rocksdb/status.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/event_log.h"

namespace eidetic::storage {

class BackgroundErrors final : public rocksdb::EventListener {
 public:
  // `event_log` may be null.
  explicit BackgroundErrors(EventLog* event_log) : event_log_(event_log) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& job) override;
  void OnMemTableSealed(const rocksdb::MemTableInfo& memtable) override;
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& job) override;

  // Returns at an error, at Wake, or at the deadline.
  void Wait(absl::Time deadline);
  void Wake();
  // The last error, once; OK when there was none. A flush that failed is no longer
  // awaited.
  rocksdb::Status Take();
  // Take, when every sealed memtable was flushed, or after an error; OK also after a
  // minute without either.
  rocksdb::Status AwaitFlush();

 private:
  rocksdb::Status TakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventLog* const event_log_;
  absl::Mutex mutex_;
  rocksdb::Status error_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool compaction_fails_ ABSL_GUARDED_BY(mutex_) = false;
  bool flush_due_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_BACKGROUND_ERRORS_H_
