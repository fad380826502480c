// The way into RocksDB of whatever must be durable. After a write that failed
// nothing more is written until it is certain what became of it, so that no two
// commits can ever claim the same ordinal or sequence (docs/storage.md, "When a
// write fails"). Owned by the library; used under its commit lock.
//
//   DurableWriter writer(db, families.meta);
//   RETURN_IF_ERROR(writer.Write(batch));   // on disk, or an error
#ifndef EIDETIC_STORAGE_DURABLE_WRITER_H_
#define EIDETIC_STORAGE_DURABLE_WRITER_H_

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"

namespace eidetic::storage {

class DurableWriter {
 public:
  // Borrows both. The database must have been opened with a WriteErrorListener,
  // which leaves it to this class when writing goes on.
  DurableWriter(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* meta) : db_(db), meta_(meta) {}

  // Writes and syncs. After an error readers see nothing of the batch, and
  // MayBeKept(error) says whether the next opening may find it. kResourceExhausted:
  // no room; writing goes on by itself once there is. kUnavailable: the disk
  // failed; the library must be opened again before it takes changes.
  absl::Status Write(rocksdb::WriteBatch& batch);

  // OK when no write is in doubt and the next one will be tried; does what can be
  // done for that.
  absl::Status Settle();

  // A write has failed since the database was opened: a log that lies there still
  // may hold bytes that are not durable.
  bool has_failed() const { return has_failed_; }

 private:
  enum class State {
    kSound,
    kStopped,  // refuses writes; the log holds nothing of a refused one
    kInDoubt,  // the log may hold a write that failed
    kBroken,   // only opening the library again helps
  };

  absl::Status TryToWrite(rocksdb::WriteBatch& batch);
  // Whether the log that may hold the write in doubt is no longer written to.
  bool LogWasReplaced() const;

  rocksdb::DB* db_;
  rocksdb::ColumnFamilyHandle* meta_;
  State state_ = State::kSound;
  bool has_failed_ = false;
  absl::Status cause_;
  // Number of the log that may hold the write in doubt; 0: could not be read.
  uint64_t log_in_doubt_ = 0;
};

// Keeps RocksDB from going on by itself after an error that stopped writes.
class WriteErrorListener final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_DURABLE_WRITER_H_
