// Turns mutations into one RocksDB batch, each seeing what the ones before it
// did, and keeps the state record that goes with the batch. Made for one batch,
// used by one thread, thrown away.
//
//   MutationWriter writer(db, families, state, generations);
//   absl::Status refused = writer.Apply(mutation, model_fingerprint);   // not OK: the batch is as before
//   RETURN_IF_ERROR(writer.Write(durable_writer));
#ifndef EIDETIC_STORAGE_MUTATION_WRITER_H_
#define EIDETIC_STORAGE_MUTATION_WRITER_H_

#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/column_families.h"
#include "storage/durable_writer.h"
#include "storage/library.h"
#include "storage/rocksdb_generation.h"

namespace eidetic::storage {

// The generations of a library while a batch is made.
struct OpenGenerations {
  // Takes the vectors that are put; null while the library has no model.
  std::shared_ptr<const RocksDbGeneration> active;
  // Lose the rows of what changes or goes.
  std::vector<std::shared_ptr<const RocksDbGeneration>> standby;
};

// The counters of a generation that is not active; null when there are none.
eidetic::storage::v1::StandbyRows* StandbyRowsOf(eidetic::storage::v1::StateRecord& state,
                                                 uint64_t generation);
const eidetic::storage::v1::StandbyRows* StandbyRowsOf(const eidetic::storage::v1::StateRecord& state,
                                                       uint64_t generation);

// Gives `change` the next number and writes it into the log.
absl::Status AppendChange(rocksdb::WriteBatchBase& batch, const ColumnFamilies& families,
                          eidetic::storage::v1::StateRecord& state,
                          const eidetic::storage::v1::ChangeRecord& change);

class MutationWriter {
 public:
  MutationWriter(rocksdb::DB* db, const ColumnFamilies& families,
                 const eidetic::storage::v1::StateRecord& state, const OpenGenerations& generations);

  // `model_fingerprint` as for Library::Commit. A refusal leaves no trace.
  // kDataLoss and the like: a stored value the mutation builds on is damaged.
  absl::Status Apply(const Mutation& mutation, absl::string_view model_fingerprint);
  // Synced. Also with nothing to do it fails while changes are not possible.
  absl::Status Write(DurableWriter& writer);
  const eidetic::storage::v1::StateRecord& state() const { return state_; }

 private:
  absl::Status ApplyOne(const PutAsset& put);
  absl::Status ApplyOne(const AttachPath& attach);
  absl::Status ApplyOne(const DetachPath& detach);
  absl::Status ApplyOne(const SetCaptions& set);
  absl::Status ApplyOne(const DeleteAsset& remove);

  // Reads through the batch.
  absl::StatusOr<eidetic::storage::v1::AssetRecord> ReadAsset(absl::string_view asset_id);
  absl::StatusOr<eidetic::storage::v1::PathRecord> ReadPath(absl::string_view path);
  absl::StatusOr<std::vector<CaptionEntry>> ReadCaptions(Ordinal ordinal);

  absl::Status Put(rocksdb::ColumnFamilyHandle* family, absl::string_view key, absl::string_view value);
  absl::Status Delete(rocksdb::ColumnFamilyHandle* family, absl::string_view key);
  absl::Status LogChange(eidetic::storage::v1::ChangeRecord::Kind kind, Ordinal ordinal,
                         absl::string_view asset_id);

  absl::Status WriteAsset(absl::string_view asset_id, const eidetic::storage::v1::AssetRecord& record);
  // Gives `path` to the asset (in `record` too), taking it from another first.
  absl::Status ClaimPath(absl::string_view asset_id, const PathInput& path,
                         eidetic::storage::v1::AssetRecord& record);
  absl::Status ReleasePath(absl::string_view path, absl::string_view owner);
  absl::Status RemoveAsset(absl::string_view asset_id, const eidetic::storage::v1::AssetRecord& record);
  // Sets `changed` when a caption was added, removed or embedded anew.
  absl::Status WriteCaptions(Ordinal ordinal, absl::string_view asset_id, std::span<const CaptionSet> sets,
                             bool& changed);
  // That it is a vector of the active generation's model.
  absl::Status CheckEmbedding(std::span<const float> embedding) const;

  // Writes the asset's vector into the active generation; other generations lose
  // theirs, which are of what the asset was.
  absl::Status WriteEmbedding(Ordinal ordinal, absl::string_view asset_id, std::span<const float> embedding,
                              bool is_new);
  absl::Status RemoveEmbedding(Ordinal ordinal);
  absl::Status WriteCaptionEmbedding(CaptionId id, absl::string_view asset_id,
                                     std::span<const float> embedding);
  absl::Status RemoveCaption(CaptionId id);
  // Whether the active generation has a row for the asset that says it was left out.
  absl::StatusOr<bool> IsLeftOutNow(Ordinal ordinal);
  absl::Status DropStandbyEmbedding(Ordinal ordinal);
  absl::Status DropStandbyCaptionEmbedding(CaptionId id);

  rocksdb::DB* db_;
  const ColumnFamilies& families_;
  eidetic::storage::v1::StateRecord state_;
  const OpenGenerations& generations_;
  // Of the mutation that is being applied.
  absl::string_view model_fingerprint_;
  rocksdb::WriteBatchWithIndex batch_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_MUTATION_WRITER_H_
