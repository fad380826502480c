#include "storage/library_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

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

}  // namespace

bool HasFormatFile(const std::string& directory) {
  std::error_code error;
  return fs::exists(FormatPath(directory), error);
}

absl::StatusOr<std::string> ObstacleToWriting(const std::string& directory) {
  // New files come into both; the folder itself needs none but LOCK.
  for (const std::string& place : {absl::StrCat(directory, "/rocksdb"), directory}) {
    if (access(place.c_str(), R_OK | X_OK) != 0 && errno == EACCES) {
      return absl::PermissionDeniedError(
          absl::StrCat("the folder ", place, " may not be read by this user (number ", geteuid(), ")"));
    }
    if (access(place.c_str(), W_OK) == 0) continue;
    if (errno == EROFS) return std::string("it is on a read-only file system");
    if (errno == EACCES) {
      return absl::StrCat("this user (number ", geteuid(), ") may not write to the folder ", place);
    }
  }
  return std::string();
}

absl::Status WriteFormatFile(FileSystem& files, const std::string& directory) {
  return WriteFileDurably(files, FormatPath(directory),
                          absl::StrCat("eidetic library\nformat ", kFormatVersion, "\n"));
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
    return absl::FailedPreconditionError(absl::StrCat(
        "the library ", directory, " has format ", version, ", this version of Eidetic reads up to format ",
        kFormatVersion, "; use the version that wrote it, or a newer one"));
  }
  return absl::OkStatus();
}

absl::Status PrepareNewDirectory(FileSystem& files, const std::string& directory) {
  EIDETIC_RETURN_IF_ERROR(CreateDirectoriesDurably(files, directory));
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.ListDirectory(directory));
  // Another process has made one this very moment.
  if (std::find(names.begin(), names.end(), "LIBRARY") != names.end()) return absl::OkStatus();
  for (const std::string& name : names) {
    // What an attempt that was killed half-way may have left.
    if (name != "LOCK" && name != "LOCK.tmp" && name != "LIBRARY.tmp" && name != "rocksdb" &&
        name != "index" && name != "eidetic.sock") {
      return absl::FailedPreconditionError(
          absl::StrCat("the folder ", directory,
                       " holds other things and no library; name an empty or a new "
                       "folder"));
    }
  }
  return absl::OkStatus();
}

}  // namespace eidetic::storage
