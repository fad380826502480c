// The vectors of an index snapshot by id, for a repair of the database. Const
// after Open.
//
//   ASSIGN_OR_RETURN(auto vectors, SnapshotVectors::Open(directory + "/index"));
//   storage::RepairLibrary(directory, {.snapshot = vectors.get()});
#ifndef EIDETIC_SEARCHER_SNAPSHOT_VECTORS_H_
#define EIDETIC_SEARCHER_SNAPSHOT_VECTORS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "searcher/library_indexes.h"
#include "storage/repair.h"

namespace eidetic::searcher {

class SnapshotVectors final : public storage::VectorSource {
 public:
  // Errors as ReadSnapshot.
  static absl::StatusOr<std::unique_ptr<SnapshotVectors>> Open(const std::string& folder);

  std::string database_id() const override { return info_.database_id; }
  std::string model_fingerprint() const override { return info_.model_fingerprint; }
  uint64_t generation() const override { return info_.generation; }
  uint32_t dimension() const override { return info_.dimension; }
  uint64_t last_sequence() const override { return info_.last_sequence; }
  std::optional<std::vector<float>> Image(storage::Ordinal ordinal) const override {
    return Find(indexes_->images(), ordinal);
  }
  std::optional<std::vector<float>> Caption(storage::CaptionId id) const override {
    return Find(indexes_->captions(), id);
  }

 private:
  SnapshotVectors(SnapshotInfo info, std::shared_ptr<const LibraryIndexes> indexes)
      : info_(std::move(info)), indexes_(std::move(indexes)) {}
  static std::optional<std::vector<float>> Find(const VectorIndex& index, uint64_t id);

  const SnapshotInfo info_;
  const std::shared_ptr<const LibraryIndexes> indexes_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SNAPSHOT_VECTORS_H_
