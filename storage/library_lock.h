// The file LOCK of a library: held (flock) by the one process that has it open,
// with who that is written inside. The system lets go of it when the process
// ends, however it ends, so that a stale file never needs deleting. Owned by
// the Library; SetAddress may be called from any thread.
#ifndef EIDETIC_STORAGE_LIBRARY_LOCK_H_
#define EIDETIC_STORAGE_LIBRARY_LOCK_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/library.h"

namespace eidetic::storage {

class LibraryLock {
 public:
  // kUnavailable when another process (or another Library of this one) holds
  // it; the message names its pid and address.
  static absl::StatusOr<std::unique_ptr<LibraryLock>> Acquire(const std::string& directory,
                                                              const std::string& command,
                                                              const std::string& address);
  static absl::StatusOr<std::optional<LibraryHolder>> ReadHolder(const std::string& directory);

  ~LibraryLock();
  LibraryLock(const LibraryLock&) = delete;
  LibraryLock& operator=(const LibraryLock&) = delete;

  // Rewrites what others read.
  absl::Status SetAddress(const std::string& address);

 private:
  LibraryLock(int file, std::string path, std::string command);

  int file_;
  std::string path_;
  std::string command_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_LIBRARY_LOCK_H_
