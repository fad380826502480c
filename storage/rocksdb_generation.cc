#include "storage/rocksdb_generation.h"

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

std::vector<float> ValuesOf(const EmbeddingView& view, size_t dimension) {
  std::vector<float> values(dimension);
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

}  // namespace

absl::StatusOr<std::vector<float>> RocksDbGeneration::GetEmbedding(Ordinal ordinal) const {
  const std::string key = OrdinalKey(ordinal);
  rocksdb::PinnableSlice frame;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), families_->embeddings, key, &frame);
  if (status.IsNotFound()) return absl::NotFoundError(absl::StrCat("no embedding for ordinal ", ordinal));
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(status, absl::StrCat("reading embedding ", ordinal)));
  EIDETIC_ASSIGN_OR_RETURN(const EmbeddingView view, DecodeEmbedding(key, ToView(frame), dimension()));
  if (view.left_out()) {
    return absl::NotFoundError(absl::StrCat("the asset ", view.owner, " has no vector of the model \"",
                                            record().model_name(),
                                            "\": it was left out when the library moved to that model"));
  }
  return ValuesOf(view, dimension());
}

absl::StatusOr<std::vector<std::pair<CaptionId, std::vector<float>>>> RocksDbGeneration::GetCaptionEmbeddings(
    Ordinal ordinal) const {
  std::vector<std::pair<CaptionId, std::vector<float>>> embeddings;
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(rocksdb::ReadOptions(), families_->caption_embeddings));
  for (iterator->Seek(CaptionKey(MakeCaptionId(ordinal, 0))); iterator->Valid(); iterator->Next()) {
    const std::optional<uint64_t> id = ParseUint64Key(ToView(iterator->key()));
    if (!id.has_value() || CaptionOrdinal(*id) != ordinal) break;
    EIDETIC_ASSIGN_OR_RETURN(
        const EmbeddingView view,
        DecodeEmbedding(ToView(iterator->key()), ToView(iterator->value()), dimension()));
    if (view.left_out()) return absl::DataLossError(absl::StrCat("the vector of caption ", *id, " is empty"));
    embeddings.emplace_back(*id, ValuesOf(view, dimension()));
  }
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(iterator->status(), "reading caption embeddings"));
  return embeddings;
}

}  // namespace eidetic::storage
