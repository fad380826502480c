#include "searcher/snapshot_fit.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

// A snapshot of another of the library's generations is no damage: the library
// moved from one model to another.
absl::Status CheckGeneration(uint64_t of_snapshot, uint64_t wanted, const storage::Library& library) {
  if (of_snapshot == wanted) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const auto generations, library.ListGenerations());
  const bool known =
      (of_snapshot > 0 && of_snapshot < wanted) ||
      std::any_of(generations.begin(), generations.end(), [&](const storage::GenerationStatus& status) {
        return status.record.number() == of_snapshot;
      });
  return known ? absl::NotFoundError("the snapshot is of another generation")
               : absl::DataLossError("the snapshot is of a generation that the library does not have");
}

}  // namespace

absl::Status CheckSnapshotFits(const SnapshotInfo& info, const storage::Library& library,
                               const storage::Generation& generation) {
  if (info.database_id != library.database_id()) {
    return absl::FailedPreconditionError("the snapshot is of another database");
  }
  EIDETIC_RETURN_IF_ERROR(CheckGeneration(info.generation, generation.number(), library));
  if (info.model_fingerprint != generation.model_fingerprint() || info.dimension != generation.dimension()) {
    return absl::FailedPreconditionError("the snapshot is of another model");
  }
  EIDETIC_ASSIGN_OR_RETURN(const storage::v1::GenerationRecord active, library.ActiveGeneration());
  if (active.number() != generation.number()) {
    return absl::NotFoundError("the snapshot is of a generation that is not in use");
  }
  return absl::OkStatus();
}

absl::Status CheckNothingLost(const SnapshotInfo& info, const storage::Library& library) {
  if (info.last_sequence <= library.last_sequence()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the database of ", library.directory(), " has lost changes ", library.last_sequence() + 1, " to ",
      info.last_sequence, ", which the snapshot of its index holds; restore a backup, or save ",
      "what can be saved: eidetic verify --repair --library ", library.directory()));
}

}  // namespace eidetic::searcher
