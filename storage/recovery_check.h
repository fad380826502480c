// Proves, before RocksDB opens a database that was not closed in order, that what
// it would recover is all that is known to have been there. RocksDB itself
// recovers what lies in front of a fault, throws away the rest and is content.
// Changes nothing. Stateless.
#ifndef EIDETIC_STORAGE_RECOVERY_CHECK_H_
#define EIDETIC_STORAGE_RECOVERY_CHECK_H_

#include <rocksdb/options.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace eidetic::storage {

// kDataLoss: the database does not open; it would not reach `least_sequence`;
// whole writes lie behind damage in a log; or changes are missing from the
// change log. The message does not say what to do about it.
absl::Status CheckRecovery(const rocksdb::DBOptions& options, const std::string& path,
                           uint64_t least_sequence);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_RECOVERY_CHECK_H_
