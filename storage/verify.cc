// Library::VerifyAll: reads every record of every family from one snapshot and
// follows its links.

#include <rocksdb/db.h>
#include <rocksdb/snapshot.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_library.h"
#include "storage/rocksdb_status.h"
#include "storage/unit_vector.h"

namespace eidetic::storage {
namespace {

constexpr uint64_t kProgressEvery = 1024;

class Verifier {
 public:
  // Takes its snapshot: `generations` are those of this moment.
  Verifier(rocksdb::DB* db, const ColumnFamilies& families,
           std::map<uint64_t, std::shared_ptr<const RocksDbGeneration>> generations,
           const std::function<void(const Fault&)>& fault,
           const std::function<bool(uint64_t, uint64_t)>& progress)
      : db_(db),
        families_(families),
        generations_(std::move(generations)),
        fault_(fault),
        progress_(progress),
        snapshot_(db) {
    options_.snapshot = snapshot_.snapshot();
    options_.fill_cache = false;
    options_.readahead_size = 1 << 20;
  }

  absl::Status Run() {
    EIDETIC_RETURN_IF_ERROR(ReadState());
    EIDETIC_RETURN_IF_ERROR(
        Walk("assets", families_.assets,
             [this](absl::string_view key, absl::string_view value) { return CheckAsset(key, value); }));
    EIDETIC_RETURN_IF_ERROR(
        Walk("ordinals", families_.ordinals, [this](absl::string_view key, absl::string_view value) {
          EIDETIC_ASSIGN_OR_RETURN(const absl::string_view id, DecodeFrame(key, value));
          v1::AssetRecord record;
          EIDETIC_RETURN_IF_ERROR(Read(families_.assets, id, record));
          if (OrdinalKey(record.ordinal()) != key)
            return absl::DataLossError("its asset has another ordinal");
          return absl::OkStatus();
        }));
    EIDETIC_RETURN_IF_ERROR(
        Walk("paths", families_.paths, [this](absl::string_view key, absl::string_view value) {
          v1::PathRecord path;
          EIDETIC_RETURN_IF_ERROR(DecodeRecord(key, value, path));
          v1::AssetRecord record;
          EIDETIC_RETURN_IF_ERROR(Read(families_.assets, path.asset_id(), record));
          if (std::find(record.paths().begin(), record.paths().end(), key) == record.paths().end()) {
            return absl::DataLossError("its asset does not have this path");
          }
          return absl::OkStatus();
        }));
    EIDETIC_RETURN_IF_ERROR(
        Walk("captions", families_.captions, [this](absl::string_view key, absl::string_view value) {
          v1::CaptionRecord caption;
          EIDETIC_RETURN_IF_ERROR(DecodeRecord(key, value, caption));
          EIDETIC_RETURN_IF_ERROR(CheckOwner(key));
          if (active_ == nullptr) return absl::DataLossError("the library has no model");
          std::string embedding;
          return FromRocksDb(
              db_->Get(options_, active_->families()->caption_embeddings, ToSlice(key), &embedding),
              "its embedding");
        }));
    for (const auto& [number, generation] : generations_) {
      EIDETIC_RETURN_IF_ERROR(CheckGeneration(*generation));
    }
    uint64_t expected = state_.trimmed_sequence();
    EIDETIC_RETURN_IF_ERROR(Walk(
        "changes", families_.changes, [&](absl::string_view key, absl::string_view value) -> absl::Status {
          v1::ChangeRecord change;
          EIDETIC_RETURN_IF_ERROR(DecodeRecord(key, value, change));
          ++expected;
          const std::optional<uint64_t> sequence = ParseUint64Key(key);
          if (sequence == expected) return absl::OkStatus();
          const uint64_t missing = expected;
          expected = sequence.value_or(expected);
          return absl::DataLossError(absl::StrCat("change ", missing, " was expected here"));
        }));
    if (expected != state_.last_sequence()) {
      fault_({"changes", "end",
              absl::StrCat("the log ends at ", expected, ", not at ", state_.last_sequence())});
    }
    CheckCount("assets", state_.asset_count());
    CheckCount("paths", state_.path_count());
    CheckCount("captions", state_.caption_count());
    progress_(done_, done_);
    return absl::OkStatus();
  }

