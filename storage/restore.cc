#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/backup.h"
#include "storage/backup_folder.h"
#include "storage/column_families.h"
#include "storage/library.h"
#include "storage/library_folder.h"
#include "storage/library_lock.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;

// In the folder from before the first file is restored until it is a library:
// nothing else may make a library of it.
constexpr char kMarker[] = "RESTORING";

absl::StatusOr<Backup> Choose(const BackupFolder& folder, const RestoreOptions& options) {
  const std::vector<Backup> backups = folder.List();
  const Backup* chosen = nullptr;
  for (const Backup& backup : backups) {
    if (options.number == 0 ? true : backup.number == options.number) chosen = &backup;
  }
  if (chosen == nullptr) {
    return absl::NotFoundError(
        options.number == 0 ? absl::StrCat("no backup in ", options.backup_directory, " is finished")
                            : absl::StrCat("no backup ", options.number, " in ", options.backup_directory,
                                           "; see: eidetic backup ", options.backup_directory, " --list"));
  }
  if (!chosen->damage.ok()) {
    return absl::Status(chosen->damage.code(),
                        absl::StrCat("backup ", chosen->number, " in ", options.backup_directory,
                                     " cannot be restored: ", chosen->damage.message(),
                                     "; nothing was written. Choose another with --number"));
  }
  return *chosen;
}

// The target is missing, empty or left by an interrupted restore.
absl::Status CheckTarget(FileSystem& files, const std::string& directory, const std::string& backups) {
  if (!fs::path(directory).is_absolute()) {
    return absl::InvalidArgumentError(absl::StrCat("the folder ", directory, " is not an absolute path"));
  }
  std::error_code error;
  const std::string target = absl::StrCat(fs::weakly_canonical(directory, error).string(), "/");
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  const std::string source = absl::StrCat(fs::canonical(backups, error).string(), "/");
  if (error) return absl::ErrnoToStatus(error.value(), backups);
  if (absl::StartsWith(target, source)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the folder ", directory, " is inside the backup folder; name another"));
  }
  if (HasFormatFile(directory)) {
    return absl::AlreadyExistsError(
        absl::StrCat(directory, " is a library already; restore into a new or empty folder"));
  }
  if (!files.IsDirectory(directory)) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.ListDirectory(directory));
  if (std::find(names.begin(), names.end(), kMarker) != names.end()) return absl::OkStatus();
  for (const std::string& name : names) {
    if (name == "LOCK" || name == absl::StrCat(kMarker, ".tmp")) continue;
    return absl::FailedPreconditionError(absl::StrCat("the folder ", directory, " holds other things (",
                                                      DisplayPath(name),
                                                      "); restore into a new or empty folder"));
  }
  return absl::OkStatus();
}

// Opens the restored database and reads its state: a library that does not open
// is not given out as restored.
absl::Status CheckOpens(const std::string& database, rocksdb::Env* env) {
  rocksdb::DBOptions options;
  if (env != nullptr) options.env = env;
  std::vector<std::string> names;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::ListColumnFamilies(options, database, &names),
                                      "reading the restored database"));
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  EIDETIC_RETURN_IF_ERROR(
      FromRocksDb(rocksdb::DB::OpenForReadOnly(options, database, families, &handles, &opened),
                  "opening the restored database"));
  const std::unique_ptr<rocksdb::DB> db(opened);
  absl::Status status = absl::DataLossError("the restored database has no family meta");
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    if (handle->GetName() == kMetaFamily) {
      std::string frame;
      const rocksdb::Status read = db->Get(rocksdb::ReadOptions(), handle, kStateKey, &frame);
      v1::StateRecord state;
      // A library that was never written to has no state yet.
      status = read.IsNotFound() ? absl::OkStatus() : FromRocksDb(read, "reading the restored state");
      if (read.ok()) status = DecodeRecord(kStateKey, frame, state);
    }
    db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  return status;
}

}  // namespace

absl::StatusOr<Backup> RestoreBackup(const RestoreOptions& options) {
  FileSystem& files = options.file_system != nullptr ? *options.file_system : PosixFileSystem();
  const std::string& target = options.library_directory;
  EIDETIC_ASSIGN_OR_RETURN(
      const std::unique_ptr<BackupFolder> folder,
      BackupFolder::OpenForReading(options.backup_directory, options.progress, nullptr, options.env));
  EIDETIC_ASSIGN_OR_RETURN(Backup backup, Choose(*folder, options));
  EIDETIC_RETURN_IF_ERROR(CheckTarget(files, target, options.backup_directory));
  folder->meter().Begin(BackupProgress::Stage::kVerifying, backup.bytes);
  const absl::Status verified = folder->Verify(backup.number);
  if (absl::IsDataLoss(verified)) {
    return absl::DataLossError(
        absl::StrCat(verified.message(), "; nothing was written. Choose another with --number"));
  }
  EIDETIC_RETURN_IF_ERROR(verified);

  EIDETIC_RETURN_IF_ERROR(CreateDirectoriesDurably(files, target));
  EIDETIC_ASSIGN_OR_RETURN(const std::unique_ptr<LibraryLock> lock,
                           LibraryLock::Acquire(target, "restore", ""));
  // Again, now that nobody else may begin.
  EIDETIC_RETURN_IF_ERROR(CheckTarget(files, target, options.backup_directory));
  const std::string marker = absl::StrCat(target, "/", kMarker);
  EIDETIC_RETURN_IF_ERROR(WriteFileDurably(files, marker, absl::StrCat("backup ", backup.number, "\n")));
  const std::string database = absl::StrCat(target, "/rocksdb");
  EIDETIC_RETURN_IF_ERROR(files.RemoveAll(database));
  EIDETIC_RETURN_IF_ERROR(files.CreateDirectory(database));
  folder->meter().Begin(BackupProgress::Stage::kRestoring, backup.bytes);
  EIDETIC_RETURN_IF_ERROR(folder->Convert(
      folder->reader().RestoreDBFromBackup(rocksdb::RestoreOptions(), backup.number, database, database),
      absl::StrCat("restoring into ", target)));
  EIDETIC_RETURN_IF_ERROR(CheckOpens(database, options.env));
  // The same library as before: it goes on in the same backup folder.
  EIDETIC_RETURN_IF_ERROR(
      WriteFileDurably(files, absl::StrCat(database, "/IDENTITY"), backup.record.database_identity()));
  EIDETIC_RETURN_IF_ERROR(files.SyncDirectory(target));
  EIDETIC_RETURN_IF_ERROR(WriteFormatFile(files, target));
  EIDETIC_RETURN_IF_ERROR(files.RemoveAll(marker));
  EIDETIC_RETURN_IF_ERROR(files.SyncDirectory(target));
  return backup;
}

}  // namespace eidetic::storage
