// Reads RocksDB's write-ahead logs by itself, past damage: RocksDB stops at the
// first record it cannot read, as after a torn write, and says nothing of what
// lies behind. Format: 32 KB blocks of records, each masked CRC-32C (4 bytes),
// length (2), type (1: full, 2 to 4: first, middle, last part), payload; a batch
// begins with its sequence number (8 bytes) and count (4). Stateless.
#ifndef EIDETIC_STORAGE_WRITE_AHEAD_LOG_H_
#define EIDETIC_STORAGE_WRITE_AHEAD_LOG_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace eidetic::storage {

// RocksDB's number of the last write in a batch that is whole in `log` (all bytes
// of one file), whatever lies in front of it; 0: there is none.
uint64_t LastWholeWrite(absl::string_view log);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_WRITE_AHEAD_LOG_H_
