#include "storage/database_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace eidetic::storage {

absl::Status PrepareDatabaseLock(const std::string& database) {
  const std::string path = absl::StrCat(database, "/LOCK");
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::OkStatus();  // RocksDB makes it, or says why it cannot.
  const absl::Cleanup close_file = [file] { close(file); };
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
    return absl::UnavailableError(absl::StrCat("process ", lock.l_pid, " has the database ", database,
                                               " open, though the library's file LOCK is not that process's "
                                               "(was it deleted?); stop that process"));
  }
  if (access(path.c_str(), W_OK) != 0 && errno == EACCES && unlink(path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("removing ", path, ", which another user left behind"));
  }
  return absl::OkStatus();
}

}  // namespace eidetic::storage
