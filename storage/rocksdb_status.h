// RocksDB's status as Abseil's. Stateless.
#ifndef EIDETIC_STORAGE_ROCKSDB_STATUS_H_
#define EIDETIC_STORAGE_ROCKSDB_STATUS_H_

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eidetic::storage {

// What keeps a write from the disk.
enum class DiskTrouble { kDiskFull, kReadOnly, kError, kDamaged };
DiskTrouble DiskTroubleOf(const rocksdb::Status& status);
// "disk_full", "read_only", "io_error", "damaged".
const char* DiskTroubleName(DiskTrouble trouble);

// `doing` says what was tried, for the message. Damage → kDataLoss, no space →
// kResourceExhausted, read-only → kFailedPrecondition, other I/O trouble →
// kUnavailable.
absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view doing);

inline rocksdb::Slice ToSlice(absl::string_view text) { return {text.data(), text.size()}; }
inline absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_ROCKSDB_STATUS_H_
