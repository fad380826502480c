// RocksDB's files on a disk that may fail for a while: a file system between
// RocksDB and the real one (or a test's) that marks each failed write, sync or
// rename as one after which RocksDB can go on. Without the mark RocksDB takes a
// full or read-only disk, met at the wrong moment, for the end and refuses every
// write until the process is restarted. Going on is safe: DurableWriter resumes
// only by writing everything that is in memory to new files (docs/storage.md).
// Must outlive the database; any thread.
//
//   RecoverableEnv env(options.env);
//   db_options.env = env.env();
//   if (env.current_log_failed()) …
#ifndef EIDETIC_STORAGE_RECOVERABLE_ENV_H_
#define EIDETIC_STORAGE_RECOVERABLE_ENV_H_

#include <rocksdb/env.h>

#include <memory>

namespace eidetic::storage {

class RecoverableEnv {
 public:
  // Null: RocksDB's default. `base` must outlive this.
  explicit RecoverableEnv(rocksdb::Env* base);
  ~RecoverableEnv();

  rocksdb::Env* env() const { return env_.get(); }
  // Whether the newest write-ahead log had an error: RocksDB 7.8 must not be made
  // to write to it again (a failed assertion ends the process).
  bool current_log_failed() const;

 private:
  class Files;

  std::shared_ptr<Files> files_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_RECOVERABLE_ENV_H_
