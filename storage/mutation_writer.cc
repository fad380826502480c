#include "storage/mutation_writer.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "storage/caption_reader.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"
#include "storage/unit_vector.h"

namespace eidetic::storage {
namespace {

using v1::AssetRecord;
using v1::CaptionRecord;
using v1::ChangeRecord;
using v1::PathRecord;

constexpr uint32_t kMaxSlots = 65'536;
constexpr size_t kMaxCaptionBytes = 4096;
constexpr int kMaxAttributes = 64;
constexpr size_t kMaxAttributeKeyBytes = 64;
constexpr size_t kMaxAttributeValueBytes = 1024;
constexpr size_t kMaxPathBytes = 65'536;

absl::Status CheckAttributes(const AssetRecord& record) {
  if (record.attributes_size() > kMaxAttributes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an asset has at most ", kMaxAttributes, " attributes, not ", record.attributes_size()));
  }
  for (const auto& [key, value] : record.attributes()) {
    if (key.empty() || key.size() > kMaxAttributeKeyBytes || value.size() > kMaxAttributeValueBytes) {
      return absl::InvalidArgumentError(absl::StrCat("attribute \"", key, "\": keys have 1 to ",
                                                     kMaxAttributeKeyBytes, " bytes and values at most ",
                                                     kMaxAttributeValueBytes));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPath(absl::string_view path) {
  if (path.empty() || path[0] != '/' || path.size() > kMaxPathBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("path \"", DisplayPath(path.substr(0, 200)), "\" is not an absolute path"));
  }
  return absl::OkStatus();
}

void CopyFields(const AssetRecord& from, AssetRecord& to) {
  AssetRecord merged = from;
  merged.set_ordinal(to.ordinal());
  merged.set_create_time_micros(to.create_time_micros());
  merged.set_embedding_version(to.embedding_version());
  merged.mutable_paths()->Swap(to.mutable_paths());
  // Once a client has put an asset it stays, whatever files come and go.
  merged.set_put_by_client(from.put_by_client() || to.put_by_client());
  to = std::move(merged);
}

// Deletes a row of a standby generation; whether it held a vector.
absl::StatusOr<bool> DropRow(rocksdb::WriteBatchWithIndex& batch, rocksdb::DB* db,
                             rocksdb::ColumnFamilyHandle* family, const std::string& key) {
  std::string frame;
  const rocksdb::Status found =
      batch.GetFromBatchAndDB(db, rocksdb::ReadOptions(), family, ToSlice(key), &frame);
  if (found.IsNotFound()) return false;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(found, "reading a row of another generation"));
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(batch.Delete(family, ToSlice(key)), "collecting a change"));
  return !IsLeftOut(frame);
}

}  // namespace

const v1::StandbyRows* StandbyRowsOf(const v1::StateRecord& state, uint64_t generation) {
  for (const v1::StandbyRows& rows : state.standby()) {
    if (rows.generation() == generation) return &rows;
  }
  return nullptr;
}

v1::StandbyRows* StandbyRowsOf(v1::StateRecord& state, uint64_t generation) {
  for (v1::StandbyRows& rows : *state.mutable_standby()) {
    if (rows.generation() == generation) return &rows;
  }
  return nullptr;
}

absl::Status AppendChange(rocksdb::WriteBatchBase& batch, const ColumnFamilies& families,
                          v1::StateRecord& state, const v1::ChangeRecord& change) {
  state.set_last_sequence(state.last_sequence() + 1);
  const std::string key = SequenceKey(state.last_sequence());
  return FromRocksDb(batch.Put(families.changes, ToSlice(key), EncodeRecord(key, change)),
                     "collecting a change");
}

MutationWriter::MutationWriter(rocksdb::DB* db, const ColumnFamilies& families, const v1::StateRecord& state,
                               const OpenGenerations& generations)
    : db_(db),
      families_(families),
      state_(state),
      generations_(generations),
      batch_(rocksdb::BytewiseComparator(), /*reserved_bytes=*/0, /*overwrite_key=*/true) {}

absl::Status MutationWriter::Apply(const Mutation& mutation, absl::string_view model_fingerprint) {
  batch_.SetSavePoint();
  model_fingerprint_ = model_fingerprint;
  const v1::StateRecord before = state_;
  absl::Status status = std::visit([this](const auto& one) { return ApplyOne(one); }, mutation);
  if (status.ok()) return FromRocksDb(batch_.PopSavePoint(), "keeping a change");
  state_ = before;
  const rocksdb::Status rolled_back = batch_.RollbackToSavePoint();
  return rolled_back.ok() ? status : FromRocksDb(rolled_back, "taking a refused change back");
}

absl::Status MutationWriter::Write(DurableWriter& writer) {
  if (batch_.GetWriteBatch()->Count() == 0) return writer.Settle();
  EIDETIC_RETURN_IF_ERROR(Put(families_.meta, kStateKey, EncodeRecord(kStateKey, state_)));
  return writer.Write(*batch_.GetWriteBatch());
}

absl::Status MutationWriter::ApplyOne(const PutAsset& put) {
  EIDETIC_RETURN_IF_ERROR(ValidateAssetId(put.asset_id));
  EIDETIC_RETURN_IF_ERROR(CheckAttributes(put.record));
  if (generations_.active == nullptr) return absl::FailedPreconditionError("the library has no model yet");
  if (!put.embedding.empty()) EIDETIC_RETURN_IF_ERROR(CheckEmbedding(put.embedding));
  absl::StatusOr<AssetRecord> stored = ReadAsset(put.asset_id);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  const bool is_new = !stored.ok();
  AssetRecord record;
  if (is_new) {
    if (put.embedding.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("asset ", put.asset_id, " is new and needs an embedding"));
    }
    if (state_.next_ordinal() == std::numeric_limits<Ordinal>::max()) {
      return absl::ResourceExhaustedError("the library has given out all its ordinals");
    }
    record.set_ordinal(state_.next_ordinal());
    // Given when an asset comes from another library.
    record.set_create_time_micros(put.record.create_time_micros() > 0 ? put.record.create_time_micros()
                                                                      : absl::ToUnixMicros(absl::Now()));
    state_.set_next_ordinal(state_.next_ordinal() + 1);
    state_.set_asset_count(state_.asset_count() + 1);
    EIDETIC_RETURN_IF_ERROR(Put(families_.ordinals, OrdinalKey(record.ordinal()),
                                EncodeFrame(OrdinalKey(record.ordinal()), put.asset_id)));
  } else {
    record = *std::move(stored);
  }
  CopyFields(put.record, record);
  // Each put with an embedding is a change with a number of its own.
  if (!put.embedding.empty()) record.set_embedding_version(state_.last_sequence() + 1);
  if (put.path.has_value()) EIDETIC_RETURN_IF_ERROR(ClaimPath(put.asset_id, *put.path, record));
  EIDETIC_RETURN_IF_ERROR(WriteAsset(put.asset_id, record));
  if (!put.embedding.empty()) {
    EIDETIC_RETURN_IF_ERROR(WriteEmbedding(record.ordinal(), put.asset_id, put.embedding, is_new));
  }
  bool captions_changed = false;
  EIDETIC_RETURN_IF_ERROR(WriteCaptions(record.ordinal(), put.asset_id, put.caption_sets, captions_changed));
  const ChangeRecord::Kind kind = !put.embedding.empty() ? ChangeRecord::KIND_PUT
                                  : captions_changed     ? ChangeRecord::KIND_CAPTIONS
                                                         : ChangeRecord::KIND_RECORD;
  return LogChange(kind, record.ordinal(), put.asset_id);
}

