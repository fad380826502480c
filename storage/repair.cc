#include "storage/repair.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"
#include "storage/column_families.h"
#include "storage/database_seal.h"
#include "storage/file_system.h"
#include "storage/keys.h"
#include "storage/library_folder.h"
#include "storage/library_lock.h"
#include "storage/record_codec.h"
#include "storage/repaired_database.h"
#include "storage/salvage.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using v1::AssetRecord;
using v1::CaptionRecord;
using v1::ChangeRecord;
using v1::GenerationRecord;
using v1::PathRecord;

constexpr uint64_t kProgressEvery = 256;

// Names in the library's folder.
constexpr char kDatabase[] = "/rocksdb";
constexpr char kScratch[] = "/rocksdb.salvage";
constexpr char kUnfinished[] = "/rocksdb.repaired.tmp";
constexpr char kRepaired[] = "/rocksdb.repaired";
constexpr char kDamaged[] = "/rocksdb.damaged-";

class Repair {
 public:
  Repair(std::string directory, const RepairOptions& options)
      : directory_(std::move(directory)), options_(options) {}

  absl::StatusOr<RepairReport> Run() {
    FileSystem& files = PosixFileSystem();
    DatabaseSeal seal(directory_, files, *rocksdb::Env::Default());
    // What is wrong is known; wanted is what had been promised.
    seal.Check().IgnoreError();
    promised_ = seal.least_sequence();
    EIDETIC_RETURN_IF_ERROR(FinishSwap());
    EIDETIC_ASSIGN_OR_RETURN(salvage_, Salvage::Open(directory_ + kDatabase, directory_ + kScratch));
    EIDETIC_RETURN_IF_ERROR(ReadMeta());
    EIDETIC_RETURN_IF_ERROR(ReadLinks());
    ReadChanges();
    Reconcile();
    EIDETIC_RETURN_IF_ERROR(files.RemoveAll(directory_ + kUnfinished));
    EIDETIC_RETURN_IF_ERROR(WriteAll());
    report_.damage.insert(report_.damage.end(), salvage_->damage().begin(), salvage_->damage().end());
    salvage_.reset();
    EIDETIC_RETURN_IF_ERROR(files.RemoveAll(directory_ + kRepaired));
    EIDETIC_RETURN_IF_ERROR(files.Rename(directory_ + kUnfinished, directory_ + kRepaired));
    EIDETIC_RETURN_IF_ERROR(files.SyncDirectory(directory_));
    // From here on until the end neither the old nor the new one is served.
    EIDETIC_RETURN_IF_ERROR(seal.MarkRepairing());
    EIDETIC_RETURN_IF_ERROR(Swap());
    EIDETIC_RETURN_IF_ERROR(seal.MarkClosed(report_.last_sequence));
    return std::move(report_);
  }

 private:
  // An earlier repair stopped between the two renames.
  absl::Status FinishSwap() {
    FileSystem& files = PosixFileSystem();
    if (files.IsDirectory(directory_ + kDatabase) || !files.IsDirectory(directory_ + kRepaired)) {
      return absl::OkStatus();
    }
    EIDETIC_RETURN_IF_ERROR(files.Rename(directory_ + kRepaired, directory_ + kDatabase));
    return files.SyncDirectory(directory_);
  }

  absl::Status Swap() {
    FileSystem& files = PosixFileSystem();
    int number = 1;
    std::error_code error;
    while (fs::exists(fs::symlink_status(absl::StrCat(directory_, kDamaged, number), error))) ++number;
    report_.kept_aside = absl::StrCat(directory_, kDamaged, number);
    EIDETIC_RETURN_IF_ERROR(files.Rename(directory_ + kDatabase, report_.kept_aside));
    EIDETIC_RETURN_IF_ERROR(files.SyncDirectory(directory_));
    EIDETIC_RETURN_IF_ERROR(files.Rename(directory_ + kRepaired, directory_ + kDatabase));
    return files.SyncDirectory(directory_);
  }

