#include "storage/metered_env.h"

#include <rocksdb/file_system.h>

#include <string>
#include <utility>

namespace eidetic::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

using OnRead = std::function<bool(uint64_t)>;

class MeteredFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  MeteredFile(std::unique_ptr<FSSequentialFile> file, std::shared_ptr<const OnRead> on_read)
      : FSSequentialFileOwnerWrapper(std::move(file)), on_read_(std::move(on_read)) {}

  IOStatus Read(size_t bytes, const IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* context) override {
    IOStatus status = FSSequentialFileOwnerWrapper::Read(bytes, options, result, scratch, context);
    if (status.ok() && !(*on_read_)(result->size())) return IOStatus::Aborted("stopped");
    return status;
  }

 private:
  const std::shared_ptr<const OnRead> on_read_;
};

class MeteredFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  MeteredFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base, OnRead on_read)
      : FileSystemWrapper(base), on_read_(std::make_shared<const OnRead>(std::move(on_read))) {}

  const char* Name() const override { return "eidetic::storage::MeteredFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* context) override {
    IOStatus opened = FileSystemWrapper::NewSequentialFile(path, options, result, context);
    if (opened.ok()) *result = std::make_unique<MeteredFile>(std::move(*result), on_read_);
    return opened;
  }

 private:
  const std::shared_ptr<const OnRead> on_read_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewMeteredEnv(rocksdb::Env* base, OnRead on_read) {
  return rocksdb::NewCompositeEnv(
      std::make_shared<MeteredFileSystem>(base->GetFileSystem(), std::move(on_read)));
}

}  // namespace eidetic::storage
