// An open backup folder: its file BACKUP, its lock and RocksDB's backup engine
// over it. Not a public header: what backup.cc and restore.cc share. One thread
// at a time.
#ifndef EIDETIC_STORAGE_BACKUP_FOLDER_H_
#define EIDETIC_STORAGE_BACKUP_FOLDER_H_

#include <rocksdb/env.h>
#include <rocksdb/utilities/backup_engine.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "storage/backup.h"
#include "storage/file_system.h"
#include "storage/library_lock.h"

namespace eidetic::storage {

// Key of the frame around a backup's record, which is the engine's metadata.
inline constexpr char kBackupRecordKey[] = "backup";

// Adds up what the metered Envs read and asks `progress` whether to go on. Any
// thread.
class BackupMeter {
 public:
  explicit BackupMeter(BackupProgressFunction progress) : progress_(std::move(progress)) {}

  // From here on reading belongs to this stage.
  void Begin(BackupProgress::Stage stage, uint64_t total_bytes);
  // False: stop.
  bool Add(uint64_t bytes);
  // Somebody was told to stop.
  bool stopped() const;

 private:
  const BackupProgressFunction progress_;
  mutable absl::Mutex mutex_;
  BackupProgress state_ ABSL_GUARDED_BY(mutex_);
  bool counts_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

class BackupFolder {
 public:
  // For reading; the folder may be on a medium that cannot be written to.
  static absl::StatusOr<std::unique_ptr<BackupFolder>> OpenForReading(const std::string& directory,
                                                                      BackupProgressFunction progress,
                                                                      rocksdb::Env* env,
                                                                      rocksdb::Env* library_env = nullptr);
  // Makes the folder when it is missing or empty, and clears away what an
  // interrupted backup left.
  static absl::StatusOr<std::unique_ptr<BackupFolder>> OpenForWriting(const BackupOptions& options,
                                                                      rocksdb::Env* library_env);

  // As ListBackups.
  std::vector<Backup> List() const;
  // Reads all files of the backup. kDataLoss, kCancelled.
  absl::Status Verify(uint32_t number);
  // The engine, for what is not above.
  const rocksdb::BackupEngineReadOnlyBase& reader() const { return *engine_; }
  // Only after OpenForWriting.
  rocksdb::BackupEngine& writer() { return *writer_; }
  BackupMeter& meter() { return meter_; }
  // The status of an engine's call; kCancelled when the meter stopped it.
  absl::Status Convert(const rocksdb::Status& status, absl::string_view doing) const;

 private:
  BackupFolder(std::string directory, BackupProgressFunction progress, rocksdb::Env* env,
               rocksdb::Env* library_env);
  absl::Status Lock(bool required);

  const std::string directory_;
  BackupMeter meter_;
  const std::unique_ptr<rocksdb::Env> env_;          // of the backups
  const std::unique_ptr<rocksdb::Env> library_env_;  // of the library
  std::unique_ptr<LibraryLock> lock_;
  std::unique_ptr<rocksdb::BackupEngineReadOnlyBase> engine_;
  // The same engine; null after OpenForReading.
  rocksdb::BackupEngine* writer_ = nullptr;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_BACKUP_FOLDER_H_