  absl::Status ReadMeta() {
    salvage_->ForEach(kMetaFamily, {kStateKey, GenerationKey(1)},
                      [&](absl::string_view key, absl::string_view frame) {
                        if (DecodeFrame(key, frame).ok())
                          meta_.insert_or_assign(std::string(key), std::string(frame));
                      });
    if (const auto state = meta_.find(kStateKey); state != meta_.end()) {
      EIDETIC_RETURN_IF_ERROR(DecodeRecord(kStateKey, state->second, state_));
      has_state_ = true;
      counted_ = state_.asset_count();
    }
    std::string identity;
    if (rocksdb::ReadFileToString(rocksdb::Env::Default(), absl::StrCat(directory_, kDatabase, "/IDENTITY"),
                                  &identity)
            .ok() &&
        options_.snapshot != nullptr &&
        absl::StripSuffix(identity, "\n") == options_.snapshot->database_id()) {
      snapshot_ = options_.snapshot;
    }
    return FindGeneration();
  }

  absl::Status FindGeneration() {
    uint64_t number = state_.active_generation();
    if (number == 0 && snapshot_ != nullptr) number = snapshot_->generation();
    if (number == 0) {
      for (const auto& [key, frame] : meta_) {
        GenerationRecord found;
        if (absl::StartsWith(key, kGenerationKeyPrefix) && DecodeRecord(key, frame, found).ok())
          number = found.number();
      }
    }
    const std::string key = GenerationKey(number);
    if (const auto frame = meta_.find(key); frame != meta_.end()) {
      EIDETIC_RETURN_IF_ERROR(DecodeRecord(key, frame->second, generation_));
    } else if (snapshot_ != nullptr && snapshot_->generation() == number) {
      generation_.set_number(number);
      generation_.set_model_fingerprint(snapshot_->model_fingerprint());
      generation_.set_dimension(snapshot_->dimension());
    } else if (options_.backup != nullptr && options_.backup->ActiveGeneration().ok()) {
      generation_ = *options_.backup->ActiveGeneration();
    } else if (number == 0 && salvage_->families().size() <= 6) {
      // A library without a model yet: there are no vectors to name.
      return absl::OkStatus();
    } else {
      return absl::DataLossError(
          "which model made the vectors is not to be read any more: give a backup of the library with "
          "--backup, "
          "or index into a new library; nothing was changed");
    }
    meta_.insert_or_assign(GenerationKey(generation_.number()),
                           EncodeRecord(GenerationKey(generation_.number()), generation_));
    state_.set_active_generation(generation_.number());
    if (snapshot_ != nullptr && (snapshot_->model_fingerprint() != generation_.model_fingerprint() ||
                                 snapshot_->generation() != generation_.number() ||
                                 snapshot_->dimension() != generation_.dimension())) {
      snapshot_ = nullptr;
    }
    backup_ = options_.backup;
    if (backup_ != nullptr) {
      const auto theirs = backup_->ActiveGeneration();
      if (!theirs.ok() || theirs->model_fingerprint() != generation_.model_fingerprint()) backup_ = nullptr;
    }
    return absl::OkStatus();
  }

  std::vector<std::string> OrdinalKeys() const {
    std::vector<std::string> keys;
    for (Ordinal ordinal = 0; ordinal < state_.next_ordinal(); ++ordinal) keys.push_back(OrdinalKey(ordinal));
    return keys;
  }
  std::vector<std::string> CaptionKeys() const {
    std::vector<std::string> keys;
    for (Ordinal ordinal = 0; ordinal < state_.next_ordinal(); ++ordinal) {
      // Slots are given from 0 on.
      for (uint32_t slot = 0; slot < 8; ++slot) keys.push_back(CaptionKey(MakeCaptionId(ordinal, slot)));
    }
    return keys;
  }

  void NoteOrdinal(Ordinal ordinal) {
    if (ordinal >= state_.next_ordinal()) state_.set_next_ordinal(ordinal + 1);
  }

