// The generations of a RocksDbLibrary: making, filling, switching and dropping
// them (docs/storage.md). Each step is one synced batch; families are made before
// the record that names them and dropped after it is gone, so that a crash leaves
// families without a record at most, which the next opening drops.

#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "storage/database_seal.h"
#include "storage/family_options.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/record_reader.h"
#include "storage/rocksdb_library.h"
#include "storage/rocksdb_status.h"
#include "storage/unit_vector.h"

namespace eidetic::storage {
namespace {

using v1::GenerationRecord;
using v1::StateRecord;

constexpr uint32_t kMaxDimension = 65'536;
// Assets looked at in one go for missing vectors.
constexpr size_t kMissingAtOnce = 1'024;

absl::Status CheckModel(const GenerationRecord& model) {
  if (model.model_fingerprint().empty() || model.dimension() == 0 || model.dimension() > kMaxDimension) {
    return absl::InvalidArgumentError("a model has a fingerprint and 1 to 65,536 dimensions");
  }
  return absl::OkStatus();
}

bool IsOf(const GenerationRecord& generation, const GenerationRecord& model) {
  return generation.model_fingerprint() == model.model_fingerprint() &&
         generation.dimension() == model.dimension();
}

absl::Status PutRecord(rocksdb::WriteBatch& batch, const ColumnFamilies& families, absl::string_view key,
                       const google::protobuf::MessageLite& record) {
  return FromRocksDb(batch.Put(families.meta, ToSlice(key), EncodeRecord(key, record)),
                     "collecting a change");
}

void DropStandbyRows(StateRecord& state, uint64_t generation) {
  auto& standby = *state.mutable_standby();
  standby.erase(
      std::remove_if(standby.begin(), standby.end(),
                     [generation](const v1::StandbyRows& rows) { return rows.generation() == generation; }),
      standby.end());
}

// Writes the vectors of some assets into one generation's part of a batch.
class VectorWriter {
 public:
  VectorWriter(rocksdb::DB* db, const ColumnFamilies& families, const RocksDbGeneration& generation,
               StateRecord state)
      : db_(db),
        families_(families),
        generation_(generation),
        state_(std::move(state)),
        batch_(rocksdb::BytewiseComparator(), /*reserved_bytes=*/0, /*overwrite_key=*/true) {}

  // A refusal leaves no trace.
  absl::Status Apply(const GenerationVectors& vectors) {
    AssetRecord asset;
    EIDETIC_RETURN_IF_ERROR(
        ReadRecord(db_, families_.assets, vectors.asset_id, absl::StrCat("asset ", vectors.asset_id), asset));
    if (!vectors.embedding.empty()) {
      EIDETIC_RETURN_IF_ERROR(CheckUnitVector(vectors.embedding, generation_.dimension()));
      if (asset.embedding_version() != vectors.embedding_version) return Changed(vectors.asset_id);
    }
    for (const CaptionVector& caption : vectors.captions) {
      EIDETIC_RETURN_IF_ERROR(CheckUnitVector(caption.embedding, generation_.dimension()));
      v1::CaptionRecord record;
      const absl::Status read =
          ReadRecord(db_, families_.captions, CaptionKey(caption.id), "caption", record);
      if (absl::IsNotFound(read) || CaptionOrdinal(caption.id) != asset.ordinal() ||
          (read.ok() && record.text() != caption.text)) {
        return Changed(vectors.asset_id);
      }
      EIDETIC_RETURN_IF_ERROR(read);
    }
    if (!vectors.embedding.empty()) {
      EIDETIC_RETURN_IF_ERROR(WriteEmbedding(asset.ordinal(), vectors.asset_id, vectors.embedding));
    }
    for (const CaptionVector& caption : vectors.captions) {
      EIDETIC_RETURN_IF_ERROR(WriteCaption(caption, vectors.asset_id));
    }
    return absl::OkStatus();
  }

  rocksdb::WriteBatch& batch() { return *batch_.GetWriteBatch(); }
  const StateRecord& state() const { return state_; }

 private:
  using AssetRecord = v1::AssetRecord;

  static absl::Status Changed(absl::string_view asset_id) {
    return absl::AbortedError(
        absl::StrCat("asset ", asset_id, " has changed since it was read: encode it again"));
  }

