#include "searcher/library_indexes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

using storage::v1::ChangeRecord;

constexpr char kImagesPart[] = "images";
constexpr char kCaptionsPart[] = "captions";
// Vectors added in one go: between them a build can be cancelled.
constexpr size_t kChunk = 1024;

// Collects vectors and adds them in chunks.
class Filler {
 public:
  Filler(VectorIndex* index, const BuildOptions& options, uint64_t total, uint64_t* done)
      : index_(index), options_(options), total_(total), done_(done) {}

  absl::Status Add(uint64_t id, std::span<const float> vector) {
    ids_.push_back(id);
    vectors_.insert(vectors_.end(), vector.begin(), vector.end());
    return ids_.size() < kChunk ? absl::OkStatus() : Flush();
  }

  absl::Status Flush() {
    if (options_.cancelled && options_.cancelled())
      return absl::CancelledError("building the index was stopped");
    EIDETIC_RETURN_IF_ERROR(index_->Add(ids_, vectors_));
    *done_ += ids_.size();
    ids_.clear();
    vectors_.clear();
    if (options_.progress) options_.progress(*done_, std::max(*done_, total_));
    return absl::OkStatus();
  }

 private:
  VectorIndex* index_;
  const BuildOptions& options_;
  uint64_t total_;
  uint64_t* done_;
  std::vector<uint64_t> ids_;
  std::vector<float> vectors_;
};

}  // namespace

absl::StatusOr<IndexUpdate> PrepareUpdate(const storage::Generation& generation,
                                          std::span<const storage::Change> changes,
                                          std::span<const storage::Ordinal> also) {
  IndexUpdate update;
  update.last_sequence = changes.back().sequence;
  // What is read is the present state, so each asset is looked at once.
  struct Touched {
    bool vector = false;
    bool captions = false;
  };
  std::map<storage::Ordinal, Touched> touched;
  for (const storage::Ordinal ordinal : also) touched[ordinal] = {.vector = true, .captions = true};
  for (const storage::Change& change : changes) {
    // Touches no asset.
    if (change.record.kind() == ChangeRecord::KIND_SWITCH) continue;
    Touched& asset = touched[change.record.ordinal()];
    const ChangeRecord::Kind kind = change.record.kind();
    asset.vector |= kind == ChangeRecord::KIND_PUT || kind == ChangeRecord::KIND_DELETE;
    asset.captions |= asset.vector || kind == ChangeRecord::KIND_CAPTIONS;
  }
  for (const auto& [ordinal, what] : touched) {
    if (what.vector) {
      const absl::StatusOr<std::vector<float>> vector = generation.GetEmbedding(ordinal);
      if (vector.ok()) {
        update.added_images.push_back(ordinal);
        update.image_vectors.insert(update.image_vectors.end(), vector->begin(), vector->end());
      } else if (absl::IsNotFound(vector.status())) {
        update.removed_images.push_back(ordinal);
      } else {
        return vector.status();
      }
    }
    if (what.captions) {
      update.recaptioned.push_back(ordinal);
      EIDETIC_ASSIGN_OR_RETURN(const auto captions, generation.GetCaptionEmbeddings(ordinal));
      for (const auto& [id, vector] : captions) {
        update.added_captions.push_back(id);
        update.caption_vectors.insert(update.caption_vectors.end(), vector.begin(), vector.end());
      }
    }
  }
  return update;
}

absl::StatusOr<std::shared_ptr<LibraryIndexes>> LibraryIndexes::Build(
    const storage::Library& library, std::shared_ptr<const storage::Generation> generation,
    const BuildOptions& options) {
  // Asked before the view is made: an active generation lacks nothing.
  EIDETIC_ASSIGN_OR_RETURN(const storage::v1::GenerationRecord active, library.ActiveGeneration());
  EIDETIC_ASSIGN_OR_RETURN(const storage::LibraryCounts counts, library.Counts());
  const auto view = generation->NewView();
  const auto dimension = static_cast<int>(generation->dimension());
  auto indexes = std::shared_ptr<LibraryIndexes>(new LibraryIndexes);
  indexes->last_sequence_ = view->last_sequence();
  indexes->database_id_ = library.database_id();
  indexes->standby_ = active.number() != generation->number();
  indexes->generation_ = std::move(generation);
  EIDETIC_ASSIGN_OR_RETURN(indexes->images_,
                           NewVectorIndex({.dimension = dimension, .expected_vectors = counts.assets}));
  EIDETIC_ASSIGN_OR_RETURN(indexes->captions_,
                           NewVectorIndex({.dimension = dimension, .expected_vectors = counts.captions}));
  uint64_t done = 0;
  const uint64_t total = counts.assets + counts.captions;
  Filler images(indexes->images_.get(), options, total, &done);
  EIDETIC_RETURN_IF_ERROR(view->ForEachEmbedding(
      [&](storage::Ordinal ordinal, std::span<const float> vector) { return images.Add(ordinal, vector); }));
  EIDETIC_RETURN_IF_ERROR(images.Flush());
  Filler captions(indexes->captions_.get(), options, total, &done);
  EIDETIC_RETURN_IF_ERROR(
      view->ForEachCaptionEmbedding([&](storage::CaptionId id, std::span<const float> vector) {
        indexes->NoteCaption(id);
        return captions.Add(id, vector);
      }));
  EIDETIC_RETURN_IF_ERROR(captions.Flush());
  for (std::optional<storage::Ordinal> after; indexes->standby_;) {
    EIDETIC_ASSIGN_OR_RETURN(const auto missing, view->ListMissing(after, kChunk));
    if (missing.empty()) break;
    for (const storage::MissingVectors& one : missing) {
      after = one.asset.record.ordinal();
      indexes->lacked_.push_back(*after);
    }
  }
  return indexes;
}

