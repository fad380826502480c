#include "storage/recoverable_env.h"

#include <rocksdb/file_system.h>

#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/match.h"

namespace eidetic::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// "No space" is not left as such: RocksDB would start a recovery of its own,
// which cannot be waited for, and take some of them for fatal.
IOStatus Recoverable(const IOStatus& status) {
  if (status.ok() || !status.IsIOError()) return status;
  IOStatus recoverable =
      status.IsNoSpace()
          ? IOStatus::IOError(status.getState() != nullptr ? status.getState() : "No space left on device")
          : status;
  recoverable.SetRetryable(true);
  return recoverable;
}

bool IsLog(const std::string& path) { return absl::EndsWith(path, ".log"); }

class RecoverableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  // `failed` is set by errors; null for files that are no write-ahead log.
  RecoverableFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::shared_ptr<std::atomic<bool>> failed)
      : FSWritableFileOwnerWrapper(std::move(file)), failed_(std::move(failed)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                  IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Append(data, options, info, context));
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, context));
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& info, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, info, context));
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Truncate(size, options, context));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Close(options, context));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Flush(options, context));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Sync(options, context));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::Fsync(options, context));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* context) override {
    return Note(FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, context));
  }

 private:
  IOStatus Note(const IOStatus& status) {
    if (!status.ok() && failed_ != nullptr) *failed_ = true;
    return Recoverable(status);
  }

  const std::shared_ptr<std::atomic<bool>> failed_;
};

class RecoverableDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  explicit RecoverableDirectory(std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSDirectoryWrapper::Fsync(options, context));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& directory_options) override {
    return Recoverable(FSDirectoryWrapper::FsyncWithDirOptions(options, context, directory_options));
  }
};

}  // namespace

class RecoverableEnv::Files final : public rocksdb::FileSystemWrapper {
 public:
  explicit Files(const std::shared_ptr<rocksdb::FileSystem>& base) : FileSystemWrapper(base) {}

  const char* Name() const override { return "RecoverableFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* context) override {
    return Wrap(path, FileSystemWrapper::NewWritableFile(path, options, file, context), file);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* context) override {
    return Wrap(path, FileSystemWrapper::ReopenWritableFile(path, options, file, context), file);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* context) override {
    return Wrap(path, FileSystemWrapper::ReuseWritableFile(path, old_path, options, file, context), file);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* context) override {
    const IOStatus opened = FileSystemWrapper::NewDirectory(path, options, directory, context);
    if (opened.ok()) *directory = std::make_unique<RecoverableDirectory>(std::move(*directory));
    return Recoverable(opened);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override {
    return Recoverable(FileSystemWrapper::RenameFile(from, to, options, context));
  }

  bool current_log_failed() const {
    const std::shared_ptr<std::atomic<bool>> failed = current_log_failed_.load();
    return failed != nullptr && *failed;
  }

 private:
  IOStatus Wrap(const std::string& path, const IOStatus& opened,
                std::unique_ptr<rocksdb::FSWritableFile>* file) {
    if (!opened.ok()) return Recoverable(opened);
    std::shared_ptr<std::atomic<bool>> failed;
    if (IsLog(path)) {
      failed = std::make_shared<std::atomic<bool>>(false);
      current_log_failed_.store(failed);
    }
    *file = std::make_unique<RecoverableFile>(std::move(*file), std::move(failed));
    return opened;
  }

  // Of the log that was opened last.
  std::atomic<std::shared_ptr<std::atomic<bool>>> current_log_failed_;
};

RecoverableEnv::RecoverableEnv(rocksdb::Env* base) {
  if (base == nullptr) base = rocksdb::Env::Default();
  files_ = std::make_shared<Files>(base->GetFileSystem());
  env_ = rocksdb::NewCompositeEnv(files_);
}

RecoverableEnv::~RecoverableEnv() = default;

bool RecoverableEnv::current_log_failed() const { return files_->current_log_failed(); }

}  // namespace eidetic::storage
