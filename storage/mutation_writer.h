// Turns mutations into one RocksDB batch, each seeing what the ones before it
// did, and keeps the state record that goes with the batch. Made for one batch,
// used by one thread, thrown away.
//
//   MutationWriter writer(db, families, state, dimension);
//   absl::Status refused = writer.Apply(mutation);   // not OK: the batch is as before
//   RETURN_IF_ERROR(writer.Write(durable_writer));
#ifndef EIDETIC_STORAGE_MUTATION_WRITER_H_
#define EIDETIC_STORAGE_MUTATION_WRITER_H_

#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/column_families.h"
#include "storage/durable_writer.h"
#include "storage/library.h"

namespace eidetic::storage {

class MutationWriter {
 public:
  // `dimension` is 0 while the library has no model.
  MutationWriter(rocksdb::DB* db, const ColumnFamilies& families,
                 const eidetic::storage::v1::StateRecord& state, size_t dimension);

  // A refusal leaves no trace. kDataLoss and the like: a stored value the
  // mutation builds on is damaged.
  absl::Status Apply(const Mutation& mutation);
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
  absl::Status CheckEmbedding(std::span<const float> embedding) const;

  rocksdb::DB* db_;
  const ColumnFamilies& families_;
  eidetic::storage::v1::StateRecord state_;
  size_t dimension_;
  rocksdb::WriteBatchWithIndex batch_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_MUTATION_WRITER_H_
