#include "storage/missing_vectors.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

// A family that is walked by rising keys.
class Walk {
 public:
  Walk(rocksdb::DB* db, const rocksdb::ReadOptions& options, rocksdb::ColumnFamilyHandle* family,
       absl::string_view first)
      : iterator_(db->NewIterator(options, family)) {
    iterator_->Seek(ToSlice(first));
  }

  bool valid() const { return iterator_->Valid(); }
  absl::string_view key() const { return ToView(iterator_->key()); }
  absl::string_view value() const { return ToView(iterator_->value()); }
  void Next() { iterator_->Next(); }
  absl::Status status() const { return FromRocksDb(iterator_->status(), "looking for missing vectors"); }

  // Goes on to `key`, which must not lie behind; whether it is there.
  bool Reach(absl::string_view key) {
    while (valid() && this->key() < key) Next();
    return valid() && this->key() == key;
  }

 private:
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

absl::StatusOr<std::vector<MissingVectors>> ListMissingVectors(rocksdb::DB* db,
                                                               const rocksdb::ReadOptions& options,
                                                               const ColumnFamilies& families,
                                                               const GenerationFamilies& generation,
                                                               std::optional<Ordinal> after, size_t limit) {
  std::vector<MissingVectors> found;
  if (after == std::numeric_limits<Ordinal>::max()) return found;
  const Ordinal first = after.has_value() ? *after + 1 : 0;
  const std::string first_caption = CaptionKey(MakeCaptionId(first, 0));
  Walk ordinals(db, options, families.ordinals, OrdinalKey(first));
  Walk embeddings(db, options, generation.embeddings, OrdinalKey(first));
  Walk captions(db, options, families.captions, first_caption);
  Walk caption_embeddings(db, options, generation.caption_embeddings, first_caption);
  for (; ordinals.valid() && found.size() < limit; ordinals.Next()) {
    const std::optional<Ordinal> ordinal = ParseOrdinalKey(ordinals.key());
    if (!ordinal.has_value()) return absl::DataLossError("an ordinal has a malformed key");
    MissingVectors missing;
    missing.embedding = !embeddings.Reach(ordinals.key()) || IsLeftOut(embeddings.value());
    captions.Reach(CaptionKey(MakeCaptionId(*ordinal, 0)));
    for (; captions.valid(); captions.Next()) {
      const std::optional<uint64_t> id = ParseUint64Key(captions.key());
      if (!id.has_value()) return absl::DataLossError("a caption has a malformed key");
      if (CaptionOrdinal(*id) != *ordinal) break;
      if (caption_embeddings.Reach(captions.key())) continue;
      CaptionEntry& entry = missing.captions.emplace_back();
      entry.id = *id;
      EIDETIC_RETURN_IF_ERROR(AddContext(DecodeRecord(captions.key(), captions.value(), entry.record),
                                         absl::StrCat("caption ", *id)));
    }
    if (!missing.embedding && missing.captions.empty()) continue;
    EIDETIC_ASSIGN_OR_RETURN(const absl::string_view id, DecodeFrame(ordinals.key(), ordinals.value()));
    missing.asset.asset_id = std::string(id);
    std::string frame;
    EIDETIC_RETURN_IF_ERROR(FromRocksDb(db->Get(options, families.assets, ToSlice(id), &frame),
                                        absl::StrCat("reading asset ", id)));
    EIDETIC_RETURN_IF_ERROR(
        AddContext(DecodeRecord(id, frame, missing.asset.record), absl::StrCat("asset ", id)));
    found.push_back(std::move(missing));
  }
  for (const Walk* walk : {&ordinals, &embeddings, &captions, &caption_embeddings}) {
    EIDETIC_RETURN_IF_ERROR(walk->status());
  }
  return found;
}

}  // namespace eidetic::storage
