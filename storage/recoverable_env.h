// RocksDB's files on a disk that may be full or read-only for a while: a file
// system between RocksDB and the real one (or a test's) that marks such errors of
// writes, syncs and renames as ones after which RocksDB can go on. Without the
// mark RocksDB takes a read-only disk, and a full one met while it begins a log,
// for the end, and refuses every write until the process is restarted. Other
// errors it is right about. Must outlive the database; any thread.
//
//   const auto env = NewRecoverableEnv(options.env);
//   db_options.env = env.get();
#ifndef EIDETIC_STORAGE_RECOVERABLE_ENV_H_
#define EIDETIC_STORAGE_RECOVERABLE_ENV_H_

#include <rocksdb/env.h>

#include <memory>

namespace eidetic::storage {

// Null: over RocksDB's default. `base` must outlive it.
std::unique_ptr<rocksdb::Env> NewRecoverableEnv(rocksdb::Env* base);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_RECOVERABLE_ENV_H_
