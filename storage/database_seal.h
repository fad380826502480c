// The file SEAL of a library: what the database must still hold the next time it
// is opened (docs/storage.md). RocksDB takes a lost end of its logs for a write
// that was under way; with the seal that can be told from damage.
//
// Owned by the RocksDbLibrary, which serialises its calls.
//
//   RETURN_IF_ERROR(seal.Check());          // before RocksDB opens
//   RETURN_IF_ERROR(seal.MarkOpen());
//   … open; the state must have reached seal.least_sequence() …
//   RETURN_IF_ERROR(seal.Refresh(*db, last_sequence));   // now and then
//   … close …
//   RETURN_IF_ERROR(seal.MarkClosed(last_sequence));
#ifndef EIDETIC_STORAGE_DATABASE_SEAL_H_
#define EIDETIC_STORAGE_DATABASE_SEAL_H_

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/file_system.h"

namespace eidetic::storage {

// " …; run: eidetic verify --repair …", for messages about a damaged database.
std::string RepairAdvice(const std::string& directory);

class DatabaseSeal {
 public:
  // `files` and `env` must outlive it.
  DatabaseSeal(std::string directory, FileSystem& files, rocksdb::Env& env);

  // Looks that the database's folder holds files and nothing else (a pipe would
  // block whoever opens it), reads the seal, if there is one, and compares the
  // files it names. kDataLoss: the seal is damaged, a file is missing or other
  // than sealed, or a repair was begun and not finished; kPermissionDenied.
  absl::Status Check();
  // The library was closed in order and is as it was then: nothing needs to be
  // recovered. False before Check.
  bool was_closed() const { return was_closed_; }
  // Change number that the recovered state must have reached; 0: unknown.
  uint64_t least_sequence() const { return least_sequence_; }

  // From now on only least_sequence() is promised: RocksDB rewrites its files
  // when it opens.
  absl::Status MarkOpen();
  // Promises the changes up to `last_sequence`, which must be durable, and the
  // manifest as it is.
  absl::Status Refresh(rocksdb::DB& db, uint64_t last_sequence);
  // As Refresh, but only when some time has passed since the last.
  absl::Status RefreshIfDue(rocksdb::DB& db, uint64_t last_sequence);
  // After the database was closed with all its logs synced, and when no write had
  // failed: a log could hold bytes of it that are not durable.
  absl::Status MarkClosed(uint64_t last_sequence);
  // For a repair: nobody opens the library until MarkClosed.
  absl::Status MarkRepairing();

 private:
  struct File {
    std::string name;
    uint64_t size = 0;
    std::string checksum;
  };

  absl::StatusOr<std::string> Read(const std::string& name) const;
  absl::StatusOr<File> Measure(const std::string& name, uint64_t size) const;
  absl::Status CheckFolder() const;
  absl::Status Compare(const File& file, bool may_have_grown) const;
  absl::Status Write(const char* state, uint64_t last_sequence, const std::vector<File>& sealed);
  absl::Status Damage(const std::string& what) const;

  const std::string directory_;
  const std::string database_;
  FileSystem& files_;
  rocksdb::Env& env_;
  bool was_closed_ = false;
  uint64_t least_sequence_ = 0;
  absl::Time refreshed_ = absl::InfinitePast();
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_DATABASE_SEAL_H_