 private:
  absl::Status ReadState() {
    const absl::Status read = Read(families_.meta, kStateKey, state_);
    if (!read.ok() && !absl::IsNotFound(read)) fault_({"meta", kStateKey, std::string(read.message())});
    const auto active = generations_.find(state_.active_generation());
    if (active != generations_.end()) active_ = active->second;
    // Assets, ordinals and embeddings are one each; captions have two records.
    expected_ = 3 * state_.asset_count() + state_.path_count() + 2 * state_.caption_count() +
                (state_.last_sequence() - std::min(state_.trimmed_sequence(), state_.last_sequence()));
    for (const v1::StandbyRows& rows : state_.standby()) {
      expected_ += rows.embeddings() + rows.caption_embeddings();
    }
    return absl::OkStatus();
  }

  // Both families of one, and that its counters are right.
  absl::Status CheckGeneration(const RocksDbGeneration& generation) {
    const bool is_active = generation.number() == state_.active_generation();
    const v1::StandbyRows* rows = StandbyRowsOf(state_, generation.number());
    if (!is_active && rows == nullptr) {
      fault_({"meta", kStateKey, absl::StrCat("generation ", generation.number(), " has no counters")});
      return absl::OkStatus();
    }
    const std::string suffix = is_active ? "" : absl::StrCat("/", generation.number());
    const std::string embeddings = absl::StrCat("embeddings", suffix);
    const std::string captions = absl::StrCat("caption_embeddings", suffix);
    uint64_t left_out = 0;
    EIDETIC_RETURN_IF_ERROR(Walk(embeddings, generation.families()->embeddings,
                                 [&](absl::string_view key, absl::string_view value) {
                                   if (IsLeftOut(value)) ++left_out;
                                   return CheckEmbedding(key, value, ParseOrdinalKey(key),
                                                         generation.dimension(), /*may_be_left_out=*/true);
                                 }));
    EIDETIC_RETURN_IF_ERROR(Walk(captions, generation.families()->caption_embeddings,
                                 [&](absl::string_view key, absl::string_view value) -> absl::Status {
                                   const std::optional<uint64_t> id = ParseUint64Key(key);
                                   if (!id.has_value()) return absl::DataLossError("malformed key");
                                   v1::CaptionRecord caption;
                                   EIDETIC_RETURN_IF_ERROR(Read(families_.captions, key, caption));
                                   return CheckEmbedding(key, value, CaptionOrdinal(*id),
                                                         generation.dimension(), false);
                                 }));
    CheckCount(embeddings,
               left_out + (is_active ? state_.asset_count() - state_.left_out_count() : rows->embeddings()));
    CheckCount(captions, is_active ? state_.caption_count() : rows->caption_embeddings());
    return absl::OkStatus();
  }

