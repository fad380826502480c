#include "searcher/snapshot_vectors.h"

#include <utility>

#include "proto/status_macros.h"
#include "searcher/snapshot.h"

namespace eidetic::searcher {

absl::StatusOr<std::unique_ptr<SnapshotVectors>> SnapshotVectors::Open(const std::string& folder) {
  EIDETIC_ASSIGN_OR_RETURN(Snapshot snapshot, ReadSnapshot(folder));
  SnapshotInfo info = snapshot.info;
  EIDETIC_ASSIGN_OR_RETURN(std::shared_ptr<const LibraryIndexes> indexes,
                           LibraryIndexes::Load(std::move(snapshot), nullptr));
  return std::unique_ptr<SnapshotVectors>(new SnapshotVectors(std::move(info), std::move(indexes)));
}

std::optional<std::vector<float>> SnapshotVectors::Find(const VectorIndex& index, uint64_t id) {
  // All vectors are in memory: it fails only where the id is not there.
  absl::StatusOr<std::vector<float>> vector = index.Vector(id);
  return vector.ok() ? std::optional(*std::move(vector)) : std::nullopt;
}

}  // namespace eidetic::searcher