  bool is_active() const { return generation_.number() == state_.active_generation(); }

  absl::Status WriteEmbedding(Ordinal ordinal, absl::string_view asset_id, std::span<const float> embedding) {
    const std::string key = OrdinalKey(ordinal);
    rocksdb::ColumnFamilyHandle* family = generation_.families()->embeddings;
    std::string frame;
    const rocksdb::Status found =
        batch_.GetFromBatchAndDB(db_, rocksdb::ReadOptions(), family, ToSlice(key), &frame);
    // What is there is of the asset as it is now: changes drop it.
    if (found.ok() && !IsLeftOut(frame)) return absl::OkStatus();
    if (!found.IsNotFound()) EIDETIC_RETURN_IF_ERROR(FromRocksDb(found, "reading a generation"));
    EIDETIC_RETURN_IF_ERROR(FromRocksDb(
        batch_.Put(family, ToSlice(key), EncodeEmbedding(key, asset_id, embedding)), "collecting a change"));
    if (!is_active()) {
      v1::StandbyRows* rows = StandbyRowsOf(state_, generation_.number());
      rows->set_embeddings(rows->embeddings() + 1);
      return absl::OkStatus();
    }
    // One that was left out comes back into searches.
    state_.set_left_out_count(state_.left_out_count() - 1);
    v1::ChangeRecord change;
    change.set_kind(v1::ChangeRecord::KIND_PUT);
    change.set_ordinal(ordinal);
    change.set_asset_id(std::string(asset_id));
    return AppendChange(batch_, families_, state_, change);
  }

  absl::Status WriteCaption(const CaptionVector& caption, absl::string_view asset_id) {
    const std::string key = CaptionKey(caption.id);
    rocksdb::ColumnFamilyHandle* family = generation_.families()->caption_embeddings;
    std::string frame;
    const rocksdb::Status found =
        batch_.GetFromBatchAndDB(db_, rocksdb::ReadOptions(), family, ToSlice(key), &frame);
    if (found.ok()) return absl::OkStatus();
    if (!found.IsNotFound()) return FromRocksDb(found, "reading a generation");
    EIDETIC_RETURN_IF_ERROR(
        FromRocksDb(batch_.Put(family, ToSlice(key), EncodeEmbedding(key, asset_id, caption.embedding)),
                    "collecting a change"));
    v1::StandbyRows* rows = StandbyRowsOf(state_, generation_.number());
    // The active generation has a vector of each caption: none comes here for it.
    if (rows != nullptr) rows->set_caption_embeddings(rows->caption_embeddings() + 1);
    return absl::OkStatus();
  }