  // What leads where: all but the vectors themselves.
  absl::Status ReadLinks() {
    salvage_->ForEach(kOrdinalsFamily, OrdinalKeys(), [&](absl::string_view key, absl::string_view frame) {
      const auto ordinal = ParseOrdinalKey(key);
      const auto id = DecodeFrame(key, frame);
      if (!ordinal.has_value() || !id.ok()) return;
      NoteOrdinal(*ordinal);
      ids_[*ordinal] = std::string(*id);
      known_.emplace(*id, *ordinal);
    });
    salvage_->ForEach(EmbeddingsFamily(generation_.number()), OrdinalKeys(),
                      [&](absl::string_view key, absl::string_view frame) {
                        const auto ordinal = ParseOrdinalKey(key);
                        const auto vector = DecodeEmbedding(key, frame, generation_.dimension());
                        if (!ordinal.has_value() || !vector.ok()) return;
                        NoteOrdinal(*ordinal);
                        vector_owner_[*ordinal] = std::string(vector->owner);
                        known_.emplace(vector->owner, *ordinal);
                      });
    std::vector<std::string> asset_ids;
    for (const auto& [id, ordinal] : known_) asset_ids.push_back(id);
    EIDETIC_RETURN_IF_ERROR(Step());
    salvage_->ForEach(kAssetsFamily, std::move(asset_ids),
                      [&](absl::string_view key, absl::string_view frame) {
                        AssetRecord record;
                        if (!ValidateAssetId(key).ok() || !DecodeRecord(key, frame, record).ok()) return;
                        NoteOrdinal(record.ordinal());
                        known_.insert_or_assign(std::string(key), record.ordinal());
                        assets_.insert_or_assign(std::string(key), std::move(record));
                      });
    std::vector<std::string> path_names;
    for (const auto& [id, record] : assets_)
      path_names.insert(path_names.end(), record.paths().begin(), record.paths().end());
    EIDETIC_RETURN_IF_ERROR(Step());
    salvage_->ForEach(kPathsFamily, std::move(path_names),
                      [&](absl::string_view key, absl::string_view frame) {
                        PathRecord record;
                        if (DecodeRecord(key, frame, record).ok())
                          paths_.insert_or_assign(std::string(key), std::move(record));
                      });
    salvage_->ForEach(kCaptionsFamily, CaptionKeys(), [&](absl::string_view key, absl::string_view frame) {
      const auto id = ParseUint64Key(key);
      CaptionRecord record;
      if (id.has_value() && DecodeRecord(key, frame, record).ok())
        captions_.insert_or_assign(*id, std::move(record));
    });
    EIDETIC_RETURN_IF_ERROR(Step());
    std::vector<std::string> caption_keys;
    for (const auto& [id, record] : captions_) caption_keys.push_back(CaptionKey(id));
    salvage_->ForEach(CaptionEmbeddingsFamily(generation_.number()), std::move(caption_keys),
                      [&](absl::string_view key, absl::string_view frame) {
                        const auto id = ParseUint64Key(key);
                        const auto vector = DecodeEmbedding(key, frame, generation_.dimension());
                        if (id.has_value() && vector.ok()) caption_owner_[*id] = std::string(vector->owner);
                      });
    return Step();
  }

  // Which vectors of the snapshot are still those of the library.
  void ReadChanges() {
    uint64_t newest =
        std::max({promised_, state_.last_sequence(), snapshot_ != nullptr ? snapshot_->last_sequence() : 0});
    std::vector<std::string> candidates;
    const uint64_t from = snapshot_ != nullptr ? snapshot_->last_sequence() : state_.trimmed_sequence();
    for (uint64_t sequence = from + 1; sequence <= newest; ++sequence)
      candidates.push_back(SequenceKey(sequence));
    std::set<uint64_t> seen;
    salvage_->ForEach(
        kChangesFamily, std::move(candidates), [&](absl::string_view key, absl::string_view frame) {
          const auto sequence = ParseUint64Key(key);
          ChangeRecord change;
          if (!sequence.has_value() || !DecodeRecord(key, frame, change).ok()) return;
          newest = std::max(newest, *sequence);
          NoteOrdinal(change.ordinal());
          last_change_[change.asset_id()] = {change.ordinal(), change.kind() == ChangeRecord::KIND_DELETE};
          if (*sequence <= from) return;
          seen.insert(*sequence);
          if (change.kind() != ChangeRecord::KIND_RECORD) changed_since_.insert(change.ordinal());
        });
    log_is_whole_ = seen.size() == newest - from;
    if (newest > state_.last_sequence() && has_state_) {
      report_.damage.push_back(
          absl::StrCat("changes ", state_.last_sequence() + 1, " to ", newest,
                       " were acknowledged, and what they did is lost as far as nothing else tells it"));
    }
    // Readers of the change log start again.
    report_.last_sequence = newest + 1;
  }