absl::Status MutationWriter::ApplyOne(const AttachPath& attach) {
  EIDETIC_ASSIGN_OR_RETURN(AssetRecord record, ReadAsset(attach.asset_id));
  EIDETIC_RETURN_IF_ERROR(ClaimPath(attach.asset_id, attach.path, record));
  EIDETIC_RETURN_IF_ERROR(WriteAsset(attach.asset_id, record));
  bool captions_changed = false;
  EIDETIC_RETURN_IF_ERROR(
      WriteCaptions(record.ordinal(), attach.asset_id, attach.caption_sets, captions_changed));
  return LogChange(captions_changed ? ChangeRecord::KIND_CAPTIONS : ChangeRecord::KIND_RECORD,
                   record.ordinal(), attach.asset_id);
}

absl::Status MutationWriter::ApplyOne(const DetachPath& detach) {
  EIDETIC_ASSIGN_OR_RETURN(const PathRecord path, ReadPath(detach.path));
  return ReleasePath(detach.path, path.asset_id());
}

absl::Status MutationWriter::ApplyOne(const SetCaptions& set) {
  EIDETIC_ASSIGN_OR_RETURN(const AssetRecord record, ReadAsset(set.asset_id));
  bool changed = false;
  EIDETIC_RETURN_IF_ERROR(WriteCaptions(record.ordinal(), set.asset_id, set.caption_sets, changed));
  if (!changed) return absl::OkStatus();
  return LogChange(ChangeRecord::KIND_CAPTIONS, record.ordinal(), set.asset_id);
}

