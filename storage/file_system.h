// The file system as the library's own files need it (snapshots, LIBRARY), so
// that tests can put a failing disk in its place; RocksDB's files go through
// rocksdb::Env. Every method may be called from any thread; a WritableFile
// belongs to one thread.
//
//   FileSystem& files = PosixFileSystem();
//   RETURN_IF_ERROR(CreateDirectoriesDurably(files, folder));
//   RETURN_IF_ERROR(WriteFileDurably(files, folder + "/MANIFEST", text));
#ifndef EIDETIC_STORAGE_FILE_SYSTEM_H_
#define EIDETIC_STORAGE_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::storage {

// Closed by its destructor. What was not synced may be lost with the power.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  virtual absl::Status Sync() = 0;
};

// Stays readable as it was opened, also after it was removed or replaced.
// ReadAt may be called from many threads at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual uint64_t size() const = 0;
  // Fills `out`. kDataLoss: the file ends before.
  virtual absl::Status ReadAt(uint64_t offset, std::span<uint8_t> out) const = 0;
};

// Errors: kNotFound, kPermissionDenied, kResourceExhausted (disk full), … as
// absl::ErrnoToStatus gives them; messages name the path.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A file that is there already is emptied.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) = 0;
  // The whole file. kDataLoss: not a regular file, shorter than `min_bytes` or
  // longer than `max_bytes`; found out before memory is taken.
  virtual absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t min_bytes,
                                               uint64_t max_bytes) = 0;
  // For a file that is too large for ReadFile, or read in part; same errors. As it
  // comes here, ReadFile gives the bytes.
  virtual absl::StatusOr<std::unique_ptr<ReadableFile>> OpenReadableFile(const std::string& path,
                                                                         uint64_t min_bytes,
                                                                         uint64_t max_bytes);
  // Atomic; a file at `to` is replaced.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // Its parent must be there. kAlreadyExists.
  virtual absl::Status CreateDirectory(const std::string& path) = 0;
  // Makes durable what was created, renamed or removed in `path`.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // A file, or a directory with all that is in it; absent is OK.
  virtual absl::Status RemoveAll(const std::string& path) = 0;
  // Names, in no fixed order.
  virtual absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) = 0;
  virtual bool IsDirectory(const std::string& path) = 0;
};

// The real one; stateless.
FileSystem& PosixFileSystem();

// All of `bytes` or, after an error or a crash, what was at `path` before:
// written to `path`.tmp, synced, renamed, directory synced. A directory of that
// name is removed first.
absl::Status WriteFileDurably(FileSystem& files, const std::string& path, absl::string_view bytes);
// The same, of what `write` appends; its error is returned, and `path` stays.
absl::Status WriteFileDurably(FileSystem& files, const std::string& path,
                              const std::function<absl::Status(WritableFile&)>& write);

// Makes `path` and what is missing above it, durably.
absl::Status CreateDirectoriesDurably(FileSystem& files, const std::string& path);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_FILE_SYSTEM_H_