  rocksdb::DB* const db_;
  const ColumnFamilies& families_;
  const RocksDbGeneration& generation_;
  StateRecord state_;
  rocksdb::WriteBatchWithIndex batch_;
};

}  // namespace

// --- Opening ---

absl::Status RocksDbLibrary::LoadGenerations(std::map<std::string, rocksdb::ColumnFamilyHandle*> found,
                                             const absl::Status& so_far) {
  const StateRecord state = CopyState();
  GenerationMap generations;
  const absl::Status loaded = [&]() -> absl::Status {
    EIDETIC_RETURN_IF_ERROR(so_far);
    const std::unique_ptr<rocksdb::Iterator> iterator(
        db_->NewIterator(rocksdb::ReadOptions(), families_.meta));
    for (iterator->Seek(kGenerationKeyPrefix);
         iterator->Valid() && iterator->key().starts_with(kGenerationKeyPrefix); iterator->Next()) {
      GenerationRecord record;
      const absl::string_view key = ToView(iterator->key());
      EIDETIC_RETURN_IF_ERROR(
          AddContext(DecodeRecord(key, ToView(iterator->value()), record), absl::StrCat("record ", key)));
      const auto embeddings = found.find(EmbeddingsFamily(record.number()));
      const auto captions = found.find(CaptionEmbeddingsFamily(record.number()));
      if (embeddings == found.end() || captions == found.end()) {
        return absl::DataLossError(absl::StrCat("the library ", directory_,
                                                " has lost the embeddings of generation ", record.number(),
                                                RepairAdvice(directory_)));
      }
      auto families =
          std::make_shared<const GenerationFamilies>(db_.get(), embeddings->second, captions->second);
      found.erase(embeddings);
      found.erase(captions);
      const uint64_t number = record.number();
      generations[number] = std::make_shared<const RocksDbGeneration>(db_.get(), families_,
                                                                      std::move(families), std::move(record));
    }
    return FromRocksDb(iterator->status(), "reading the generations");
  }();
  absl::Status dropped;
  for (const auto& [name, handle] : found) {
    if (loaded.ok() && obstacle_.empty()) {
      dropped.Update(
          FromRocksDb(db_->DropColumnFamily(handle), absl::StrCat("dropping the leftover ", name)));
    }
    db_->DestroyColumnFamilyHandle(handle);
  }
  EIDETIC_RETURN_IF_ERROR(loaded);
  EIDETIC_RETURN_IF_ERROR(dropped);
  for (const auto& [number, generation] : generations) {
    if (number == state.active_generation() || StandbyRowsOf(state, number) != nullptr) continue;
    return absl::DataLossError(absl::StrCat("the library ", directory_,
                                            " has lost the counters of generation ", number,
                                            RepairAdvice(directory_)));
  }
  if (state.active_generation() != 0 && !generations.contains(state.active_generation())) {
    return absl::DataLossError(absl::StrCat("the library ", directory_, " has lost the record of generation ",
                                            state.active_generation(), RepairAdvice(directory_)));
  }
  const absl::MutexLock lock(&state_mutex_);
  generations_ = std::move(generations);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const RocksDbGeneration>> RocksDbLibrary::CreateGeneration(
    const GenerationRecord& record) {
  EIDETIC_RETURN_IF_ERROR(writer_->Settle());
  if (const auto spare = spare_families_.find(record.number()); spare != spare_families_.end()) {
    return std::make_shared<const RocksDbGeneration>(db_.get(), families_, spare->second, record);
  }
  rocksdb::ColumnFamilyHandle* handles[2] = {nullptr, nullptr};
  const std::string names[2] = {EmbeddingsFamily(record.number()), CaptionEmbeddingsFamily(record.number())};
  for (int i = 0; i < 2; ++i) {
    const rocksdb::Status created =
        db_->CreateColumnFamily(FamilyOptions(names[i], block_cache_, write_buffer_), names[i], &handles[i]);
    if (created.ok()) continue;
    // The one that failed may be there all the same, when only the file of RocksDB's
    // options could not be written.
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle == nullptr) continue;
      // Otherwise the next opening drops it, as it has no record.
      db_->DropColumnFamily(handle).PermitUncheckedError();
      db_->DestroyColumnFamilyHandle(handle);
    }
    return writer_->Check(created, "making room for a model's embeddings");
  }
  const auto families = std::make_shared<const GenerationFamilies>(db_.get(), handles[0], handles[1]);
  spare_families_[record.number()] = families;
  return std::make_shared<const RocksDbGeneration>(db_.get(), families_, families, record);
}

absl::Status RocksDbLibrary::DropFamilies(const GenerationFamilies& families) {
  return writer_->Check(db_->DropColumnFamilies({families.embeddings, families.caption_embeddings}),
                        "dropping a model's embeddings");
}

// --- Looking ---

std::shared_ptr<const RocksDbGeneration> RocksDbLibrary::ActiveOrNull() const {
  const absl::MutexLock lock(&state_mutex_);
  const auto active = generations_.find(state_.active_generation());
  return active == generations_.end() ? nullptr : active->second;
}

absl::StatusOr<std::shared_ptr<const RocksDbGeneration>> RocksDbLibrary::FindGeneration(
    uint64_t number) const {
  if (number == 0) {
    auto active = ActiveOrNull();
    if (active == nullptr) return absl::NotFoundError("the library has no model yet");
    return active;
  }
  const absl::MutexLock lock(&state_mutex_);
  const auto found = generations_.find(number);
  if (found == generations_.end()) {
    return absl::NotFoundError(absl::StrCat("the library ", directory_, " has no generation ", number));
  }
  return found->second;
}

