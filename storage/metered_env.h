// A RocksDB Env that tells how many bytes are read from end to end through it
// (as backup, verification and restore do), and stops them. Any thread.
//
//   const auto env = NewMeteredEnv(rocksdb::Env::Default(), [&](uint64_t bytes) {
//     done += bytes;
//     return !cancelled;
//   });
#ifndef EIDETIC_STORAGE_METERED_ENV_H_
#define EIDETIC_STORAGE_METERED_ENV_H_

#include <rocksdb/env.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace eidetic::storage {

// Over `base`, which must outlive it. `on_read` is called from the reading
// thread after each sequential read; when it returns false, that read fails
// (Aborted).
std::unique_ptr<rocksdb::Env> NewMeteredEnv(rocksdb::Env* base, std::function<bool(uint64_t bytes)> on_read);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_METERED_ENV_H_
