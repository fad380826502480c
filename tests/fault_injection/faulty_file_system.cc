#include "tests/fault_injection/faulty_file_system.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::fault_injection {
namespace {

absl::Status AsStatus(int error, absl::string_view doing, const std::string& path) {
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, absl::StrCat(doing, " ", path));
}

class FaultyWritableFile final : public storage::WritableFile {
 public:
  FaultyWritableFile(SimulatedDisk* disk, std::string path, std::unique_ptr<SimulatedFile> file)
      : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}

  absl::Status Append(absl::string_view bytes) override {
    return AsStatus(disk_->Append(*file_, bytes), "writing", path_);
  }
  absl::Status Sync() override { return AsStatus(disk_->Sync(*file_), "syncing", path_); }

 private:
  SimulatedDisk* disk_;
  const std::string path_;
  std::unique_ptr<SimulatedFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<storage::WritableFile>> FaultyFileSystem::NewWritableFile(
    const std::string& path) {
  std::unique_ptr<SimulatedFile> file;
  EIDETIC_RETURN_IF_ERROR(AsStatus(disk_->Open(path, /*append=*/false, file), "making", path));
  return std::make_unique<FaultyWritableFile>(disk_, path, std::move(file));
}

absl::StatusOr<std::string> FaultyFileSystem::ReadFile(const std::string& path, uint64_t min_bytes,
                                                       uint64_t max_bytes) {
  EIDETIC_RETURN_IF_ERROR(AsStatus(disk_->BeforeOpen(path), "opening", path));
  EIDETIC_ASSIGN_OR_RETURN(std::string bytes,
                           storage::PosixFileSystem().ReadFile(path, min_bytes, max_bytes));
  size_t size = bytes.size();
  EIDETIC_RETURN_IF_ERROR(AsStatus(disk_->BeforeRead(path, size), "reading", path));
  bytes.resize(size);
  return bytes;
}

absl::Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  return AsStatus(disk_->Rename(from, to), "renaming to", to);
}

absl::Status FaultyFileSystem::CreateDirectory(const std::string& path) {
  return AsStatus(disk_->CreateDirectory(path), "making", path);
}

absl::Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  return AsStatus(disk_->SyncDirectory(path), "syncing", path);
}

absl::Status FaultyFileSystem::RemoveAll(const std::string& path) {
  if (IsDirectory(path)) {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
    for (const std::string& name : names) EIDETIC_RETURN_IF_ERROR(RemoveAll(absl::StrCat(path, "/", name)));
  }
  const int error = disk_->Delete(path);
  return error == ENOENT ? absl::OkStatus() : AsStatus(error, "removing", path);
}

absl::StatusOr<std::vector<std::string>> FaultyFileSystem::ListDirectory(const std::string& path) {
  return storage::PosixFileSystem().ListDirectory(path);
}

bool FaultyFileSystem::IsDirectory(const std::string& path) {
  return storage::PosixFileSystem().IsDirectory(path);
}

}  // namespace eidetic::fault_injection
