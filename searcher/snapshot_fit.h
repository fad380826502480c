// Whether a snapshot that is whole may be searched in place of a generation of a
// library: it is of the same database, generation and model, and of no change that
// the library does not have. Stateless; any thread.
//
//   RETURN_IF_ERROR(CheckSnapshotFits(snapshot.info, *library, *generation));
//   RETURN_IF_ERROR(CheckNothingLost(snapshot.info, *library));
#ifndef EIDETIC_SEARCHER_SNAPSHOT_FIT_H_
#define EIDETIC_SEARCHER_SNAPSHOT_FIT_H_

#include "absl/status/status.h"
#include "searcher/snapshot.h"
#include "storage/generation.h"
#include "storage/library.h"

namespace eidetic::searcher {

// kNotFound: of another of the library's generations, or of one that is not in
// use; kFailedPrecondition: of another database or model; kDataLoss: of a
// generation that was never there.
absl::Status CheckSnapshotFits(const SnapshotInfo& info, const storage::Library& library,
                               const storage::Generation& generation);

// kDataLoss: the snapshot, made from what was durable, holds changes that the
// database has lost. For one that fits.
absl::Status CheckNothingLost(const SnapshotInfo& info, const storage::Library& library);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SNAPSHOT_FIT_H_
