#include "storage/recoverable_env.h"

#include <rocksdb/file_system.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "storage/rocksdb_status.h"

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
  const DiskTrouble trouble = DiskTroubleOf(status);
  if (trouble != DiskTrouble::kDiskFull && trouble != DiskTrouble::kReadOnly) return status;
  IOStatus recoverable = status;
  if (status.IsNoSpace()) {
    recoverable = IOStatus::IOError(status.getState() != nullptr ? status.getState() : std::strerror(ENOSPC));
  }
  recoverable.SetRetryable(true);
  return recoverable;
}

class RecoverableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit RecoverableFile(std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                  IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Append(data, options, info, context));
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, context));
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& info, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, info, context));
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Truncate(size, options, context));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Close(options, context));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Flush(options, context));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Sync(options, context));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::Fsync(options, context));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* context) override {
    return Recoverable(FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, context));
  }
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

class RecoverableFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit RecoverableFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base)
      : FileSystemWrapper(base) {}

  const char* Name() const override { return "RecoverableFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* context) override {
    return Wrap(FileSystemWrapper::NewWritableFile(path, options, file, context), file);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* context) override {
    return Wrap(FileSystemWrapper::ReopenWritableFile(path, options, file, context), file);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* context) override {
    return Wrap(FileSystemWrapper::ReuseWritableFile(path, old_path, options, file, context), file);
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

 private:
  static IOStatus Wrap(const IOStatus& opened, std::unique_ptr<rocksdb::FSWritableFile>* file) {
    if (opened.ok()) *file = std::make_unique<RecoverableFile>(std::move(*file));
    return Recoverable(opened);
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewRecoverableEnv(rocksdb::Env* base) {
  if (base == nullptr) base = rocksdb::Env::Default();
  return rocksdb::NewCompositeEnv(std::make_shared<RecoverableFileSystem>(base->GetFileSystem()));
}

}  // namespace eidetic::storage