absl::Status MutationWriter::ApplyOne(const DeleteAsset& remove) {
  EIDETIC_ASSIGN_OR_RETURN(const AssetRecord record, ReadAsset(remove.asset_id));
  for (const std::string& path : record.paths()) EIDETIC_RETURN_IF_ERROR(Delete(families_.paths, path));
  state_.set_path_count(state_.path_count() - static_cast<uint64_t>(record.paths_size()));
  return RemoveAsset(remove.asset_id, record);
}

absl::StatusOr<AssetRecord> MutationWriter::ReadAsset(absl::string_view asset_id) {
  std::string frame;
  const rocksdb::Status status =
      batch_.GetFromBatchAndDB(db_, rocksdb::ReadOptions(), families_.assets, ToSlice(asset_id), &frame);
  if (status.IsNotFound()) return absl::NotFoundError(absl::StrCat("no asset ", asset_id, " in the library"));
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(status, absl::StrCat("reading asset ", asset_id)));
  AssetRecord record;
  EIDETIC_RETURN_IF_ERROR(
      AddContext(DecodeRecord(asset_id, frame, record), absl::StrCat("asset ", asset_id)));
  return record;
}

absl::StatusOr<PathRecord> MutationWriter::ReadPath(absl::string_view path) {
  std::string frame;
  const rocksdb::Status status =
      batch_.GetFromBatchAndDB(db_, rocksdb::ReadOptions(), families_.paths, ToSlice(path), &frame);
  if (status.IsNotFound())
    return absl::NotFoundError(absl::StrCat("no path ", DisplayPath(path), " in the library"));
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(status, absl::StrCat("reading path ", DisplayPath(path))));
  PathRecord record;
  EIDETIC_RETURN_IF_ERROR(
      AddContext(DecodeRecord(path, frame, record), absl::StrCat("path ", DisplayPath(path))));
  return record;
}

absl::StatusOr<std::vector<CaptionEntry>> MutationWriter::ReadCaptions(Ordinal ordinal) {
  const std::unique_ptr<rocksdb::Iterator> iterator(batch_.NewIteratorWithBase(
      families_.captions, db_->NewIterator(rocksdb::ReadOptions(), families_.captions)));
  return ReadCaptionsThrough(*iterator, ordinal);
}

absl::Status MutationWriter::Put(rocksdb::ColumnFamilyHandle* family, absl::string_view key,
                                 absl::string_view value) {
  return FromRocksDb(batch_.Put(family, ToSlice(key), ToSlice(value)), "collecting a change");
}

absl::Status MutationWriter::Delete(rocksdb::ColumnFamilyHandle* family, absl::string_view key) {
  return FromRocksDb(batch_.Delete(family, ToSlice(key)), "collecting a change");
}

absl::Status MutationWriter::LogChange(ChangeRecord::Kind kind, Ordinal ordinal, absl::string_view asset_id) {
  ChangeRecord change;
  change.set_kind(kind);
  change.set_ordinal(ordinal);
  change.set_asset_id(std::string(asset_id));
  return AppendChange(batch_, families_, state_, change);
}

absl::Status MutationWriter::WriteAsset(absl::string_view asset_id, const AssetRecord& record) {
  return Put(families_.assets, asset_id, EncodeRecord(asset_id, record));
}

absl::Status MutationWriter::ClaimPath(absl::string_view asset_id, const PathInput& path,
                                       AssetRecord& record) {
  EIDETIC_RETURN_IF_ERROR(CheckPath(path.path));
  const absl::StatusOr<PathRecord> stored = ReadPath(path.path);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  if (stored.ok() && stored->asset_id() != asset_id) {
    EIDETIC_RETURN_IF_ERROR(ReleasePath(path.path, stored->asset_id()));
  }
  if (!stored.ok() || stored->asset_id() != asset_id) state_.set_path_count(state_.path_count() + 1);
  auto* paths = record.mutable_paths();
  const auto place = std::lower_bound(paths->begin(), paths->end(), path.path);
  if (place == paths->end() || *place != path.path) {
    const auto position = place - paths->begin();
    *record.add_paths() = path.path;
    std::rotate(paths->begin() + position, paths->end() - 1, paths->end());
  }
  PathRecord path_record = path.record;
  path_record.set_asset_id(std::string(asset_id));
  return Put(families_.paths, path.path, EncodeRecord(path.path, path_record));
}

