#include "storage/library_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "proto/status_macros.h"

namespace eidetic::storage {
namespace {

using Json = nlohmann::json;

// Somebody who only looks (ReadHolder) has the lock for a moment.
constexpr int kAttempts = 10;
constexpr absl::Duration kBetweenAttempts = absl::Milliseconds(20);

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

}  // namespace

LibraryLock::LibraryLock(int file, std::string path, std::string command)
    : file_(file), path_(std::move(path)), command_(std::move(command)) {}

LibraryLock::~LibraryLock() { close(file_); }

absl::StatusOr<std::unique_ptr<LibraryLock>> LibraryLock::Acquire(const std::string& directory,
                                                                  const std::string& command,
                                                                  const std::string& address) {
  const std::string path = LockPath(directory);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  auto lock = std::unique_ptr<LibraryLock>(new LibraryLock(file, path, command));
  for (int attempt = 0; flock(file, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return absl::ErrnoToStatus(errno, absl::StrCat("locking ", path));
    if (attempt == kAttempts) {
      const std::optional<LibraryHolder> holder = ReadContent(file);
      if (!holder.has_value()) {
        return absl::UnavailableError(absl::StrCat("the library ", directory, " is held by another process"));
      }
      return absl::UnavailableError(
          absl::StrCat("the library ", directory, " is held by process ", holder->pid,
                       holder->command.empty() ? "" : absl::StrCat(" (eidetic ", holder->command, ")"),
                       holder->address.empty() ? "" : absl::StrCat(" serving on ", holder->address)));
    }
    absl::SleepFor(kBetweenAttempts);
  }
  EIDETIC_RETURN_IF_ERROR(WriteContent(file, path, command, address));
  return lock;
}

absl::StatusOr<std::optional<LibraryHolder>> LibraryLock::ReadHolder(const std::string& directory) {
  const std::string path = LockPath(directory);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<LibraryHolder>();
    return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  }
  const absl::Cleanup close_file = [file] { close(file); };
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (flock(file, LOCK_SH | LOCK_NB) == 0) return std::optional<LibraryHolder>();
    if (errno != EWOULDBLOCK && errno != EINTR)
      return absl::ErrnoToStatus(errno, absl::StrCat("locking ", path));
    if (std::optional<LibraryHolder> holder = ReadContent(file); holder.has_value()) return holder;
    absl::SleepFor(kBetweenAttempts);
  }
  return absl::UnavailableError(
      absl::StrCat("the library ", directory, " is held by a process that does not say who it is"));
}

absl::Status LibraryLock::SetAddress(const std::string& address) {
  return WriteContent(file_, path_, command_, address);
}

}  // namespace eidetic::storage