OpenGenerations RocksDbLibrary::GenerationsForWriting() const {
  OpenGenerations generations;
  const absl::MutexLock lock(&state_mutex_);
  for (const auto& [number, generation] : generations_) {
    if (number == state_.active_generation()) {
      generations.active = generation;
    } else {
      generations.standby.push_back(generation);
    }
  }
  return generations;
}

StateRecord RocksDbLibrary::CopyState() const {
  const absl::MutexLock lock(&state_mutex_);
  return state_;
}

RocksDbLibrary::GenerationMap RocksDbLibrary::CopyGenerations() const {
  const absl::MutexLock lock(&state_mutex_);
  return generations_;
}

absl::Status RocksDbLibrary::WriteWithState(rocksdb::WriteBatch& batch, const StateRecord& state,
                                            absl::string_view doing) {
  EIDETIC_RETURN_IF_ERROR(PutRecord(batch, families_, kStateKey, state));
  return AddContext(writer_->Write(batch), doing);
}

void RocksDbLibrary::Publish(const StateRecord& state, GenerationMap generations) {
  const absl::MutexLock lock(&state_mutex_);
  state_ = state;
  generations_.swap(generations);
}

absl::StatusOr<GenerationRecord> RocksDbLibrary::ActiveGeneration() const {
  EIDETIC_ASSIGN_OR_RETURN(const auto active, FindGeneration(0));
  return active->record();
}

absl::StatusOr<std::shared_ptr<const Generation>> RocksDbLibrary::OpenGeneration(uint64_t number) const {
  return FindGeneration(number);
}

std::unique_ptr<ReadView> RocksDbLibrary::NewView() const {
  const auto active = ActiveOrNull();
  return active == nullptr ? NewEmptyView(db_.get(), families_) : active->NewView();
}

absl::StatusOr<std::vector<GenerationStatus>> RocksDbLibrary::ListGenerations() const {
  std::vector<GenerationStatus> listed;
  const absl::MutexLock lock(&state_mutex_);
  for (const auto& [number, generation] : generations_) {
    GenerationStatus& status = listed.emplace_back();
    status.record = generation->record();
    if (number == state_.active_generation()) {
      status.record.set_state(GenerationRecord::STATE_ACTIVE);
      status.embeddings = state_.asset_count() - state_.left_out_count();
      status.caption_embeddings = state_.caption_count();
    } else if (const v1::StandbyRows* rows = StandbyRowsOf(state_, number); rows != nullptr) {
      status.embeddings = rows->embeddings();
      status.caption_embeddings = rows->caption_embeddings();
    }
    status.missing_embeddings = state_.asset_count() - status.embeddings;
    status.missing_caption_embeddings = state_.caption_count() - status.caption_embeddings;
  }
  return listed;
}

// --- Changing ---

absl::Status RocksDbLibrary::UseModel(const GenerationRecord& model) {
  EIDETIC_RETURN_IF_ERROR(CheckModel(model));
  const absl::MutexLock commit_lock(&commit_mutex_);
  StateRecord state = CopyState();
  GenerationMap generations = CopyGenerations();
  GenerationRecord record = model;
  if (const auto active = ActiveOrNull(); active != nullptr) {
    if (!IsOf(active->record(), model)) {
      return absl::FailedPreconditionError(
          absl::StrCat("the library ", directory_, " holds vectors of the model \"",
                       active->record().model_name(), "\" (fingerprint ", active->model_fingerprint(),
                       "), not of \"", model.model_name(), "\" (", model.model_fingerprint(),
                       "); use that model, or move the library to the new one: eidetic index --model MODEL"));
    }
    if (model.model_folder().empty() || model.model_folder() == active->record().model_folder() ||
        !obstacle_.empty()) {
      return absl::OkStatus();
    }
    record = active->record();
    record.set_model_folder(model.model_folder());
    generations[record.number()] =
        std::make_shared<const RocksDbGeneration>(db_.get(), families_, active->families(), record);
  } else {
    EIDETIC_RETURN_IF_ERROR(CheckWritable());
    record.set_number(state.last_generation() + 1);
    record.set_state(GenerationRecord::STATE_ACTIVE);
    record.set_create_time_micros(absl::ToUnixMicros(absl::Now()));
    EIDETIC_ASSIGN_OR_RETURN(generations[record.number()], CreateGeneration(record));
    state.set_active_generation(record.number());
    state.set_last_generation(record.number());
  }
  rocksdb::WriteBatch batch;
  EIDETIC_RETURN_IF_ERROR(PutRecord(batch, families_, GenerationKey(record.number()), record));
  EIDETIC_RETURN_IF_ERROR(WriteWithState(batch, state, "setting the library's model"));
  spare_families_.erase(record.number());
  Publish(state, std::move(generations));
  return absl::OkStatus();
}

