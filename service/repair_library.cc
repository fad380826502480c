#include "service/repair_library.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "searcher/snapshot_vectors.h"
#include "storage/library.h"

namespace eidetic::service {

absl::StatusOr<storage::RepairReport> RepairLibrary(const RepairLibraryOptions& options) {
  std::unique_ptr<storage::Library> backup;
  if (!options.backup.empty()) {
    auto opened = storage::Library::Open(options.backup, {.holder_command = "verify --repair"});
    EIDETIC_RETURN_IF_ERROR(AddContext(opened.status(), "opening the backup"));
    backup = *std::move(opened);
  }
  const auto vectors = searcher::SnapshotVectors::Open(options.library + "/index");
  EIDETIC_ASSIGN_OR_RETURN(
      storage::RepairReport report,
      storage::RepairLibrary(options.library, {.snapshot = vectors.ok() ? vectors->get() : nullptr,
                                               .backup = backup.get(),
                                               .progress = options.progress}));
  if (!vectors.ok()) {
    report.damage.push_back(absl::StrCat("no vectors from the index: ", vectors.status().message()));
  }
  return report;
}

}  // namespace eidetic::service
