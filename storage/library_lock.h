// The file LOCK of a library: held (flock) by the one process that has it open,
// with who that is written inside. The system lets go of it when the process
// ends, however it ends, so that a stale file never needs deleting: one that is
// empty, damaged, an empty folder or another user's is taken over. A process
// that may not write to the library shares the lock with others like it, which
// keeps a writer out meanwhile, and writes nothing. Owned by the Library;
// SetAddress may be called from any thread.
//
//   ASSIGN_OR_RETURN(auto lock, LibraryLock::Acquire("photos", "serve", ""));
//   RETURN_IF_ERROR(lock->SetAddress("127.0.0.1:50051"));
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
  // it; the message names its pid and address. kFailedPrecondition: the file
  // system has no locks, or something else is in the file's place.
  static absl::StatusOr<std::unique_ptr<LibraryLock>> Acquire(const std::string& directory,
                                                              const std::string& command,
                                                              const std::string& address);
  // For reading only. Null when there is no file LOCK, or no locks on this file
  // system: then nobody can be kept out. kUnavailable as above;
  // kPermissionDenied: the file may not be read, so that a holder cannot be seen.
  static absl::StatusOr<std::unique_ptr<LibraryLock>> AcquireShared(const std::string& directory);
  // Those that share the lock do not count.
  static absl::StatusOr<std::optional<LibraryHolder>> ReadHolder(const std::string& directory);

  ~LibraryLock();
  LibraryLock(const LibraryLock&) = delete;
  LibraryLock& operator=(const LibraryLock&) = delete;

  // Rewrites what others read. Only for one that Acquire gave.
  absl::Status SetAddress(const std::string& address);

 private:
  LibraryLock(int file, std::string path, std::string command, bool shared);

  const int file_;
  const std::string path_;
  const std::string command_;
  const bool shared_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_LIBRARY_LOCK_H_
