// `eidetic verify --repair`: a repair of a library that nobody has open, with the
// vectors that its index snapshot and a backup still hold.
//
//   ASSIGN_OR_RETURN(storage::RepairReport report, RepairLibrary({.library = "photos"}));
#ifndef EIDETIC_SERVICE_REPAIR_LIBRARY_H_
#define EIDETIC_SERVICE_REPAIR_LIBRARY_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "storage/repair.h"

namespace eidetic::service {

struct RepairLibraryOptions {
  std::string library;
  // Folder of an older copy of the library, as a restored backup is; empty: none.
  std::string backup;
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

// Errors as storage::RepairLibrary, and those of opening the backup.
absl::StatusOr<storage::RepairReport> RepairLibrary(const RepairLibraryOptions& options);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_REPAIR_LIBRARY_H_
