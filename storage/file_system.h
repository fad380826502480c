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
#include <memory>
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

// Makes `path` and what is missing above it, durably.
absl::Status CreateDirectoriesDurably(FileSystem& files, const std::string& path);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_FILE_SYSTEM_H_