  // Checks each entry of a family; a fault is reported, and the walk goes on.
  absl::Status Walk(
      const std::string& place, rocksdb::ColumnFamilyHandle* family,
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& check) {
    uint64_t count = 0;
    const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options_, family));
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      const absl::Status status = check(ToView(iterator->key()), ToView(iterator->value()));
      if (!status.ok())
        fault_({place, absl::CHexEscape(ToView(iterator->key())), std::string(status.message())});
      ++count;
      if (++done_ % kProgressEvery == 0 && !progress_(done_, std::max(done_, expected_))) {
        return absl::CancelledError("verifying was stopped");
      }
    }
    counts_.emplace_back(place, count);
    if (!iterator->status().ok()) {
      fault_({place, "", std::string(FromRocksDb(iterator->status(), "reading on is impossible").message())});
    }
    return absl::OkStatus();
  }

  template <typename Record>
  absl::Status Read(rocksdb::ColumnFamilyHandle* family, absl::string_view key, Record& record) {
    std::string frame;
    const rocksdb::Status status = db_->Get(options_, family, ToSlice(key), &frame);
    EIDETIC_RETURN_IF_ERROR(
        FromRocksDb(status, absl::StrCat("its link to ", family->GetName(), " ", absl::CHexEscape(key))));
    return DecodeRecord(key, frame, record);
  }

  absl::Status CheckAsset(absl::string_view key, absl::string_view value) {
    v1::AssetRecord record;
    EIDETIC_RETURN_IF_ERROR(DecodeRecord(key, value, record));
    std::string frame;
    const std::string ordinal = OrdinalKey(record.ordinal());
    EIDETIC_RETURN_IF_ERROR(
        FromRocksDb(db_->Get(options_, families_.ordinals, ordinal, &frame), "the entry of its ordinal"));
    EIDETIC_ASSIGN_OR_RETURN(const absl::string_view id, DecodeFrame(ordinal, frame));
    if (id != key) return absl::DataLossError(absl::StrCat("its ordinal belongs to ", id));
    if (active_ == nullptr) return absl::DataLossError("the library has no model");
    EIDETIC_RETURN_IF_ERROR(
        FromRocksDb(db_->Get(options_, active_->families()->embeddings, ordinal, &frame), "its embedding"));
    for (const std::string& path : record.paths()) {
      v1::PathRecord path_record;
      EIDETIC_RETURN_IF_ERROR(Read(families_.paths, path, path_record));
      if (path_record.asset_id() != key) {
        return absl::DataLossError(
            absl::StrCat("its path ", DisplayPath(path), " belongs to ", path_record.asset_id()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckOwner(absl::string_view caption_key) {
    const std::optional<uint64_t> id = ParseUint64Key(caption_key);
    if (!id.has_value()) return absl::DataLossError("malformed key");
    std::string frame;
    return FromRocksDb(db_->Get(options_, families_.ordinals, OrdinalKey(CaptionOrdinal(*id)), &frame),
                       "its asset");
  }

  absl::Status CheckEmbedding(absl::string_view key, absl::string_view value, std::optional<Ordinal> ordinal,
                              size_t dimension, bool may_be_left_out) {
    if (!ordinal.has_value()) return absl::DataLossError("malformed key");
    EIDETIC_ASSIGN_OR_RETURN(const EmbeddingView view, DecodeEmbedding(key, value, dimension));
    std::string frame;
    const std::string ordinal_key = OrdinalKey(*ordinal);
    EIDETIC_RETURN_IF_ERROR(
        FromRocksDb(db_->Get(options_, families_.ordinals, ordinal_key, &frame), "its asset"));
    EIDETIC_ASSIGN_OR_RETURN(const absl::string_view owner, DecodeFrame(ordinal_key, frame));
    if (owner != view.owner) {
      return absl::DataLossError(absl::StrCat("the vector is that of ", view.owner, ", not of ", owner));
    }
    if (view.left_out()) {
      return may_be_left_out ? absl::OkStatus() : absl::DataLossError("the vector has no values");
    }
    vector_.resize(dimension);
    std::memcpy(vector_.data(), view.bytes.data(), view.bytes.size());
    const double length = VectorLength(vector_);
    if (IsUnitLength(length)) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the vector has length ", length, ", not 1"));
  }

  void CheckCount(const std::string& place, uint64_t expected) {
    for (const auto& [walked, count] : counts_) {
      if (walked == place && count != expected) {
        fault_({place, "count", absl::StrCat(count, " records, the state record says ", expected)});
      }
    }
  }

  rocksdb::DB* db_;
  const ColumnFamilies& families_;
  const std::map<uint64_t, std::shared_ptr<const RocksDbGeneration>> generations_;
  // The one that is active in the snapshot; null: none yet.
  std::shared_ptr<const RocksDbGeneration> active_;
  // The one that is looked at.
  std::vector<float> vector_;
  const std::function<void(const Fault&)>& fault_;
  const std::function<bool(uint64_t, uint64_t)>& progress_;
  rocksdb::ManagedSnapshot snapshot_;
  rocksdb::ReadOptions options_;
  v1::StateRecord state_;
  std::vector<std::pair<std::string, uint64_t>> counts_;
  uint64_t done_ = 0;
  uint64_t expected_ = 0;
};

}  // namespace

absl::Status RocksDbLibrary::VerifyAll(const std::function<void(const Fault&)>& fault,
                                       const std::function<bool(uint64_t, uint64_t)>& progress) const {
  std::optional<Verifier> verifier;
  {
    // The snapshot and the generations of one moment.
    const absl::MutexLock commit_lock(&commit_mutex_);
    verifier.emplace(db_.get(), families_, CopyGenerations(), fault, progress);
  }
  return verifier->Run();
}

}  // namespace eidetic::storage
