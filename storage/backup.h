// Backups of a library in a folder of their own (docs/backup.md), made by
// Library::CreateBackup while the library is in use. This header is for looking
// at such a folder and getting a library back from it; neither needs the
// library that was backed up.
//
// One process at a time works on a backup folder: another gets kUnavailable.
// Reading works on a medium that cannot be written to. Stateless; any thread.
//
//   ASSIGN_OR_RETURN(auto backup, library->CreateBackup({.directory = "/mnt/disk/photos"}));
//   RETURN_IF_ERROR(RestoreBackup({.backup_directory = "/mnt/disk/photos", .library_directory =
//   "/home/new"}));
#ifndef EIDETIC_STORAGE_BACKUP_H_
#define EIDETIC_STORAGE_BACKUP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eidetic/storage/v1/records.pb.h"

namespace rocksdb {
class Env;
}

namespace eidetic::storage {

class FileSystem;

struct BackupProgress {
  enum class Stage { kCopying, kVerifying, kRestoring };
  Stage stage = Stage::kCopying;
  // Bytes read; total is 0 while unknown.
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
};

// Called often, from one thread at a time, not always the caller's; returning
// false stops the work (→ kCancelled).
using BackupProgressFunction = std::function<bool(const BackupProgress&)>;

struct BackupOptions {
  // Where to: a new or empty folder, or one that holds backups of this library.
  std::string directory;
  // When the new backup is whole and verified, this many of the newest stay; 0: all.
  uint32_t keep = 0;
  // May be null.
  BackupProgressFunction progress;
  // The disk of the backup folder, for tests that make it fail; null: the real one.
  rocksdb::Env* env = nullptr;
  FileSystem* file_system = nullptr;
};

struct Backup {
  // Counted up from 1 in each folder.
  uint32_t number = 0;
  // All files of this backup together; files shared with others count for each.
  uint64_t bytes = 0;
  eidetic::storage::v1::BackupRecord record;
  // kDataLoss: damaged, and what is wrong with it; then the fields above may be
  // empty.
  absl::Status damage;
};

// The backups of a folder by rising number; a look at their lists of files, not
// into these. Errors: kNotFound (no backup folder), kFailedPrecondition (of a
// newer format), kDataLoss (the folder's own file is damaged), kUnavailable.
absl::StatusOr<std::vector<Backup>> ListBackups(const std::string& directory, rocksdb::Env* env = nullptr);

// The same, after reading every file of every backup and comparing checksums.
absl::StatusOr<std::vector<Backup>> VerifyBackups(const std::string& directory,
                                                  const BackupProgressFunction& progress = nullptr,
                                                  rocksdb::Env* env = nullptr);

struct RestoreOptions {
  std::string backup_directory;
  // Missing, empty, or what an interrupted restore left.
  std::string library_directory;
  // 0: the newest.
  uint32_t number = 0;
  BackupProgressFunction progress;
  // The disk of the new library, for tests; null: the real one.
  rocksdb::Env* env = nullptr;
  FileSystem* file_system = nullptr;
};

// Verifies the backup, then makes a library of it: the folder has its file
// LIBRARY, and with it is a library, only when all is there and durable. Returns
// what was restored. Errors, besides those of ListBackups: kNotFound (no such
// backup), kDataLoss (the backup is damaged; nothing was written),
// kFailedPrecondition (the target holds other things), kAlreadyExists (the
// target is a library), kResourceExhausted (disk full), kCancelled. After an
// error in the middle, the same call begins anew.
absl::StatusOr<Backup> RestoreBackup(const RestoreOptions& options);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_BACKUP_H_
