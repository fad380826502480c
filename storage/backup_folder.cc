#include "storage/backup_folder.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"
#include "storage/library.h"
#include "storage/metered_env.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

using rocksdb::BackupEngine;
using rocksdb::BackupEngineOptions;
using rocksdb::BackupEngineReadOnly;

constexpr char kTitle[] = "eidetic backup";
constexpr uint64_t kLongestFormatFile = 64;

std::string FormatPath(const std::string& directory) { return absl::StrCat(directory, "/BACKUP"); }

// kNotFound: there is none.
absl::Status CheckFormat(FileSystem& files, const std::string& directory) {
  const std::string path = FormatPath(directory);
  const absl::StatusOr<std::string> text = files.ReadFile(path, 1, kLongestFormatFile);
  if (absl::IsNotFound(text.status())) return text.status();
  if (!text.ok() && !absl::IsDataLoss(text.status())) return text.status();
  const std::vector<absl::string_view> lines =
      absl::StrSplit(text.ok() ? absl::string_view(*text) : absl::string_view(), '\n');
  absl::string_view number = lines.size() == 3 ? lines[1] : absl::string_view();
  uint32_t version = 0;
  if (lines.size() != 3 || lines.front() != kTitle || !absl::ConsumePrefix(&number, "format ") ||
      !absl::SimpleAtoi(number, &version) || version == 0) {
    return absl::DataLossError(absl::StrCat(
        path, " is damaged: expected two lines, \"", kTitle, "\" and \"format N\"; when the rest of the ",
        "folder is whole, write them (format ", kFormatVersion, ") by hand"));
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the backup folder ", directory, " has format ",
                                                      version, ", this version of Eidetic reads up to ",
                                                      kFormatVersion, "; use a newer one"));
  }
  return absl::OkStatus();
}

// Makes the folder with its BACKUP file, unless it has one. Other people's files
// are left alone.
absl::Status PrepareFolder(FileSystem& files, const std::string& directory) {
  const absl::Status checked = CheckFormat(files, directory);
  if (!absl::IsNotFound(checked)) return checked;
  EIDETIC_RETURN_IF_ERROR(CreateDirectoriesDurably(files, directory));
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.ListDirectory(directory));
  for (const std::string& name : names) {
    // What an attempt that was killed half-way may have left.
    if (name == "LOCK" || name == "BACKUP.tmp") continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the folder ", directory, " holds other things and no backups (no file BACKUP); name ",
                     "an empty or a new folder"));
  }
  return WriteFileDurably(files, FormatPath(directory),
                          absl::StrCat(kTitle, "\nformat ", kFormatVersion, "\n"));
}

// What RocksDB throws when a list of files makes no sense.
absl::Status Guarded(const std::string& directory, const std::function<absl::Status()>& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("the backup folder ", directory, " is damaged: ", error.what()));
  }
}

}  // namespace

void BackupMeter::Begin(BackupProgress::Stage stage, uint64_t total_bytes) {
  const absl::MutexLock lock(&mutex_);
  state_ = {.stage = stage, .done_bytes = 0, .total_bytes = total_bytes};
  counts_ = true;
}

bool BackupMeter::Add(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  if (!counts_) return true;
  state_.done_bytes += bytes;
  // The total is an estimate.
  if (state_.total_bytes > 0) state_.total_bytes = std::max(state_.total_bytes, state_.done_bytes);
  if (progress_ != nullptr && !progress_(state_)) stopped_ = true;
  return !stopped_;
}

bool BackupMeter::stopped() const {
  const absl::MutexLock lock(&mutex_);
  return stopped_;
}

BackupFolder::BackupFolder(std::string directory, BackupProgressFunction progress, rocksdb::Env* env,
                           rocksdb::Env* library_env)
    : directory_(std::move(directory)),
      meter_(std::move(progress)),
      env_(NewMeteredEnv(env != nullptr ? env : rocksdb::Env::Default(),
                         [this](uint64_t bytes) { return meter_.Add(bytes); })),
      library_env_(NewMeteredEnv(library_env != nullptr ? library_env : rocksdb::Env::Default(),
                                 [this](uint64_t bytes) { return meter_.Add(bytes); })) {}