absl::StatusOr<GenerationRecord> RocksDbLibrary::StartGeneration(const GenerationRecord& model) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  EIDETIC_RETURN_IF_ERROR(CheckModel(model));
  const absl::MutexLock commit_lock(&commit_mutex_);
  StateRecord state = CopyState();
  GenerationMap generations = CopyGenerations();
  if (state.active_generation() == 0) return absl::FailedPreconditionError("the library has no model yet");
  for (const auto& [number, generation] : generations) {
    if (IsOf(generation->record(), model)) return generation->record();
  }
  for (const auto& [number, generation] : generations) {
    if (generation->record().state() != GenerationRecord::STATE_FILLING) continue;
    return absl::FailedPreconditionError(absl::StrCat("generation ", number, " of the model \"",
                                                      generation->record().model_name(),
                                                      "\" is being filled; switch to it or abort it first"));
  }
  GenerationRecord record = model;
  // Libraries from before there were several have only number 1.
  record.set_number(std::max(state.last_generation(), state.active_generation()) + 1);
  record.set_state(GenerationRecord::STATE_FILLING);
  record.set_create_time_micros(absl::ToUnixMicros(absl::Now()));
  record.clear_retire_time_micros();
  state.set_last_generation(record.number());
  state.add_standby()->set_generation(record.number());
  EIDETIC_ASSIGN_OR_RETURN(generations[record.number()], CreateGeneration(record));
  rocksdb::WriteBatch batch;
  EIDETIC_RETURN_IF_ERROR(PutRecord(batch, families_, GenerationKey(record.number()), record));
  EIDETIC_RETURN_IF_ERROR(WriteWithState(batch, state, "starting a generation"));
  spare_families_.erase(record.number());
  Publish(state, std::move(generations));
  return record;
}

absl::StatusOr<std::vector<absl::Status>> RocksDbLibrary::PutGenerationVectors(
    uint64_t number, absl::string_view model_fingerprint, std::vector<GenerationVectors> vectors) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  const absl::MutexLock commit_lock(&commit_mutex_);
  EIDETIC_ASSIGN_OR_RETURN(const auto generation, FindGeneration(number));
  if (generation->model_fingerprint() != model_fingerprint) {
    return absl::FailedPreconditionError(absl::StrCat(
        "generation ", number, " is of the model \"", generation->record().model_name(), "\" (fingerprint ",
        generation->model_fingerprint(), "), the vectors are of one with fingerprint ", model_fingerprint));
  }
  VectorWriter writer(db_.get(), families_, *generation, CopyState());
  std::vector<absl::Status> results;
  results.reserve(vectors.size());
  for (const GenerationVectors& one : vectors) results.push_back(writer.Apply(one));
  if (writer.batch().Count() == 0) return results;
  EIDETIC_RETURN_IF_ERROR(WriteWithState(writer.batch(), writer.state(), "filling a generation"));
  Publish(writer.state(), CopyGenerations());
  return results;
}

