#include "storage/backup.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "storage/backup_folder.h"
#include "storage/library.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_library.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using v1::BackupRecord;
using v1::GenerationRecord;

// The folder by its real name. A backup inside the library would go with it, and
// could meet its files.
absl::StatusOr<std::string> ResolveOutside(const std::string& directory, const std::string& library) {
  if (!fs::path(directory).is_absolute()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the backup folder ", directory, " is not an absolute path"));
  }
  std::error_code error;
  const std::string inner = fs::weakly_canonical(directory, error).string();
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  const std::string outer = fs::canonical(library, error).string();
  if (error) return absl::ErrnoToStatus(error.value(), library);
  if (!absl::StartsWith(absl::StrCat(inner, "/"), absl::StrCat(outer, "/"))) return inner;
  return absl::InvalidArgumentError(absl::StrCat("the backup folder ", directory, " is inside the library ",
                                                 library, "; name one outside"));
}

absl::Status CheckSameLibrary(const std::vector<Backup>& backups, const BackupRecord& record,
                              const std::string& directory) {
  for (const Backup& backup : backups) {
    if (!backup.damage.ok() || backup.record.database_identity() == record.database_identity()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the folder ", directory, " holds backups of another library (",
        DisplayPath(backup.record.library_path()), "); name a folder of its own for each library"));
  }
  return absl::OkStatus();
}

// What is older than the `keep` newest whole backups goes, damaged ones too.
absl::Status RemoveOld(BackupFolder& folder, uint32_t keep) {
  const std::vector<Backup> backups = folder.List();
  uint32_t whole = 0;
  for (auto backup = backups.rbegin(); backup != backups.rend(); ++backup) {
    if (whole >= keep) {
      EIDETIC_RETURN_IF_ERROR(
          folder.Convert(folder.writer().DeleteBackup(backup->number),
                         absl::StrCat("the new backup is whole, but removing backup ", backup->number)));
    } else if (backup->damage.ok()) {
      ++whole;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Backup> Find(const BackupFolder& folder, uint32_t number) {
  for (Backup& backup : folder.List()) {
    if (backup.number == number) return std::move(backup);
  }
  return absl::InternalError(absl::StrCat("backup ", number, " is not in the list after it was made"));
}

// Files that earlier backups hold are not copied again, so that one that rotted
// would be in the new backup too: it is read whole before anybody is told that
// it is there.
absl::Status VerifyNew(BackupFolder& folder, const Backup& backup, const std::string& directory) {
  folder.meter().Begin(BackupProgress::Stage::kVerifying, backup.bytes);
  const absl::Status verified = folder.Verify(backup.number);
  if (verified.ok()) return verified;
  const absl::Status removed =
      folder.Convert(folder.writer().DeleteBackup(backup.number), "removing the new backup");
  if (!absl::IsDataLoss(verified)) return verified;
  return absl::DataLossError(absl::StrCat(
      verified.message(), ". The backup was not kept",
      removed.ok() ? "" : absl::StrCat(" whole, and removing it failed (", removed.message(), ")"),
      ". Earlier backups that share this file are damaged too. Delete the file, and the next backup copies "
      "it again; or back up into another folder than ",
      directory));
}

}  // namespace

absl::StatusOr<std::vector<Backup>> ListBackups(const std::string& directory, rocksdb::Env* env) {
  auto folder = BackupFolder::OpenForReading(directory, nullptr, env);
  EIDETIC_RETURN_IF_ERROR(folder.status());
  return (*folder)->List();
}

absl::StatusOr<std::vector<Backup>> VerifyBackups(const std::string& directory,
                                                  const BackupProgressFunction& progress, rocksdb::Env* env) {
  auto folder = BackupFolder::OpenForReading(directory, progress, env);
  EIDETIC_RETURN_IF_ERROR(folder.status());
  std::vector<Backup> backups = (*folder)->List();
  uint64_t total = 0;
  for (const Backup& backup : backups) total += backup.bytes;
  (*folder)->meter().Begin(BackupProgress::Stage::kVerifying, total);
  for (Backup& backup : backups) {
    if (!backup.damage.ok()) continue;
    const absl::Status verified = (*folder)->Verify(backup.number);
    if (absl::IsDataLoss(verified)) {
      backup.damage = verified;
    } else {
      EIDETIC_RETURN_IF_ERROR(verified);
    }
  }
  return backups;
}

absl::StatusOr<Backup> RocksDbLibrary::CreateBackup(const BackupOptions& options) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  BackupOptions resolved = options;
  EIDETIC_ASSIGN_OR_RETURN(resolved.directory, ResolveOutside(options.directory, directory_));
  BackupRecord record;
  record.set_format_version(kFormatVersion);
  record.set_create_time_micros(absl::ToUnixMicros(absl::Now()));
  record.set_library_path(directory_);
  {
    const absl::MutexLock lock(&state_mutex_);
    *record.mutable_state() = state_;
    const auto active = generations_.find(state_.active_generation());
    if (active != generations_.end()) *record.mutable_generation() = active->second->record();
  }
  std::string identity;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(db_->GetDbIdentity(identity), "reading the database's identity"));
  record.set_database_identity(identity);

  EIDETIC_ASSIGN_OR_RETURN(const std::unique_ptr<BackupFolder> folder,
                           BackupFolder::OpenForWriting(resolved, db_->GetEnv()));
  const std::vector<Backup> earlier = folder->List();
  EIDETIC_RETURN_IF_ERROR(CheckSameLibrary(earlier, record, resolved.directory));
  uint64_t expected = 0;
  // How much of a later backup is there already is not known before.
  if (earlier.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const LibraryCounts counts, Counts());
    expected = counts.database_bytes;
  }
  folder->meter().Begin(BackupProgress::Stage::kCopying, expected);
  rocksdb::BackupID number = 0;
  // Without a flush: the write-ahead log is copied instead, so that a library whose
  // own disk is full can be backed up.
  EIDETIC_RETURN_IF_ERROR(folder->Convert(folder->writer().CreateNewBackupWithMetadata(
                                              {}, db_.get(), EncodeRecord(kBackupRecordKey, record), &number),
                                          absl::StrCat("backing up into ", resolved.directory)));
  EIDETIC_ASSIGN_OR_RETURN(Backup backup, Find(*folder, number));
  EIDETIC_RETURN_IF_ERROR(VerifyNew(*folder, backup, resolved.directory));
  if (options.keep > 0) EIDETIC_RETURN_IF_ERROR(RemoveOld(*folder, options.keep));
  return backup;
}

}  // namespace eidetic::storage