absl::Status BackupFolder::Lock(bool required) {
  auto lock = LibraryLock::Acquire(directory_, "backup", "");
  if (absl::IsUnavailable(lock.status())) {
    return absl::UnavailableError(
        absl::StrCat("another process works on the backup folder ", directory_, "; wait for its end"));
  }
  if (lock.ok()) {
    lock_ = *std::move(lock);
    return absl::OkStatus();
  }
  return required ? lock.status() : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BackupFolder>> BackupFolder::OpenForReading(const std::string& directory,
                                                                           BackupProgressFunction progress,
                                                                           rocksdb::Env* env,
                                                                           rocksdb::Env* library_env) {
  const absl::Status checked = CheckFormat(PosixFileSystem(), directory);
  if (absl::IsNotFound(checked)) {
    return absl::NotFoundError(absl::StrCat("no backups in ", directory,
                                            " (no file BACKUP); make one with: eidetic backup ", directory));
  }
  EIDETIC_RETURN_IF_ERROR(checked);
  auto folder =
      std::unique_ptr<BackupFolder>(new BackupFolder(directory, std::move(progress), env, library_env));
  EIDETIC_RETURN_IF_ERROR(folder->Lock(/*required=*/false));
  EIDETIC_RETURN_IF_ERROR(Guarded(directory, [&]() -> absl::Status {
    BackupEngineReadOnly* engine = nullptr;
    const rocksdb::Status opened = BackupEngineReadOnly::Open(
        BackupEngineOptions(directory, folder->env_.get()), folder->library_env_.get(), &engine);
    folder->engine_.reset(engine);
    // Before the first backup ended there is nothing to list.
    if (opened.IsNotFound())
      return absl::NotFoundError(absl::StrCat("no backup in ", directory, " is finished"));
    return folder->Convert(opened, absl::StrCat("opening the backup folder ", directory));
  }));
  return folder;
}

absl::StatusOr<std::unique_ptr<BackupFolder>> BackupFolder::OpenForWriting(const BackupOptions& options,
                                                                           rocksdb::Env* library_env) {
  FileSystem& files = options.file_system != nullptr ? *options.file_system : PosixFileSystem();
  EIDETIC_RETURN_IF_ERROR(PrepareFolder(files, options.directory));
  auto folder = std::unique_ptr<BackupFolder>(
      new BackupFolder(options.directory, options.progress, options.env, library_env));
  EIDETIC_RETURN_IF_ERROR(folder->Lock(/*required=*/true));
  EIDETIC_RETURN_IF_ERROR(Guarded(options.directory, [&]() -> absl::Status {
    BackupEngine* engine = nullptr;
    const rocksdb::Status opened = BackupEngine::Open(
        BackupEngineOptions(options.directory, folder->env_.get()), folder->library_env_.get(), &engine);
    folder->engine_.reset(engine);
    folder->writer_ = engine;
    EIDETIC_RETURN_IF_ERROR(
        folder->Convert(opened, absl::StrCat("opening the backup folder ", options.directory)));
    return folder->Convert(engine->GarbageCollect(), "clearing away an interrupted backup");
  }));
  return folder;
}

std::vector<Backup> BackupFolder::List() const {
  std::vector<rocksdb::BackupInfo> infos;
  engine_->GetBackupInfo(&infos);
  std::vector<rocksdb::BackupID> damaged;
  engine_->GetCorruptedBackups(&damaged);
  std::vector<Backup> backups;
  for (const rocksdb::BackupInfo& info : infos) {
    Backup& backup = backups.emplace_back();
    backup.number = info.backup_id;
    backup.bytes = info.size;
    backup.damage = DecodeRecord(kBackupRecordKey, info.app_metadata, backup.record);
    if (backup.damage.ok() && backup.record.format_version() > kFormatVersion) {
      backup.damage = absl::FailedPreconditionError(
          absl::StrCat("the library in it has format ", backup.record.format_version(),
                       ", this version of Eidetic reads up to ", kFormatVersion, "; use a newer one"));
    }
  }
  for (const rocksdb::BackupID number : damaged) {
    Backup& backup = backups.emplace_back();
    backup.number = number;
    backup.damage = absl::DataLossError(absl::StrCat(
        "its list of files (meta/", number, ") is damaged, or a file in it is missing or has another size"));
  }
  std::sort(backups.begin(), backups.end(),
            [](const Backup& a, const Backup& b) { return a.number < b.number; });
  return backups;
}

absl::Status BackupFolder::Verify(uint32_t number) {
  return Guarded(directory_, [&]() -> absl::Status {
    const absl::Status verified = Convert(engine_->VerifyBackup(number, /*verify_with_checksum=*/true),
                                          absl::StrCat("backup ", number));
    if (!absl::IsNotFound(verified)) return verified;
    return absl::DataLossError(verified.message());
  });
}

absl::Status BackupFolder::Convert(const rocksdb::Status& status, absl::string_view doing) const {
  if (!status.ok() && meter_.stopped()) return absl::CancelledError("stopped before the end");
  return FromRocksDb(status, doing);
}

}  // namespace eidetic::storage