  bool SnapshotIsCurrent(Ordinal ordinal) const {
    return snapshot_ != nullptr && log_is_whole_ && !changed_since_.contains(ordinal);
  }

  std::optional<Asset> FromBackup(const std::string& id) const {
    if (backup_ == nullptr) return std::nullopt;
    absl::StatusOr<Asset> asset = backup_->GetAsset(id);
    if (!asset.ok()) return std::nullopt;
    return *std::move(asset);
  }

  std::optional<std::vector<float>> VectorFromElsewhere(const std::string& id, Ordinal ordinal) {
    if (SnapshotIsCurrent(ordinal)) {
      if (std::optional<std::vector<float>> vector = snapshot_->Image(ordinal)) {
        ++report_.vectors_from_snapshot;
        return vector;
      }
    }
    if (const std::optional<Asset> asset = FromBackup(id)) {
      absl::StatusOr<std::vector<float>> vector = backup_->GetEmbedding(asset->record.ordinal());
      if (vector.ok()) {
        ++report_.vectors_from_backup;
        return *std::move(vector);
      }
    }
    return std::nullopt;
  }

  // Assets that are named by no record of their own, and not those of which the
  // log says that they were deleted: a table that knew it may be lost.
  void CompleteKnown() {
    for (const auto& [path, record] : paths_) paths_of_[record.asset_id()].push_back(path);
    for (const auto& [id, paths] : paths_of_) known_.emplace(id, std::nullopt);
    for (const auto& [id, change] : last_change_) {
      if (change.deleted) {
        known_.erase(id);
        assets_.erase(id);
      } else {
        known_.emplace(id, change.ordinal);
      }
    }
    if (backup_ == nullptr || known_.size() >= counted_) return;
    // More are lost than anything names: all that the backup has may be among them.
    std::optional<Ordinal> after;
    while (true) {
      const auto assets = backup_->ListAssets(after, 1'000);
      if (!assets.ok() || assets->empty()) return;
      for (const Asset& asset : *assets) {
        after = asset.record.ordinal();
        const auto change = last_change_.find(asset.asset_id);
        if (change == last_change_.end() || !change->second.deleted)
          known_.emplace(asset.asset_id, std::nullopt);
      }
    }
  }

  void Reconcile() {
    CompleteKnown();
    std::map<Ordinal, std::string> taken;
    for (const auto& [id, known_ordinal] : known_) {
      auto found = assets_.find(id);
      if (found == assets_.end()) {
        std::optional<Asset> asset = FromBackup(id);
        if (!asset.has_value()) {
          Lose(id, "its record");
          continue;
        }
        asset->record.set_ordinal(known_ordinal.value_or(state_.next_ordinal()));
        NoteOrdinal(asset->record.ordinal());
        found = assets_.emplace(id, std::move(asset->record)).first;
        ++report_.records_from_backup;
        RestoreCaptions(id, found->second.ordinal());
      }
      const Ordinal ordinal = found->second.ordinal();
      const auto owner = vector_owner_.find(ordinal);
      const bool has_vector = owner != vector_owner_.end() && owner->second == id;
      const auto entry = ids_.find(ordinal);
      // Two that claim one row: the row knows whose it is.
      if (taken.contains(ordinal) || (entry != ids_.end() && entry->second != id)) {
        Lose(id, "its row is another's");
        assets_.erase(found);
        continue;
      }
      if (!has_vector) {
        std::optional<std::vector<float>> vector = VectorFromElsewhere(id, ordinal);
        if (!vector.has_value()) {
          Lose(id, "its vector");
          assets_.erase(found);
          continue;
        }
        restored_vectors_[ordinal] = *std::move(vector);
      }
      taken[ordinal] = id;
    }
    const uint64_t accounted = assets_.size() + report_.lost_assets.size();
    if (counted_ > accounted) report_.lost_unnamed = counted_ - accounted;
    ReconcilePaths();
    ReconcileCaptions(taken);
  }

  void Lose(const std::string& id, const char* what) {
    LostAsset lost{.asset_id = id, .paths = {}, .reason = absl::StrCat(what, " cannot be read")};
    if (const auto record = assets_.find(id); record != assets_.end()) {
      lost.paths.assign(record->second.paths().begin(), record->second.paths().end());
    } else if (const auto paths = paths_of_.find(id); paths != paths_of_.end()) {
      lost.paths = paths->second;
    }
    report_.lost_assets.push_back(std::move(lost));
  }

  void RestoreCaptions(const std::string& id, Ordinal ordinal) {
    const absl::StatusOr<Asset> asset = backup_->GetAsset(id);
    if (!asset.ok()) return;
    const auto captions = backup_->GetCaptions(asset->record.ordinal());
    const auto vectors = backup_->GetCaptionEmbeddings(asset->record.ordinal());
    if (!captions.ok() || !vectors.ok() || captions->size() != vectors->size()) return;
    for (size_t i = 0; i < captions->size(); ++i) {
      const CaptionId caption = MakeCaptionId(ordinal, static_cast<uint32_t>((*captions)[i].id));
      if (!captions_.emplace(caption, (*captions)[i].record).second) continue;
      caption_owner_.erase(caption);
      restored_caption_vectors_[caption] = (*vectors)[i].second;
    }
  }

  // Each path that an asset has leads back to it, and each that leads to an asset
  // is one it has.
  void ReconcilePaths() {
    std::map<std::string, PathRecord> kept;
    for (auto& [id, record] : assets_) {
      std::vector<std::string> own;
      for (const std::string& path : record.paths()) {
        const auto found = paths_.find(path);
        if (found != paths_.end() && found->second.asset_id() != id) {
          ++report_.dropped_links;
          continue;
        }
        PathRecord path_record;
        if (found != paths_.end()) path_record = found->second;
        path_record.set_asset_id(id);
        if (found == paths_.end()) ++report_.paths_to_read_again;
        kept.insert_or_assign(path, std::move(path_record));
        own.push_back(path);
      }
      record.clear_paths();
      for (const std::string& path : own) *record.add_paths() = path;
    }
    for (const auto& [path, record] : paths_) {
      if (!kept.contains(path)) ++report_.dropped_links;
    }
    paths_ = std::move(kept);
  }

  // The next `eidetic index` reads the asset's files again.
  void ReadAgain(const std::string& id) {
    for (const std::string& path : assets_.at(id).paths()) {
      PathRecord& record = paths_.at(path);
      if (record.mtime_nanos() != 0 || record.size_bytes() != 0) ++report_.paths_to_read_again;
      record.clear_mtime_nanos();
      record.clear_size_bytes();
      record.clear_sidecar_mtime_nanos();
      record.clear_sidecar_size_bytes();
    }
  }

  void ReconcileCaptions(const std::map<Ordinal, std::string>& owners) {
    const auto lose = [&](CaptionId id) {
      ++report_.lost_captions;
      if (const auto owner = owners.find(CaptionOrdinal(id)); owner != owners.end()) ReadAgain(owner->second);
    };
    for (auto caption = captions_.begin(); caption != captions_.end();) {
      const CaptionId id = caption->first;
      const auto owner = owners.find(CaptionOrdinal(id));
      if (owner == owners.end()) {
        ++report_.dropped_links;
        caption = captions_.erase(caption);
        continue;
      }
      const auto vector_owner = caption_owner_.find(id);
      bool has_vector = restored_caption_vectors_.contains(id) ||
                        (vector_owner != caption_owner_.end() && vector_owner->second == owner->second);
      if (!has_vector && SnapshotIsCurrent(CaptionOrdinal(id))) {
        if (std::optional<std::vector<float>> vector = snapshot_->Caption(id)) {
          ++report_.vectors_from_snapshot;
          restored_caption_vectors_[id] = *std::move(vector);
          has_vector = true;
        }
      }
      if (!has_vector) {
        lose(id);
        caption = captions_.erase(caption);
        continue;
      }
      ++caption;
    }
    for (const auto& [id, owner] : caption_owner_) {
      if (owners.contains(CaptionOrdinal(id)) && !captions_.contains(id)) lose(id);
    }
  }

  std::vector<std::string> Families() const {
    std::vector<std::string> names = {kAssetsFamily,   kOrdinalsFamily, kPathsFamily,
                                      kCaptionsFamily, kChangesFamily,  kMetaFamily};
    const auto add = [&](const std::string& name) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const uint64_t number : Generations()) {
      add(EmbeddingsFamily(number));
      add(CaptionEmbeddingsFamily(number));
    }
    for (const std::string& name : salvage_->families()) add(name);
    return names;
  }