absl::StatusOr<std::shared_ptr<LibraryIndexes>> LibraryIndexes::Load(
    Snapshot snapshot, std::shared_ptr<const storage::Generation> generation) {
  auto indexes = std::shared_ptr<LibraryIndexes>(new LibraryIndexes);
  const auto load = [&](absl::string_view part) -> absl::StatusOr<std::unique_ptr<VectorIndex>> {
    const auto take = [&](absl::string_view suffix) {
      const auto found = snapshot.parts.find(absl::StrCat(part, suffix));
      return found == snapshot.parts.end() ? PageBuffer() : std::move(found->second);
    };
    StoredVectorIndex stored;
    stored.rows.table = take("");
    stored.rows.codes = take("-codes");
    stored.rows.vectors = take(kVectorsSuffix);
    stored.graph = take("-graph");
    if (const auto file = snapshot.files.find(absl::StrCat(part, kVectorsSuffix));
        file != snapshot.files.end())
      stored.rows.vectors_file = file->second;
    absl::StatusOr<std::unique_ptr<VectorIndex>> index =
        LoadVectorIndex(static_cast<int>(snapshot.info.dimension), std::move(stored));
    if (!index.ok()) return AddContext(index.status(), absl::StrCat("the snapshot's ", part));
    return index;
  };
  EIDETIC_ASSIGN_OR_RETURN(indexes->images_, load(kImagesPart));
  EIDETIC_ASSIGN_OR_RETURN(indexes->captions_, load(kCaptionsPart));
  for (const uint64_t id : indexes->captions_->Ids()) indexes->NoteCaption(id);
  if (snapshot.info.image_effort.queries > 0) indexes->set_image_effort(snapshot.info.image_effort);
  indexes->last_sequence_ = snapshot.info.last_sequence;
  indexes->database_id_ = snapshot.info.database_id;
  indexes->generation_ = std::move(generation);
  return indexes;
}

absl::Status LibraryIndexes::Apply(const IndexUpdate& update) {
  EIDETIC_RETURN_IF_ERROR(images_->Remove(update.removed_images).status());
  EIDETIC_RETURN_IF_ERROR(images_->Add(update.added_images, update.image_vectors));
  // A caption that stays is replaced in one step, so that no search misses it.
  const absl::flat_hash_set<uint64_t> stays(update.added_captions.begin(), update.added_captions.end());
  std::vector<uint64_t> gone;
  for (const storage::Ordinal ordinal : update.recaptioned) {
    const auto found = captions_of_.find(ordinal);
    if (found == captions_of_.end()) continue;
    for (const uint64_t id : found->second) {
      if (!stays.contains(id)) gone.push_back(id);
    }
    captions_of_.erase(found);
  }
  EIDETIC_RETURN_IF_ERROR(captions_->Remove(gone).status());
  EIDETIC_RETURN_IF_ERROR(captions_->Add(update.added_captions, update.caption_vectors));
  for (const uint64_t id : update.added_captions) NoteCaption(id);
  last_sequence_.store(update.last_sequence, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status LibraryIndexes::BuildGraphs(const std::function<bool(const VectorIndex&)>& wanted,
                                         const GraphBuildOptions& options) {
  for (VectorIndex* index : {images_.get(), captions_.get()}) {
    if (wanted(*index)) EIDETIC_RETURN_IF_ERROR(index->BuildGraph(options));
  }
  return absl::OkStatus();
}

std::map<std::string, SnapshotPart> LibraryIndexes::Store() const {
  std::map<std::string, SnapshotPart> parts;
  for (auto& [suffix, part] : images_->Store()) parts[absl::StrCat(kImagesPart, suffix)] = std::move(part);
  for (auto& [suffix, part] : captions_->Store())
    parts[absl::StrCat(kCaptionsPart, suffix)] = std::move(part);
  return parts;
}

void LibraryIndexes::NoteCaption(uint64_t caption_id) {
  captions_of_[storage::CaptionOrdinal(caption_id)].push_back(caption_id);
}

}  // namespace eidetic::searcher
