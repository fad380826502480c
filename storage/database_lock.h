// RocksDB's own lock, the file LOCK of the folder rocksdb/. It matters only when
// the library's LOCK was deleted by hand while a process held it, and when
// another user left it behind. Stateless; the library's lock is held.
//
//   RETURN_IF_ERROR(PrepareDatabaseLock("photos/rocksdb"));
#ifndef EIDETIC_STORAGE_DATABASE_LOCK_H_
#define EIDETIC_STORAGE_DATABASE_LOCK_H_

#include <string>

#include "absl/status/status.h"

namespace eidetic::storage {

// Removes the file when it may not be written and nobody holds it. kUnavailable
// when another process has the database open; the message names its pid.
absl::Status PrepareDatabaseLock(const std::string& database);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_DATABASE_LOCK_H_