  // Those that have a record: the active one, and what stands by.
  std::vector<uint64_t> Generations() const {
    std::vector<uint64_t> numbers;
    for (const auto& [key, frame] : meta_) {
      GenerationRecord record;
      if (absl::StartsWith(key, kGenerationKeyPrefix) && DecodeRecord(key, frame, record).ok())
        numbers.push_back(record.number());
    }
    return numbers;
  }

  absl::Status WriteAll() {
    RepairedDatabase database;
    EIDETIC_RETURN_IF_ERROR(database.Open(directory_ + kUnfinished, Families()));
    for (const auto& [id, record] : assets_) {
      const std::string ordinal = OrdinalKey(record.ordinal());
      EIDETIC_RETURN_IF_ERROR(database.Put(kAssetsFamily, id, EncodeRecord(id, record)));
      EIDETIC_RETURN_IF_ERROR(database.Put(kOrdinalsFamily, ordinal, EncodeFrame(ordinal, id)));
      EIDETIC_RETURN_IF_ERROR(Step());
    }
    for (const auto& [path, record] : paths_) {
      EIDETIC_RETURN_IF_ERROR(database.Put(kPathsFamily, path, EncodeRecord(path, record)));
    }
    for (const auto& [id, record] : captions_) {
      EIDETIC_RETURN_IF_ERROR(
          database.Put(kCaptionsFamily, CaptionKey(id), EncodeRecord(CaptionKey(id), record)));
    }
    state_.clear_standby();
    state_.set_left_out_count(0);
    for (const uint64_t number : Generations()) {
      EIDETIC_ASSIGN_OR_RETURN(const Copied embeddings, CopyVectors(EmbeddingsFamily(number), database));
      EIDETIC_ASSIGN_OR_RETURN(const Copied captions,
                               CopyCaptionVectors(CaptionEmbeddingsFamily(number), database));
      state_.set_last_generation(std::max(state_.last_generation(), number));
      if (number == generation_.number()) {
        state_.set_left_out_count(embeddings.left_out);
        continue;
      }
      v1::StandbyRows& rows = *state_.add_standby();
      rows.set_generation(number);
      rows.set_embeddings(embeddings.vectors);
      rows.set_caption_embeddings(captions.vectors);
    }
    const std::string active = EmbeddingsFamily(generation_.number());
    for (const auto& [ordinal, vector] : restored_vectors_) {
      const std::string key = OrdinalKey(ordinal);
      EIDETIC_RETURN_IF_ERROR(
          database.Put(active, key, EncodeEmbedding(key, row_owner_.at(ordinal), vector)));
    }
    const std::string active_captions = CaptionEmbeddingsFamily(generation_.number());
    for (const auto& [id, vector] : restored_caption_vectors_) {
      if (!captions_.contains(id)) continue;
      const std::string key = CaptionKey(id);
      EIDETIC_RETURN_IF_ERROR(database.Put(active_captions, key,
                                           EncodeEmbedding(key, row_owner_.at(CaptionOrdinal(id)), vector)));
    }
    report_.assets = assets_.size();
    report_.paths = paths_.size();
    report_.captions = captions_.size();
    state_.set_last_sequence(report_.last_sequence);
    state_.set_trimmed_sequence(report_.last_sequence);
    state_.set_asset_count(report_.assets);
    state_.set_path_count(report_.paths);
    state_.set_caption_count(report_.captions);
    meta_.insert_or_assign(kStateKey, EncodeRecord(kStateKey, state_));
    for (const auto& [key, frame] : meta_) EIDETIC_RETURN_IF_ERROR(database.Put(kMetaFamily, key, frame));
    return database.Finish();
  }

