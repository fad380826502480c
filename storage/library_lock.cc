#include "storage/library_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "proto/status_macros.h"

namespace eidetic::storage {
namespace {

using Json = nlohmann::json;

// Somebody who only looks (ReadHolder) has the lock for a moment, and who has
// just got it has not written yet who it is.
constexpr int kAttempts = 10;
constexpr absl::Duration kBetweenAttempts = absl::Milliseconds(20);
// Not the reading of a pipe that stands in the file's place must hang.
constexpr int kOpenFlags = O_CLOEXEC | O_NONBLOCK;

std::string LockPath(const std::string& directory) { return absl::StrCat(directory, "/LOCK"); }

std::optional<LibraryHolder> ReadContent(int file) {
  std::array<char, 4096> buffer{};
  const ssize_t size = pread(file, buffer.data(), buffer.size(), 0);
  if (size <= 0) return std::nullopt;
  const Json json = Json::parse(buffer.data(), buffer.data() + size, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("pid") || !json["pid"].is_number_integer()) return std::nullopt;
  LibraryHolder holder;
  holder.pid = json["pid"].get<int64_t>();
  if (json.contains("command") && json["command"].is_string())
    holder.command = json["command"].get<std::string>();
  if (json.contains("address") && json["address"].is_string())
    holder.address = json["address"].get<std::string>();
  return holder;
}

// One whose process is gone was written by an earlier holder, which was killed.
bool Lives(const LibraryHolder& holder) {
  return holder.pid > 0 && (kill(static_cast<pid_t>(holder.pid), 0) == 0 || errno != ESRCH);
}

absl::Status WriteContent(int file, const std::string& path, const std::string& command,
                          const std::string& address) {
  const Json json = {{"pid", getpid()}, {"command", command}, {"address", address}};
  const std::string content = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  // One write, then the rest cut off: a reader sees the old or the new text, or
  // one that does not parse and is read again.
  if (pwrite(file, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size()) ||
      ftruncate(file, static_cast<off_t>(content.size())) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

// What the system tells of those that hold a lock on the file: " (process 1, 2)",
// or nothing.
std::string HoldersKnownToTheSystem(int file) {
  struct stat info {};
  if (fstat(file, &info) != 0) return "";
  std::string pids;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    // "1: FLOCK  ADVISORY  READ 4242 08:01:131 0 EOF"
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 6 || words[1] != "FLOCK") continue;
    const std::vector<std::string> place = absl::StrSplit(words[5], ':');
    uint64_t inode = 0;
    if (place.size() != 3 || !absl::SimpleAtoi(place[2], &inode) || inode != info.st_ino) continue;
    absl::StrAppend(&pids, pids.empty() ? "" : ", ", words[4]);
  }
  return pids.empty() ? "" : absl::StrCat(" (process ", pids, ")");
}

bool HasNoLocks(int error) {
  return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

absl::Status LockingFailed(int error, const std::string& path) {
  if (!HasNoLocks(error)) return absl::ErrnoToStatus(error, absl::StrCat("locking ", path));
  return absl::FailedPreconditionError(
      absl::StrCat("locking ", path, ": ", absl::ErrnoToStatus(error, "").message(),
                   ": this file system has no locks (flock), without which two processes could write to the "
                   "library at once; put the library on a local disk, or mount the network's with locks"));
}

absl::Status HeldByStranger(const std::string& directory, int file) {
  return absl::UnavailableError(absl::StrCat("the library ", directory,
                                             " is held by a process that does not say who it is",
                                             HoldersKnownToTheSystem(file), "; try again when it has ended"));
}

// Who is in the way of an exclusive lock, or of a shared one.
absl::Status Held(const std::string& directory, int file) {
  const std::optional<LibraryHolder> holder = ReadContent(file);
  const bool shared = flock(file, LOCK_SH | LOCK_NB) == 0;
  flock(file, LOCK_UN);
  if (shared) {
    return absl::UnavailableError(absl::StrCat("the library ", directory, " is being read by another process",
                                               HoldersKnownToTheSystem(file),
                                               " that may not write to it (another user's, or through a "
                                               "read-only mount): nothing can be written until "
                                               "it has ended"));
  }
  if (!holder.has_value()) return HeldByStranger(directory, file);
  return absl::UnavailableError(absl::StrCat("the library ", directory, " is held by ",
                                             DescribeHolder(*holder),
                                             "; stop that process, or try again when it has ended"));
}

// Puts a file of this process's own, locked already, in the place of one that it
// has locked but may not write to.
absl::StatusOr<int> ReplaceLocked(const std::string& path) {
  const std::string made = absl::StrCat(path, ".tmp");
  unlink(made.c_str());
  const int file = open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | kOpenFlags, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("making ", made));
  if (flock(file, LOCK_EX | LOCK_NB) == 0 && rename(made.c_str(), path.c_str()) == 0) return file;
  const int error = errno;
  close(file);
  unlink(made.c_str());
  return absl::ErrnoToStatus(
      error, absl::StrCat("putting a new file in the place of ", path, ", which may not be written"));
}

struct OpenedLock {
  int file = -1;
  bool writable = true;
};

absl::StatusOr<OpenedLock> OpenLockFile(const std::string& path) {
  OpenedLock opened;
  opened.file = open(path.c_str(), O_RDWR | O_CREAT | kOpenFlags, 0644);
  if (opened.file < 0 && errno == EISDIR) {
    if (rmdir(path.c_str()) != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          path, " is a folder with something in it, where the library's lock should be: move it away"));
    }
    opened.file = open(path.c_str(), O_RDWR | O_CREAT | kOpenFlags, 0644);
  }
  if (opened.file < 0 && errno == EACCES) {
    opened.writable = false;
    opened.file = open(path.c_str(), O_RDONLY | kOpenFlags);
  }
  if (opened.file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  struct stat info {};
  if (fstat(opened.file, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(opened.file);
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a regular file, where the library's lock should be: move it away"));
  }
  return opened;
}

// Whether the file is still the one at `path`.
bool IsAt(int file, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return fstat(file, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

std::string DescribeHolder(const LibraryHolder& holder) {
  std::string description = absl::StrCat("process ", holder.pid);
  if (!holder.command.empty()) absl::StrAppend(&description, " (eidetic ", holder.command, ")");
  if (!holder.address.empty()) absl::StrAppend(&description, " serving on ", holder.address);
  return description;
}

LibraryLock::LibraryLock(int file, std::string path, std::string command, bool shared)
    : file_(file), path_(std::move(path)), command_(std::move(command)), shared_(shared) {}

LibraryLock::~LibraryLock() {
  if (!shared_) {
    // So that the next holder is not taken for this one before it has written who
    // it is; no more than a help.
    [[maybe_unused]] const int emptied = ftruncate(file_, 0);
  }
  close(file_);
}

absl::StatusOr<std::unique_ptr<LibraryLock>> LibraryLock::Acquire(const std::string& directory,
                                                                  const std::string& command,
                                                                  const std::string& address) {
  const std::string path = LockPath(directory);
  for (int attempt = 0;; ++attempt) {
    EIDETIC_ASSIGN_OR_RETURN(const OpenedLock opened, OpenLockFile(path));
    absl::Cleanup close_file = [&opened] { close(opened.file); };
    if (flock(opened.file, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return LockingFailed(errno, path);
      if (attempt >= kAttempts) return Held(directory, opened.file);
      absl::SleepFor(kBetweenAttempts);
      continue;
    }
    // Replaced or deleted since it was opened: a lock on it keeps nobody out. Not for
    // ever, since some file systems number files anew; RocksDB's lock is behind it.
    if (!IsAt(opened.file, path) && attempt < kAttempts) continue;
    int file = opened.file;
    if (opened.writable) {
      std::move(close_file).Cancel();
    } else {
      EIDETIC_ASSIGN_OR_RETURN(file, ReplaceLocked(path));
    }
    auto lock = std::unique_ptr<LibraryLock>(new LibraryLock(file, path, command, /*shared=*/false));
    EIDETIC_RETURN_IF_ERROR(WriteContent(file, path, command, address));
    return lock;
  }
}

absl::StatusOr<std::unique_ptr<LibraryLock>> LibraryLock::AcquireShared(const std::string& directory) {
  const std::string path = LockPath(directory);
  const int file = open(path.c_str(), O_RDONLY | kOpenFlags);
  if (file < 0) {
    if (errno == ENOENT) return nullptr;
    return absl::ErrnoToStatus(
        errno, absl::StrCat("opening ", path, ", which says whether another process writes to the library"));
  }
  auto lock = std::unique_ptr<LibraryLock>(new LibraryLock(file, path, "", /*shared=*/true));
  for (int attempt = 0; flock(file, LOCK_SH | LOCK_NB) != 0; ++attempt) {
    if (HasNoLocks(errno)) return nullptr;
    if (errno != EWOULDBLOCK && errno != EINTR) return LockingFailed(errno, path);
    if (attempt >= kAttempts) return Held(directory, file);
    absl::SleepFor(kBetweenAttempts);
  }
  return lock;
}

absl::StatusOr<std::optional<LibraryHolder>> LibraryLock::ReadHolder(const std::string& directory) {
  const std::string path = LockPath(directory);
  const int file = open(path.c_str(), O_RDONLY | kOpenFlags);
  if (file < 0) {
    // What is no file cannot be held; whoever opens the library says what is wrong.
    if (errno == ENOENT || errno == ENOTDIR || errno == ENXIO) return std::optional<LibraryHolder>();
    return absl::ErrnoToStatus(
        errno, absl::StrCat("opening ", path, ", which says whether another process holds the library"));
  }
  const absl::Cleanup close_file = [file] { close(file); };
  std::optional<LibraryHolder> holder;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (flock(file, LOCK_SH | LOCK_NB) == 0 || HasNoLocks(errno)) return std::optional<LibraryHolder>();
    if (errno != EWOULDBLOCK && errno != EINTR) return LockingFailed(errno, path);
    holder = ReadContent(file);
    if (holder.has_value() && Lives(*holder)) return holder;
    absl::SleepFor(kBetweenAttempts);
  }
  // It may live where this process cannot see it, in another container.
  if (holder.has_value()) return holder;
  return HeldByStranger(directory, file);
}

absl::Status LibraryLock::SetAddress(const std::string& address) {
  return WriteContent(file_, path_, command_, address);
}

}  // namespace eidetic::storage
