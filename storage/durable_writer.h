// The one way into the library's database: writes batches synced, and takes care
// of a disk that fails. After a failure it refuses writes with what is wrong and
// what to do, tries in the background, with growing pauses, whether the disk works
// again, and then goes on, without a restart. Reading is not its affair: it goes on
// meanwhile.
//
// Going on means: RocksDB writes all that is in memory to new files (Resume), so
// that nothing depends on a log that had an error; then a small synced write must
// succeed. Owned by RocksDbLibrary, destroyed before the database; any thread.
//
//   DurableWriter writer(db, &env, errors, {.directory = directory});
//   RETURN_IF_ERROR(writer.Write(batch, "writing to the library"));
#ifndef EIDETIC_STORAGE_DURABLE_WRITER_H_
#define EIDETIC_STORAGE_DURABLE_WRITER_H_

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/event_log.h"
#include "storage/library.h"
#include "storage/recoverable_env.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {

// What goes wrong in RocksDB's own threads (writing memtables to files), handed to
// the DurableWriter. Give it to DBOptions::listeners. Any thread.
class BackgroundErrors final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(EventLog* event_log) : event_log_(event_log) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  // RocksDB recovers when DurableWriter says so, not by itself.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* recover) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& job) override;
  void OnMemTableSealed(const rocksdb::MemTableInfo& memtable) override;
  void OnFlushBegin(rocksdb::DB* db, const rocksdb::FlushJobInfo& job) override;

  // Returns when there was an error, at Wake, or at the deadline; the last error,
  // or OK.
  rocksdb::Status Wait(absl::Time deadline);
  void Wake();
  // Returns when the flush of every sealed memtable has begun or there was an error.
  void AwaitFlushBegin();

 private:
  EventLog* const event_log_;
  absl::Mutex mutex_;
  rocksdb::Status error_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool compaction_fails_ ABSL_GUARDED_BY(mutex_) = false;
  bool flush_due_ ABSL_GUARDED_BY(mutex_) = false;
};

class DurableWriter {
 public:
  struct Options {
    // The library's, for messages and for asking how much room there is.
    std::string directory;
    EventLog* event_log = nullptr;
    // Told of each change of health, by the thread that noticed; must not call back.
    std::function<void(const WriteHealth&)> health_observer;
  };

  DurableWriter(rocksdb::DB* db, const RecoverableEnv* env, std::shared_ptr<BackgroundErrors> errors,
                const Options& options);
  ~DurableWriter();
  DurableWriter(const DurableWriter&) = delete;
  DurableWriter& operator=(const DurableWriter&) = delete;

  // Writes `batch`, synced; one at a time. An error means that nothing of it is
  // there for a reader. After a crash that follows the error it may be there, as
  // a whole. kResourceExhausted (disk full), kFailedPrecondition (read-only),
  // kUnavailable (other trouble of the disk), kDataLoss.
  absl::Status Write(rocksdb::WriteBatch& batch, absl::string_view doing);
  // For changes of the database that are no batch, such as new column families:
  // their status, noted as Write's are.
  absl::Status Check(const rocksdb::Status& status, absl::string_view doing);

  WriteHealth health() const;

 private:
  rocksdb::Status WriteSynced(rocksdb::WriteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  rocksdb::Status Anchor() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  rocksdb::Status Probe() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void Fail(const rocksdb::Status& error, absl::string_view doing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  bool TryToRecover() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  bool MayResume() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status Refusal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void SetHealth(WriteHealth health);
  void Watch();

  rocksdb::DB* const db_;
  const RecoverableEnv* const env_;
  const std::shared_ptr<BackgroundErrors> errors_;
  const Options options_;

  // Held during a write or an attempt to recover.
  absl::Mutex write_mutex_ ABSL_ACQUIRED_BEFORE(health_mutex_);
  bool failing_ ABSL_GUARDED_BY(write_mutex_) = false;
  DiskTrouble trouble_ ABSL_GUARDED_BY(write_mutex_) = DiskTrouble::kError;
  absl::Time last_attempt_ ABSL_GUARDED_BY(write_mutex_);
  absl::Duration pause_ ABSL_GUARDED_BY(write_mutex_);

  mutable absl::Mutex health_mutex_;
  WriteHealth health_ ABSL_GUARDED_BY(health_mutex_);

  std::atomic<bool> stopping_ = false;
  std::thread watcher_;  // last: uses all of the above
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_DURABLE_WRITER_H_