  // Owners of the rows that stay.
  void FindRowOwners() {
    if (!row_owner_.empty()) return;
    for (const auto& [id, record] : assets_) row_owner_[record.ordinal()] = id;
  }

  // A vector whose row still belongs to its owner, of any generation.
  bool Belongs(absl::string_view key, absl::string_view frame, Ordinal ordinal) const {
    const absl::StatusOr<absl::string_view> payload = DecodeFrame(key, frame);
    const auto owner = row_owner_.find(ordinal);
    if (!payload.ok() || payload->empty() || owner == row_owner_.end()) return false;
    return payload->substr(1, static_cast<uint8_t>((*payload)[0])) == owner->second;
  }

  // Rows with values, and without.
  struct Copied {
    uint64_t vectors = 0;
    uint64_t left_out = 0;
  };

  absl::StatusOr<Copied> CopyVectors(const std::string& family, RepairedDatabase& database) {
    FindRowOwners();
    Copied copied;
    absl::Status status;
    salvage_->ForEach(family, OrdinalKeys(), [&](absl::string_view key, absl::string_view frame) {
      const auto ordinal = ParseOrdinalKey(key);
      if (!status.ok() || !ordinal.has_value() || !Belongs(key, frame, *ordinal)) return;
      ++(IsLeftOut(frame) ? copied.left_out : copied.vectors);
      if (status.ok()) status = database.Put(family, key, frame);
      if (status.ok()) status = Step();
    });
    EIDETIC_RETURN_IF_ERROR(status);
    return copied;
  }

