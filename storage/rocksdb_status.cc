#include "storage/rocksdb_status.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace eidetic::storage {

// RocksDB keeps of errno what strerror says of it.
DiskTrouble DiskTroubleOf(const rocksdb::Status& status) {
  if (!status.IsIOError()) return status.IsCorruption() ? DiskTrouble::kDamaged : DiskTrouble::kError;
  const std::string message = status.ToString();
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit ||
      absl::StrContains(message, std::strerror(ENOSPC)) ||
      absl::StrContains(message, std::strerror(EDQUOT))) {
    return DiskTrouble::kDiskFull;
  }
  return absl::StrContains(message, std::strerror(EROFS)) ? DiskTrouble::kReadOnly : DiskTrouble::kError;
}

const char* DiskTroubleName(DiskTrouble trouble) {
  switch (trouble) {
    case DiskTrouble::kDiskFull:
      return "disk_full";
    case DiskTrouble::kReadOnly:
      return "read_only";
    case DiskTrouble::kError:
      return "io_error";
    case DiskTrouble::kDamaged:
      return "damaged";
  }
  return "io_error";
}

absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(doing, ": ", status.ToString());
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsCorruption()) {
    return absl::DataLossError(absl::StrCat(message, "; `eidetic verify` tells what else is damaged"));
  }
  if (status.IsIOError() && DiskTroubleOf(status) == DiskTrouble::kDiskFull) {
    return absl::ResourceExhaustedError(absl::StrCat(message, "; make room on the disk and try again"));
  }
  if (status.IsIOError() && DiskTroubleOf(status) == DiskTrouble::kReadOnly) {
    return absl::FailedPreconditionError(message);
  }
  if (status.IsInvalidArgument()) return absl::InvalidArgumentError(message);
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() || status.IsTryAgain()) {
    return absl::UnavailableError(message);
  }
  return absl::InternalError(message);
}

}  // namespace eidetic::storage
