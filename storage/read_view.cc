#include <rocksdb/db.h>
#include <rocksdb/snapshot.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/caption_reader.h"
#include "storage/keys.h"
#include "storage/missing_vectors.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_generation.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

// Bytes read ahead while streaming a family from end to end.
constexpr size_t kReadAhead = 4 << 20;

class RocksDbReadView final : public ReadView {
 public:
  // `generation` may be null: no vectors.
  RocksDbReadView(rocksdb::DB* db, const ColumnFamilies& families,
                  std::shared_ptr<const GenerationFamilies> generation, size_t dimension)
      : db_(db),
        families_(families),
        generation_(std::move(generation)),
        dimension_(dimension),
        snapshot_(db) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_.snapshot();
    std::string frame;
    v1::StateRecord state;
    // Without a readable state record the view is of nothing: sequence 0, and
    // whoever starts from it reads every change there is.
    if (db_->Get(options, families_.meta, kStateKey, &frame).ok() &&
        DecodeRecord(kStateKey, frame, state).ok()) {
      last_sequence_ = state.last_sequence();
      asset_count_ = state.asset_count() - std::min(state.asset_count(), state.left_out_count());
    }
  }

  uint64_t last_sequence() const override { return last_sequence_; }
  uint64_t asset_count() const override { return asset_count_; }

  absl::Status ForEachEmbedding(
      const std::function<absl::Status(Ordinal, std::span<const float>)>& visit) const override {
    if (generation_ == nullptr) return absl::OkStatus();
    return ForEach(generation_->embeddings, [&](absl::string_view key, std::span<const float> vector) {
      const std::optional<Ordinal> ordinal = ParseOrdinalKey(key);
      if (!ordinal.has_value()) return absl::DataLossError("an embedding has a malformed key");
      return visit(*ordinal, vector);
    });
  }

  absl::Status ForEachCaptionEmbedding(
      const std::function<absl::Status(CaptionId, std::span<const float>)>& visit) const override {
    if (generation_ == nullptr) return absl::OkStatus();
    return ForEach(generation_->caption_embeddings,
                   [&](absl::string_view key, std::span<const float> vector) {
                     const std::optional<CaptionId> id = ParseUint64Key(key);
                     if (!id.has_value())
                       return absl::DataLossError("a caption's embedding has a malformed key");
                     return visit(*id, vector);
                   });
  }

  absl::StatusOr<std::vector<MissingVectors>> ListMissing(std::optional<Ordinal> after,
                                                          size_t limit) const override {
    if (generation_ == nullptr) return std::vector<MissingVectors>();
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_.snapshot();
    options.fill_cache = false;
    return ListMissingVectors(db_, options, families_, *generation_, after, limit);
  }

  absl::Status ForEachWholeAsset(const std::function<absl::Status(const WholeAsset&)>& visit) const override {
    if (generation_ == nullptr) return absl::OkStatus();
    const rocksdb::ReadOptions options = Streaming();
    const std::unique_ptr<rocksdb::Iterator> ordinals(db_->NewIterator(options, families_.ordinals));
    const std::unique_ptr<rocksdb::Iterator> captions(db_->NewIterator(options, families_.captions));
    for (ordinals->SeekToFirst(); ordinals->Valid(); ordinals->Next()) {
      const absl::string_view key = ToView(ordinals->key());
      const std::optional<Ordinal> ordinal = ParseOrdinalKey(key);
      if (!ordinal.has_value()) return absl::DataLossError("an ordinal has a malformed key");
      EIDETIC_ASSIGN_OR_RETURN(const absl::string_view id, DecodeFrame(key, ToView(ordinals->value())));
      WholeAsset whole;
      whole.asset.asset_id = std::string(id);
      EIDETIC_RETURN_IF_ERROR(AddContext(ReadWhole(*ordinal, *captions, whole), absl::StrCat("asset ", id)));
      if (!whole.embedding.empty()) EIDETIC_RETURN_IF_ERROR(visit(whole));
    }
    return FromRocksDb(ordinals->status(), "reading assets");
  }

 private:
  rocksdb::ReadOptions Streaming() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_.snapshot();
    options.readahead_size = kReadAhead;
    options.fill_cache = false;
    return options;
  }

  absl::Status ReadWhole(Ordinal ordinal, rocksdb::Iterator& captions, WholeAsset& whole) const {
    std::string frame;
    EIDETIC_RETURN_IF_ERROR(Read(families_.assets, whole.asset.asset_id, "its record", frame));
    EIDETIC_RETURN_IF_ERROR(DecodeRecord(whole.asset.asset_id, frame, whole.asset.record));
    for (const std::string& path : whole.asset.record.paths()) {
      EIDETIC_RETURN_IF_ERROR(Read(families_.paths, path, "one of its paths", frame));
      EIDETIC_RETURN_IF_ERROR(DecodeRecord(path, frame, whole.paths.emplace_back()));
    }
    EIDETIC_RETURN_IF_ERROR(ReadVector(generation_->embeddings, OrdinalKey(ordinal), whole.embedding));
    EIDETIC_ASSIGN_OR_RETURN(whole.captions, ReadCaptionsThrough(captions, ordinal));
    for (const CaptionEntry& caption : whole.captions) {
      EIDETIC_RETURN_IF_ERROR(ReadVector(generation_->caption_embeddings, CaptionKey(caption.id),
                                         whole.caption_embeddings.emplace_back()));
    }
    return absl::OkStatus();
  }

  // What an asset names must be there.
  absl::Status Read(rocksdb::ColumnFamilyHandle* family, absl::string_view key, absl::string_view what,
                    std::string& frame) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_.snapshot();
    options.fill_cache = false;
    const rocksdb::Status status = db_->Get(options, family, ToSlice(key), &frame);
    if (status.IsNotFound()) return absl::DataLossError(absl::StrCat(what, " is missing"));
    return FromRocksDb(status, what);
  }

  absl::Status ReadVector(rocksdb::ColumnFamilyHandle* family, const std::string& key,
                          std::vector<float>& vector) const {
    std::string frame;
    EIDETIC_RETURN_IF_ERROR(Read(family, key, "an embedding", frame));
    EIDETIC_ASSIGN_OR_RETURN(const EmbeddingView stored, DecodeEmbedding(key, frame, dimension_));
    if (stored.left_out()) return absl::OkStatus();
    vector.resize(dimension_);
    std::memcpy(vector.data(), stored.bytes.data(), stored.bytes.size());
    return absl::OkStatus();
  }

  absl::Status ForEach(
      rocksdb::ColumnFamilyHandle* family,
      const std::function<absl::Status(absl::string_view, std::span<const float>)>& visit) const {
    if (family == nullptr) return absl::OkStatus();
    const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(Streaming(), family));
    std::vector<float> vector(dimension_);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      const absl::string_view key = ToView(iterator->key());
      EIDETIC_ASSIGN_OR_RETURN(const EmbeddingView stored,
                               DecodeEmbedding(key, ToView(iterator->value()), dimension_));
      if (stored.left_out()) continue;
      std::memcpy(vector.data(), stored.bytes.data(), stored.bytes.size());
      EIDETIC_RETURN_IF_ERROR(visit(key, vector));
    }
    return FromRocksDb(iterator->status(), "reading embeddings");
  }

  rocksdb::DB* db_;
  ColumnFamilies families_;
  std::shared_ptr<const GenerationFamilies> generation_;
  size_t dimension_;
  mutable rocksdb::ManagedSnapshot snapshot_;
  uint64_t last_sequence_ = 0;
  uint64_t asset_count_ = 0;
};

}  // namespace

std::unique_ptr<ReadView> RocksDbGeneration::NewView() const {
  return std::make_unique<RocksDbReadView>(db_, library_, families_, dimension());
}

std::unique_ptr<ReadView> NewEmptyView(rocksdb::DB* db, const ColumnFamilies& library) {
  return std::make_unique<RocksDbReadView>(db, library, nullptr, 0);
}

}  // namespace eidetic::storage
