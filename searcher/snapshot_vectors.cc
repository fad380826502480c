#include "searcher/snapshot_vectors.h"

#include <utility>

#include "proto/status_macros.h"
#include "searcher/snapshot.h"

namespace eidetic::searcher {

absl::StatusOr<std::unique_ptr<SnapshotVectors>> SnapshotVectors::Open(const std::string& folder) {
  EIDETIC_ASSIGN_OR_RETURN(const Snapshot snapshot, ReadSnapshot(folder));
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<LibraryIndexes> indexes, LibraryIndexes::Parse(snapshot, nullptr));
  return std::unique_ptr<SnapshotVectors>(new SnapshotVectors(snapshot.info, std::move(indexes)));
}

}  // namespace eidetic::searcher