  absl::StatusOr<Copied> CopyCaptionVectors(const std::string& family, RepairedDatabase& database) {
    FindRowOwners();
    Copied copied;
    absl::Status status;
    std::vector<std::string> keys;
    for (const auto& [id, record] : captions_) keys.push_back(CaptionKey(id));
    salvage_->ForEach(family, std::move(keys), [&](absl::string_view key, absl::string_view frame) {
      const auto id = ParseUint64Key(key);
      if (!status.ok() || !id.has_value() || !captions_.contains(*id) ||
          !Belongs(key, frame, CaptionOrdinal(*id)))
        return;
      ++copied.vectors;
      status = database.Put(family, key, frame);
    });
    EIDETIC_RETURN_IF_ERROR(status);
    return copied;
  }

  absl::Status Step() {
    if (++done_ % kProgressEvery != 0 || !options_.progress) return absl::OkStatus();
    const uint64_t total = 2 * assets_.size();
    return options_.progress(done_, std::max(done_, total)) ? absl::OkStatus()
                                                            : absl::CancelledError("the repair was stopped");
  }

  const std::string directory_;
  const RepairOptions options_;
  RepairReport report_;
  std::unique_ptr<Salvage> salvage_;
  const VectorSource* snapshot_ = nullptr;
  const Library* backup_ = nullptr;
  uint64_t promised_ = 0;
  uint64_t done_ = 0;

  // What was read.
  v1::StateRecord state_;
  bool has_state_ = false;
  GenerationRecord generation_;
  std::map<std::string, std::string> meta_;
  std::map<Ordinal, std::string> ids_;
  std::map<Ordinal, std::string> vector_owner_;
  // Every asset that anything names, and its row where that is known.
  std::map<std::string, std::optional<Ordinal>> known_;
  std::map<std::string, AssetRecord> assets_;
  std::map<std::string, PathRecord> paths_;
  std::map<std::string, std::vector<std::string>> paths_of_;
  std::map<CaptionId, CaptionRecord> captions_;
  std::map<CaptionId, std::string> caption_owner_;
  std::set<Ordinal> changed_since_;  // since the snapshot
  bool log_is_whole_ = false;
  struct LastChange {
    Ordinal ordinal = 0;
    bool deleted = false;
  };
  std::map<std::string, LastChange> last_change_;
  uint64_t counted_ = 0;  // assets, as the state record has it

  // What came from elsewhere.
  std::map<Ordinal, std::vector<float>> restored_vectors_;
  std::map<CaptionId, std::vector<float>> restored_caption_vectors_;
  std::map<Ordinal, std::string> row_owner_;
};

}  // namespace

absl::StatusOr<RepairReport> RepairLibrary(const std::string& directory, const RepairOptions& options) {
  if (!HasFormatFile(directory)) return absl::NotFoundError(absl::StrCat("no library in ", directory));
  EIDETIC_RETURN_IF_ERROR(CheckFormatFile(directory));
  EIDETIC_ASSIGN_OR_RETURN(const auto lock, LibraryLock::Acquire(directory, "verify --repair", ""));
  return Repair(directory, options).Run();
}

}  // namespace eidetic::storage
