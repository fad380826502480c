#include "storage/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(int file, std::string path) : file_(file), path_(std::move(path)) {}
  ~PosixWritableFile() override { close(file_); }
  PosixWritableFile(const PosixWritableFile&) = delete;
  PosixWritableFile& operator=(const PosixWritableFile&) = delete;

  absl::Status Append(absl::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t wrote = write(file_, bytes.data(), bytes.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
      bytes.remove_prefix(static_cast<size_t>(wrote));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (fsync(file_) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("syncing ", path_));
    return absl::OkStatus();
  }

 private:
  const int file_;
  const std::string path_;
};

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(int file, uint64_t size, std::string path)
      : file_(file), size_(size), path_(std::move(path)) {}
  ~PosixReadableFile() override { close(file_); }
  PosixReadableFile(const PosixReadableFile&) = delete;
  PosixReadableFile& operator=(const PosixReadableFile&) = delete;

  uint64_t size() const override { return size_; }
  absl::Status ReadAt(uint64_t offset, std::span<uint8_t> out) const override {
    while (!out.empty()) {
      const ssize_t got = pread(file_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return absl::ErrnoToStatus(errno, path_);
      if (got == 0) return absl::DataLossError(absl::StrCat(path_, " became shorter while it was read"));
      out = out.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return absl::OkStatus();
  }

 private:
  const int file_;
  const uint64_t size_;
  const std::string path_;
};

// What ReadFile gave.
class ReadFileInMemory final : public ReadableFile {
 public:
  ReadFileInMemory(std::string bytes, std::string path) : bytes_(std::move(bytes)), path_(std::move(path)) {}

  uint64_t size() const override { return bytes_.size(); }
  absl::Status ReadAt(uint64_t offset, std::span<uint8_t> out) const override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      return absl::DataLossError(absl::StrCat(path_, " ends before byte ", offset + out.size()));
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return absl::OkStatus();
  }

 private:
  const std::string bytes_;
  const std::string path_;
};

class PosixFileSystemImpl final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
    return std::make_unique<PosixWritableFile>(file, path);
  }

  absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t min_bytes,
                                       uint64_t max_bytes) override {
    EIDETIC_ASSIGN_OR_RETURN(const auto file, OpenReadableFile(path, min_bytes, max_bytes));
    std::string bytes(file->size(), '\0');
    EIDETIC_RETURN_IF_ERROR(file->ReadAt(0, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()}));
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenReadableFile(const std::string& path, uint64_t min_bytes,
                                                                 uint64_t max_bytes) override {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0) return absl::ErrnoToStatus(errno, path);
    struct stat info {};
    if (fstat(file, &info) != 0) {
      const absl::Status failed = absl::ErrnoToStatus(errno, path);
      close(file);
      return failed;
    }
    auto opened = std::make_unique<PosixReadableFile>(file, static_cast<uint64_t>(info.st_size), path);
    if (!S_ISREG(info.st_mode)) return absl::DataLossError(absl::StrCat(path, " is not a regular file"));
    if (opened->size() < min_bytes || opened->size() > max_bytes) {
      return absl::DataLossError(absl::StrCat(path, " has ", opened->size(), " bytes, not ", max_bytes));
    }
    return opened;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("renaming to ", to));
  }

  absl::Status CreateDirectory(const std::string& path) override {
    if (mkdir(path.c_str(), 0777) == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const int file = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
    const absl::Cleanup close_file = [file] { close(file); };
    if (fsync(file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("syncing ", path));
    return absl::OkStatus();
  }

  absl::Status RemoveAll(const std::string& path) override {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("removing ", path));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("reading ", path));
    return names;
  }

  bool IsDirectory(const std::string& path) override {
    std::error_code error;
    return fs::is_directory(path, error);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl files;
  return files;
}

absl::StatusOr<std::unique_ptr<ReadableFile>> FileSystem::OpenReadableFile(const std::string& path,
                                                                           uint64_t min_bytes,
                                                                           uint64_t max_bytes) {
  EIDETIC_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, min_bytes, max_bytes));
  return std::make_unique<ReadFileInMemory>(std::move(bytes), path);
}

absl::Status WriteFileDurably(FileSystem& files, const std::string& path, absl::string_view bytes) {
  return WriteFileDurably(files, path, [bytes](WritableFile& file) { return file.Append(bytes); });
}

absl::Status WriteFileDurably(FileSystem& files, const std::string& path,
                              const std::function<absl::Status(WritableFile&)>& write) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  if (files.IsDirectory(path)) EIDETIC_RETURN_IF_ERROR(files.RemoveAll(path));
  // Opening what else may lie there could block (a pipe) or write elsewhere (a link).
  EIDETIC_RETURN_IF_ERROR(files.RemoveAll(temporary));
  {
    EIDETIC_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.NewWritableFile(temporary));
    EIDETIC_RETURN_IF_ERROR(write(*file));
    EIDETIC_RETURN_IF_ERROR(file->Sync());
  }
  EIDETIC_RETURN_IF_ERROR(files.Rename(temporary, path));
  return files.SyncDirectory(fs::path(path).parent_path().string());
}

absl::Status CreateDirectoriesDurably(FileSystem& files, const std::string& path) {
  const fs::path directory = fs::path(path).lexically_normal();
  if (directory.empty() || files.IsDirectory(directory.string())) return absl::OkStatus();
  // "a/b/" has an empty last name.
  const fs::path parent =
      directory.has_filename() ? directory.parent_path() : directory.parent_path().parent_path();
  if (!parent.empty()) EIDETIC_RETURN_IF_ERROR(CreateDirectoriesDurably(files, parent.string()));
  const absl::Status created = files.CreateDirectory(directory.string());
  // Somebody else may have made it meanwhile.
  if (!created.ok() && !files.IsDirectory(directory.string())) return created;
  const absl::Status synced = files.SyncDirectory(parent.empty() ? "." : parent.string());
  // One that stayed would be taken for durable by the next attempt.
  if (!synced.ok() && created.ok()) files.RemoveAll(directory.string()).IgnoreError();
  return synced;
}

}  // namespace eidetic::storage