absl::Status RocksDbLibrary::SwitchGeneration(uint64_t number, const SwitchOptions& options) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  const absl::MutexLock commit_lock(&commit_mutex_);
  EIDETIC_ASSIGN_OR_RETURN(const auto next, FindGeneration(number));
  EIDETIC_ASSIGN_OR_RETURN(const auto active, FindGeneration(0));
  if (next == active) return absl::OkStatus();
  StateRecord state = CopyState();
  GenerationMap generations = CopyGenerations();
  const v1::StandbyRows rows = *StandbyRowsOf(state, next->number());
  const uint64_t missing = state.asset_count() - rows.embeddings();
  const uint64_t missing_captions = state.caption_count() - rows.caption_embeddings();
  if (missing_captions > 0 || (missing > 0 && !options.leave_out_missing)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "generation ", next->number(), " lacks the vectors of ", missing, " of ", state.asset_count(),
        " assets and ", missing_captions, " of ", state.caption_count(), " captions"));
  }
  rocksdb::WriteBatch batch;
  if (missing > 0) {
    const auto view = next->NewView();
    std::optional<Ordinal> after;
    uint64_t left_out = 0;
    while (true) {
      EIDETIC_ASSIGN_OR_RETURN(const auto lacking, view->ListMissing(after, kMissingAtOnce));
      if (lacking.empty()) break;
      for (const MissingVectors& one : lacking) {
        after = one.asset.record.ordinal();
        const std::string key = OrdinalKey(*after);
        EIDETIC_RETURN_IF_ERROR(FromRocksDb(batch.Put(next->families()->embeddings, ToSlice(key),
                                                      EncodeEmbedding(key, one.asset.asset_id, {})),
                                            "collecting a change"));
        ++left_out;
      }
    }
    if (left_out != missing) {
      return absl::DataLossError(absl::StrCat("generation ", next->number(), " lacks ", left_out,
                                              " vectors, its counter says ", missing));
    }
  }
  DropStandbyRows(state, next->number());
  v1::StandbyRows& retired_rows = *state.add_standby();
  retired_rows.set_generation(active->number());
  retired_rows.set_embeddings(state.asset_count() - state.left_out_count());
  retired_rows.set_caption_embeddings(state.caption_count());
  state.set_left_out_count(missing);
  state.set_active_generation(next->number());

  GenerationRecord retired = active->record();
  retired.set_state(GenerationRecord::STATE_RETIRED);
  retired.set_retire_time_micros(absl::ToUnixMicros(absl::Now()));
  GenerationRecord activated = next->record();
  activated.set_state(GenerationRecord::STATE_ACTIVE);
  activated.clear_retire_time_micros();
  v1::ChangeRecord change;
  change.set_kind(v1::ChangeRecord::KIND_SWITCH);
  change.set_generation(next->number());
  EIDETIC_RETURN_IF_ERROR(AppendChange(batch, families_, state, change));
  EIDETIC_RETURN_IF_ERROR(PutRecord(batch, families_, GenerationKey(retired.number()), retired));
  EIDETIC_RETURN_IF_ERROR(PutRecord(batch, families_, GenerationKey(activated.number()), activated));
  EIDETIC_RETURN_IF_ERROR(WriteWithState(batch, state, "switching to another generation"));
  generations[retired.number()] =
      std::make_shared<const RocksDbGeneration>(db_.get(), families_, active->families(), retired);
  generations[activated.number()] =
      std::make_shared<const RocksDbGeneration>(db_.get(), families_, next->families(), activated);
  Publish(state, std::move(generations));
  return absl::OkStatus();
}

absl::Status RocksDbLibrary::DropGeneration(uint64_t number) {
  EIDETIC_RETURN_IF_ERROR(CheckWritable());
  const absl::MutexLock commit_lock(&commit_mutex_);
  EIDETIC_ASSIGN_OR_RETURN(const auto generation, FindGeneration(number));
  StateRecord state = CopyState();
  GenerationMap generations = CopyGenerations();
  if (generation->number() == state.active_generation()) {
    return absl::FailedPreconditionError(
        absl::StrCat("generation ", number, " is the one that searches use; switch to another one first"));
  }
  DropStandbyRows(state, generation->number());
  generations.erase(generation->number());
  rocksdb::WriteBatch batch;
  EIDETIC_RETURN_IF_ERROR(
      FromRocksDb(batch.Delete(families_.meta, GenerationKey(generation->number())), "collecting a change"));
  EIDETIC_RETURN_IF_ERROR(WriteWithState(batch, state, "dropping a generation"));
  Publish(state, std::move(generations));
  return AddContext(DropFamilies(*generation->families()),
                    "the generation is forgotten, its files go at the next opening");
}

}  // namespace eidetic::storage
