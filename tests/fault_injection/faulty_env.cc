#include "tests/fault_injection/faulty_env.h"

#include <rocksdb/file_system.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace eidetic::fault_injection {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// As RocksDB's own file system maps them.
IOStatus AsIoStatus(int error, const std::string& path) {
  if (error == 0) return IOStatus::OK();
  if (error == ENOENT) return IOStatus::PathNotFound(path, std::strerror(error));
  if (error != ENOSPC) return IOStatus::IOError(path, std::strerror(error));
  IOStatus status = IOStatus::NoSpace(path, std::strerror(error));
  status.SetRetryable(true);
  return status;
}

bool IsInfoLog(const std::string& path) {
  const size_t slash = path.rfind('/');
  return path.compare(slash == std::string::npos ? 0 : slash + 1, 3, "LOG") == 0;
}

class FaultyWritableFile final : public rocksdb::FSWritableFile {
 public:
  FaultyWritableFile(SimulatedDisk* disk, std::string path, std::unique_ptr<SimulatedFile> file)
      : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    return AsIoStatus(disk_->Append(*file_, {data.data(), data.size()}), path_);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    return AsIoStatus(disk_->Truncate(*file_, size), path_);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return AsIoStatus(disk_->Sync(*file_), path_); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return disk_->Size(*file_); }

 private:
  SimulatedDisk* disk_;
  const std::string path_;
  std::unique_ptr<SimulatedFile> file_;
};

class FaultySequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultySequentialFile(SimulatedDisk* disk, std::string path, std::unique_ptr<FSSequentialFile> file)
      : FSSequentialFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  IOStatus Read(size_t bytes, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) override {
    if (const int error = disk_->BeforeRead(path_, bytes); error != 0) return AsIoStatus(error, path_);
    return FSSequentialFileOwnerWrapper::Read(bytes, options, result, scratch, context);
  }

 private:
  SimulatedDisk* disk_;
  const std::string path_;
};

class FaultyRandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultyRandomAccessFile(SimulatedDisk* disk, std::string path, std::unique_ptr<FSRandomAccessFile> file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) const override {
    if (const int error = disk_->BeforeRead(path_, bytes); error != 0) return AsIoStatus(error, path_);
    return FSRandomAccessFileOwnerWrapper::Read(offset, bytes, options, result, scratch, context);
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* context) override {
    for (size_t i = 0; i < count; ++i) {
      rocksdb::FSReadRequest& request = requests[i];
      request.status = Read(request.offset, request.len, options, &request.result, request.scratch, context);
    }
    return IOStatus::OK();
  }

 private:
  SimulatedDisk* disk_;
  const std::string path_;
};

class FaultyDirectory final : public rocksdb::FSDirectory {
 public:
  FaultyDirectory(SimulatedDisk* disk, std::string path) : disk_(disk), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return AsIoStatus(disk_->SyncDirectory(path_), path_);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, context);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  SimulatedDisk* disk_;
  const std::string path_;
};

class FaultyRocksDbFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyRocksDbFileSystem(SimulatedDisk* disk)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}

  const char* Name() const override { return "SimulatedDisk"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    return OpenForWriting(path, /*append=*/false, result);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    return OpenForWriting(path, /*append=*/true, result);
  }
  IOStatus NewSequentialFile(const std::string& path, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* context) override {
    if (const int error = disk_->BeforeOpen(path); error != 0) return AsIoStatus(error, path);
    const IOStatus opened = FileSystemWrapper::NewSequentialFile(path, options, result, context);
    if (opened.ok()) *result = std::make_unique<FaultySequentialFile>(disk_, path, std::move(*result));
    return opened;
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* context) override {
    if (const int error = disk_->BeforeOpen(path); error != 0) return AsIoStatus(error, path);
    const IOStatus opened = FileSystemWrapper::NewRandomAccessFile(path, options, result, context);
    if (opened.ok()) *result = std::make_unique<FaultyRandomAccessFile>(disk_, path, std::move(*result));
    return opened;
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* context) override {
    std::unique_ptr<rocksdb::FSDirectory> real;
    const IOStatus opened = FileSystemWrapper::NewDirectory(path, options, &real, context);
    if (opened.ok()) *result = std::make_unique<FaultyDirectory>(disk_, path);
    return opened;
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    if (IsInfoLog(path)) return FileSystemWrapper::DeleteFile(path, options, context);
    return AsIoStatus(disk_->Delete(path), path);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return AsIoStatus(disk_->Delete(path), path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return AsIoStatus(disk_->CreateDirectory(path), path);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    const int error = disk_->CreateDirectory(path);
    return AsIoStatus(error == EEXIST ? 0 : error, path);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override {
    if (IsInfoLog(from)) return FileSystemWrapper::RenameFile(from, to, options, context);
    return AsIoStatus(disk_->Rename(from, to), to);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    return AsIoStatus(disk_->Link(from, to), to);
  }

  // Ways to write that would pass by the disk; RocksDB does not need them here.
  IOStatus ReuseWritableFile(const std::string& path, const std::string&, const FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) override {
    return IOStatus::NotSupported(path, "reusing a file");
  }
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>*, IODebugContext*) override {
    return IOStatus::NotSupported(path, "writing at random");
  }
  IOStatus Truncate(const std::string& path, size_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported(path, "cutting a closed file");
  }

 private:
  IOStatus OpenForWriting(const std::string& path, bool append,
                          std::unique_ptr<rocksdb::FSWritableFile>* result) {
    std::unique_ptr<SimulatedFile> file;
    const int error = disk_->Open(path, append, file);
    if (error == 0) *result = std::make_unique<FaultyWritableFile>(disk_, path, std::move(file));
    return AsIoStatus(error, path);
  }

  SimulatedDisk* disk_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewFaultyEnv(SimulatedDisk* disk) {
  return rocksdb::NewCompositeEnv(std::make_shared<FaultyRocksDbFileSystem>(disk));
}

}  // namespace eidetic::fault_injection
