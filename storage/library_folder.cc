#include "storage/library_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"
#include "storage/library.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;

std::string FormatPath(const std::string& directory) { return absl::StrCat(directory, "/LIBRARY"); }

absl::Status SyncDirectory(const std::string& directory) {
  const int file = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", directory));
  const absl::Cleanup close_file = [file] { close(file); };
  if (fsync(file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("syncing ", directory));
  return absl::OkStatus();
}

}  // namespace

bool HasFormatFile(const std::string& directory) {
  std::error_code error;
  return fs::exists(FormatPath(directory), error);
}

absl::Status WriteFormatFile(const std::string& directory) {
  const std::string path = FormatPath(directory);
  const std::string temporary = absl::StrCat(path, ".tmp");
  const std::string content = absl::StrCat("eidetic library\nformat ", kFormatVersion, "\n");
  {
    const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("making ", temporary));
    const absl::Cleanup close_file = [file] { close(file); };
    if (write(file, content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
        fsync(file) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("writing ", temporary));
    }
  }
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  return SyncDirectory(directory);
}

absl::Status CheckFormatFile(const std::string& directory) {
  const std::string path = FormatPath(directory);
  std::ifstream file(path);
  std::string first;
  std::string second;
  std::getline(file, first);
  std::getline(file, second);
  absl::string_view number = second;
  uint32_t version = 0;
  if (first != "eidetic library" || !absl::ConsumePrefix(&number, "format ") ||
      !absl::SimpleAtoi(number, &version) || version == 0) {
    return absl::DataLossError(
        absl::StrCat(path,
                     " is damaged: expected \"eidetic library\" and \"format N\"; when "
                     "the folder rocksdb/ is whole, write these two lines (format ",
                     kFormatVersion, ") by hand"));
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the library ", directory, " has format ", version,
                                                      ", this version of Eidetic reads up to ",
                                                      kFormatVersion, "; use a newer version of Eidetic"));
  }
  return absl::OkStatus();
}

absl::Status PrepareNewDirectory(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("making the folder ", directory));
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    // What an attempt that was killed half-way may have left.
    if (name != "LOCK" && name != "LIBRARY.tmp" && name != "rocksdb" && name != "index" &&
        name != "eidetic.sock") {
      return absl::FailedPreconditionError(
          absl::StrCat("the folder ", directory,
                       " holds other things and no library; name an empty or a new "
                       "folder"));
    }
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("reading the folder ", directory));
  return absl::OkStatus();
}

}  // namespace eidetic::storage
