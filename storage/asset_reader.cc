// Library::ForEachAsset over RocksDB: one pass over the captions' keys and one
// over the records, both of one snapshot.

#include <rocksdb/db.h>
#include <rocksdb/snapshot.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_library.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

// Bytes read ahead while streaming a family from end to end.
constexpr size_t kReadAhead = 4 << 20;

}  // namespace

absl::StatusOr<uint64_t> RocksDbLibrary::ForEachAsset(
    const std::function<absl::Status(const v1::AssetRecord&, bool has_captions)>& visit) const {
  rocksdb::ManagedSnapshot snapshot(db_.get());
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  std::string frame;
  v1::StateRecord state;
  // Written with the first change.
  const rocksdb::Status got = db_->Get(options, families_.meta, kStateKey, &frame);
  if (got.IsNotFound()) return 0;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(got, "reading the state"));
  EIDETIC_RETURN_IF_ERROR(AddContext(DecodeRecord(kStateKey, frame, state), "the state record"));

  options.readahead_size = kReadAhead;
  options.fill_cache = false;
  // By ordinal.
  std::vector<bool> has_captions(state.next_ordinal());
  const std::unique_ptr<rocksdb::Iterator> captions(db_->NewIterator(options, families_.captions));
  for (captions->SeekToFirst(); captions->Valid(); captions->Next()) {
    const std::optional<uint64_t> id = ParseUint64Key(ToView(captions->key()));
    if (!id.has_value() || CaptionOrdinal(*id) >= has_captions.size()) {
      return absl::DataLossError("a caption has a malformed key");
    }
    has_captions[CaptionOrdinal(*id)] = true;
  }
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(captions->status(), "reading captions"));

  v1::AssetRecord record;
  const std::unique_ptr<rocksdb::Iterator> assets(db_->NewIterator(options, families_.assets));
  for (assets->SeekToFirst(); assets->Valid(); assets->Next()) {
    const absl::string_view id = ToView(assets->key());
    EIDETIC_RETURN_IF_ERROR(
        AddContext(DecodeRecord(id, ToView(assets->value()), record), absl::StrCat("asset ", id)));
    if (record.ordinal() >= has_captions.size()) {
      return absl::DataLossError(
          absl::StrCat("asset ", id, " has ordinal ", record.ordinal(), ", which was not given out yet"));
    }
    EIDETIC_RETURN_IF_ERROR(visit(record, has_captions[record.ordinal()]));
  }
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(assets->status(), "reading assets"));
  return state.last_sequence();
}

}  // namespace eidetic::storage