absl::Status MutationWriter::ReleasePath(absl::string_view path, absl::string_view owner) {
  EIDETIC_RETURN_IF_ERROR(Delete(families_.paths, path));
  state_.set_path_count(state_.path_count() - 1);
  absl::StatusOr<AssetRecord> record = ReadAsset(owner);
  // A path without its asset is a fault that ends here.
  if (absl::IsNotFound(record.status())) return absl::OkStatus();
  EIDETIC_RETURN_IF_ERROR(record.status());
  auto* paths = record->mutable_paths();
  paths->erase(std::remove(paths->begin(), paths->end(), path), paths->end());
  if (paths->empty() && !record->put_by_client()) return RemoveAsset(owner, *record);
  EIDETIC_RETURN_IF_ERROR(WriteAsset(owner, *record));
  return LogChange(ChangeRecord::KIND_RECORD, record->ordinal(), owner);
}

absl::Status MutationWriter::RemoveAsset(absl::string_view asset_id, const AssetRecord& record) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<CaptionEntry> captions, ReadCaptions(record.ordinal()));
  for (const CaptionEntry& caption : captions) EIDETIC_RETURN_IF_ERROR(RemoveCaption(caption.id));
  EIDETIC_RETURN_IF_ERROR(RemoveEmbedding(record.ordinal()));
  EIDETIC_RETURN_IF_ERROR(Delete(families_.ordinals, OrdinalKey(record.ordinal())));
  EIDETIC_RETURN_IF_ERROR(Delete(families_.assets, asset_id));
  state_.set_asset_count(state_.asset_count() - 1);
  state_.set_caption_count(state_.caption_count() - captions.size());
  return LogChange(ChangeRecord::KIND_DELETE, record.ordinal(), asset_id);
}

absl::Status MutationWriter::WriteCaptions(Ordinal ordinal, absl::string_view asset_id,
                                           std::span<const CaptionSet> sets, bool& changed) {
  if (sets.empty()) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(std::vector<CaptionEntry> stored, ReadCaptions(ordinal));
  std::vector<bool> keep(stored.size(), true);
  for (const CaptionSet& set : sets) {
    for (size_t i = 0; i < stored.size(); ++i) {
      if (stored[i].record.source() == set.source) keep[i] = false;
    }
  }
  // New captions: those of the sets that are not stored with the same text.
  std::vector<std::pair<const CaptionSet*, const CaptionInput*>> added;
  for (const CaptionSet& set : sets) {
    for (const CaptionInput& caption : set.captions) {
      if (caption.text.empty() || caption.text.size() > kMaxCaptionBytes) {
        return absl::InvalidArgumentError(absl::StrCat("a caption has 1 to ", kMaxCaptionBytes,
                                                       " bytes, this one has ", caption.text.size()));
      }
      if (!caption.embedding.empty()) EIDETIC_RETURN_IF_ERROR(CheckEmbedding(caption.embedding));
      size_t same = 0;
      while (same < stored.size() && (keep[same] || stored[same].record.source() != set.source ||
                                      stored[same].record.text() != caption.text)) {
        ++same;
      }
      if (same < stored.size()) {
        keep[same] = true;
        if (caption.embedding.empty()) continue;
        EIDETIC_RETURN_IF_ERROR(WriteCaptionEmbedding(stored[same].id, asset_id, caption.embedding));
        changed = true;
      } else if (caption.embedding.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the caption \"", caption.text, "\" is new and needs an embedding"));
      } else {
        added.emplace_back(&set, &caption);
      }
    }
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    if (keep[i]) continue;
    EIDETIC_RETURN_IF_ERROR(RemoveCaption(stored[i].id));
    state_.set_caption_count(state_.caption_count() - 1);
    changed = true;
  }
  uint32_t slot = 0;
  for (const auto& [set, caption] : added) {
    const auto taken = [&] {
      for (size_t i = 0; i < stored.size(); ++i) {
        if (keep[i] && stored[i].id == MakeCaptionId(ordinal, slot)) return true;
      }
      return false;
    };
    while (slot < kMaxSlots && taken()) ++slot;
    if (slot == kMaxSlots) {
      return absl::ResourceExhaustedError(
          absl::StrCat("asset ", asset_id, " has ", kMaxSlots, " captions, the most there can be"));
    }
    const CaptionId id = MakeCaptionId(ordinal, slot++);
    const std::string key = CaptionKey(id);
    CaptionRecord record;
    record.set_text(caption->text);
    record.set_source(set->source);
    EIDETIC_RETURN_IF_ERROR(Put(families_.captions, key, EncodeRecord(key, record)));
    EIDETIC_RETURN_IF_ERROR(WriteCaptionEmbedding(id, asset_id, caption->embedding));
    state_.set_caption_count(state_.caption_count() + 1);
    changed = true;
  }
  return absl::OkStatus();
}

