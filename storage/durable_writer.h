// The way into RocksDB of whatever must be durable. After a write that failed
// nothing more is written until it is certain what became of it, so that no two
// commits can ever claim the same ordinal or sequence (docs/storage.md, "When a
// write fails"). Until then it refuses writes with what is wrong and what to do,
// and finds out in the background when the disk takes them again. Owned by the
// library, destroyed before the database; any thread.
//
//   DurableWriter writer(db, families.meta, errors, {.directory = directory});
//   RETURN_IF_ERROR(writer.Write(batch));   // on disk, or an error
#ifndef EIDETIC_STORAGE_DURABLE_WRITER_H_
#define EIDETIC_STORAGE_DURABLE_WRITER_H_

#include <rocksdb/db.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/background_errors.h"
#include "storage/event_log.h"
#include "storage/library.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {

struct DurableWriterOptions {
  // The library's, for messages and for asking how much room there is.
  std::string directory;
  EventLog* event_log = nullptr;
  // Told of each change of health by the thread that notices it; must not call
  // back; may be empty.
  std::function<void(const WriteHealth&)> health_observer;
};

class DurableWriter {
 public:
  // The database must have been opened with `errors` among its listeners, and
  // through a RecoverableEnv.
  DurableWriter(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* meta, std::shared_ptr<BackgroundErrors> errors,
                DurableWriterOptions options);
  ~DurableWriter();
  DurableWriter(const DurableWriter&) = delete;
  DurableWriter& operator=(const DurableWriter&) = delete;

  // Writes and syncs, one batch at a time. After an error readers see nothing of
  // the batch, and MayBeKept(error) says whether the next opening may find it.
  // kResourceExhausted (no room), kFailedPrecondition (read-only): writing goes on
  // by itself once it can. kUnavailable: the disk failed, kDataLoss: RocksDB met
  // damage; the library must be opened again before it takes changes.
  absl::Status Write(rocksdb::WriteBatch& batch);

  // OK when no write is in doubt and the next one will be tried; does what can be
  // done for that.
  absl::Status Settle();

  // The status of a change that is no batch, such as a new column family; an error
  // counts as a failed write of which the log holds nothing.
  absl::Status Check(const rocksdb::Status& status, absl::string_view doing);

  // A write has failed since the database was opened: a log that lies there still
  // may hold bytes that are not durable.
  bool has_failed() const ABSL_LOCKS_EXCLUDED(mutex_);

  WriteHealth health() const;

 private:
  enum class State {
    kSound,
    kStopped,  // refuses writes; the log holds nothing of a refused one
    kInDoubt,  // the log may hold a write that failed
    kBroken,   // only opening the library again helps
  };

  absl::Status TryToWrite(rocksdb::WriteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SettleLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Something to flush, in memory alone.
  rocksdb::Status PutTombstone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  rocksdb::Status Resume() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has RocksDB begin another manifest, by a flush.
  rocksdb::Status RenewManifest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the log that may hold the write in doubt is no longer written to.
  bool LogWasReplaced() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Something small, to see whether writing works.
  absl::Status Probe() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(State state, const rocksdb::Status& error, absl::string_view doing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Recover() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Why writes are refused.
  absl::Status Refusal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetHealth(WriteHealth health) ABSL_LOCKS_EXCLUDED(health_mutex_);
  // Of the thread that tries to go on.
  void Watch();

  rocksdb::DB* const db_;
  rocksdb::ColumnFamilyHandle* const meta_;
  const std::shared_ptr<BackgroundErrors> errors_;
  const DurableWriterOptions options_;

  // Held during a write and an attempt to go on.
  mutable absl::Mutex mutex_ ABSL_ACQUIRED_BEFORE(health_mutex_);
  State state_ ABSL_GUARDED_BY(mutex_) = State::kSound;
  DiskTrouble trouble_ ABSL_GUARDED_BY(mutex_) = DiskTrouble::kError;
  bool has_failed_ ABSL_GUARDED_BY(mutex_) = false;
  // The manifest may end in half a record, which RocksDB does not hold against it: a
  // power loss would leave one that does not open.
  bool manifest_failed_ ABSL_GUARDED_BY(mutex_) = false;
  // Number of the log that may hold the write in doubt; 0: could not be read.
  uint64_t log_in_doubt_ ABSL_GUARDED_BY(mutex_) = 0;

  mutable absl::Mutex health_mutex_;
  WriteHealth health_ ABSL_GUARDED_BY(health_mutex_);

  std::atomic<bool> stopping_ = false;
  std::thread watcher_;  // last: uses all of the above
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_DURABLE_WRITER_H_