absl::Status MutationWriter::CheckEmbedding(std::span<const float> embedding) const {
  const RocksDbGeneration* active = generations_.active.get();
  if (active == nullptr) return absl::FailedPreconditionError("the library has no model yet");
  if (model_fingerprint_.empty() ? state_.last_generation() > 1
                                 : model_fingerprint_ != active->model_fingerprint()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the vector is ",
        model_fingerprint_.empty() ? "of a model that was not named"
                                   : absl::StrCat("of the model with fingerprint ", model_fingerprint_),
        ", the library uses \"", active->record().model_name(), "\" (fingerprint ",
        active->model_fingerprint(), "); encode it again with that one"));
  }
  return CheckUnitVector(embedding, active->dimension());
}

absl::Status MutationWriter::WriteEmbedding(Ordinal ordinal, absl::string_view asset_id,
                                            std::span<const float> embedding, bool is_new) {
  if (!is_new) {
    EIDETIC_ASSIGN_OR_RETURN(const bool was_left_out, IsLeftOutNow(ordinal));
    if (was_left_out) state_.set_left_out_count(state_.left_out_count() - 1);
    EIDETIC_RETURN_IF_ERROR(DropStandbyEmbedding(ordinal));
  }
  const std::string key = OrdinalKey(ordinal);
  return Put(generations_.active->families()->embeddings, key, EncodeEmbedding(key, asset_id, embedding));
}

absl::Status MutationWriter::RemoveEmbedding(Ordinal ordinal) {
  EIDETIC_ASSIGN_OR_RETURN(const bool was_left_out, IsLeftOutNow(ordinal));
  if (was_left_out) state_.set_left_out_count(state_.left_out_count() - 1);
  EIDETIC_RETURN_IF_ERROR(DropStandbyEmbedding(ordinal));
  if (generations_.active == nullptr) return absl::OkStatus();
  return Delete(generations_.active->families()->embeddings, OrdinalKey(ordinal));
}

absl::Status MutationWriter::WriteCaptionEmbedding(CaptionId id, absl::string_view asset_id,
                                                   std::span<const float> embedding) {
  const std::string key = CaptionKey(id);
  return Put(generations_.active->families()->caption_embeddings, key,
             EncodeEmbedding(key, asset_id, embedding));
}

absl::Status MutationWriter::RemoveCaption(CaptionId id) {
  EIDETIC_RETURN_IF_ERROR(Delete(families_.captions, CaptionKey(id)));
  EIDETIC_RETURN_IF_ERROR(DropStandbyCaptionEmbedding(id));
  if (generations_.active == nullptr) return absl::OkStatus();
  return Delete(generations_.active->families()->caption_embeddings, CaptionKey(id));
}

absl::StatusOr<bool> MutationWriter::IsLeftOutNow(Ordinal ordinal) {
  // Most libraries never left anything out: then nothing is read.
  if (state_.left_out_count() == 0) return false;
  std::string frame;
  const rocksdb::Status found =
      batch_.GetFromBatchAndDB(db_, rocksdb::ReadOptions(), generations_.active->families()->embeddings,
                               ToSlice(OrdinalKey(ordinal)), &frame);
  if (found.IsNotFound()) return false;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(found, absl::StrCat("reading embedding ", ordinal)));
  return IsLeftOut(frame);
}

absl::Status MutationWriter::DropStandbyEmbedding(Ordinal ordinal) {
  for (const auto& generation : generations_.standby) {
    EIDETIC_ASSIGN_OR_RETURN(const bool dropped,
                             DropRow(batch_, db_, generation->families()->embeddings, OrdinalKey(ordinal)));
    if (!dropped) continue;
    v1::StandbyRows* rows = StandbyRowsOf(state_, generation->number());
    rows->set_embeddings(rows->embeddings() - 1);
  }
  return absl::OkStatus();
}

absl::Status MutationWriter::DropStandbyCaptionEmbedding(CaptionId id) {
  for (const auto& generation : generations_.standby) {
    EIDETIC_ASSIGN_OR_RETURN(
        const bool dropped, DropRow(batch_, db_, generation->families()->caption_embeddings, CaptionKey(id)));
    if (!dropped) continue;
    v1::StandbyRows* rows = StandbyRowsOf(state_, generation->number());
    rows->set_caption_embeddings(rows->caption_embeddings() - 1);
  }
  return absl::OkStatus();
}

}  // namespace eidetic::storage
