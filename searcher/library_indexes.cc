#include "searcher/library_indexes.h"

#include <algorithm>
#include <optional>
#include <utility>

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

VectorIndexOptions OptionsFor(int dimension, uint64_t count, size_t hnsw_from) {
  return {.dimension = dimension,
          .kind = hnsw_from > 0 && count >= hnsw_from ? IndexKind::kHnsw : IndexKind::kExact};
}

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

absl::StatusOr<std::unique_ptr<LibraryIndexes>> LibraryIndexes::Build(
    const storage::Library& library, std::shared_ptr<const storage::Generation> generation,
    const BuildOptions& options) {
  // Asked before the view is made: an active generation lacks nothing.
  EIDETIC_ASSIGN_OR_RETURN(const storage::v1::GenerationRecord active, library.ActiveGeneration());
  EIDETIC_ASSIGN_OR_RETURN(const storage::LibraryCounts counts, library.Counts());
  const auto view = generation->NewView();
  const auto dimension = static_cast<int>(generation->dimension());
  auto indexes = std::unique_ptr<LibraryIndexes>(new LibraryIndexes);
  indexes->last_sequence_ = view->last_sequence();
  indexes->database_id_ = library.database_id();
  indexes->standby_ = active.number() != generation->number();
  indexes->generation_ = std::move(generation);
  EIDETIC_ASSIGN_OR_RETURN(indexes->images_,
                           NewVectorIndex(OptionsFor(dimension, counts.assets, options.hnsw_from)));
  EIDETIC_ASSIGN_OR_RETURN(indexes->captions_,
                           NewVectorIndex(OptionsFor(dimension, counts.captions, options.hnsw_from)));
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

absl::StatusOr<std::unique_ptr<LibraryIndexes>> LibraryIndexes::Parse(
    const Snapshot& snapshot, std::shared_ptr<const storage::Generation> generation) {
  auto indexes = std::unique_ptr<LibraryIndexes>(new LibraryIndexes);
  const auto parse = [&](const char* part) -> absl::StatusOr<std::unique_ptr<VectorIndex>> {
    const auto found = snapshot.parts.find(part);
    if (found == snapshot.parts.end()) return absl::DataLossError(absl::StrCat("the snapshot has no ", part));
    const std::string& bytes = found->second;
    return ParseVectorIndex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                            static_cast<int>(snapshot.info.dimension));
  };
  EIDETIC_ASSIGN_OR_RETURN(indexes->images_, parse(kImagesPart));
  EIDETIC_ASSIGN_OR_RETURN(indexes->captions_, parse(kCaptionsPart));
  for (const uint64_t id : indexes->captions_->Ids()) indexes->NoteCaption(id);
  indexes->last_sequence_ = snapshot.info.last_sequence;
  indexes->database_id_ = snapshot.info.database_id;
  indexes->generation_ = std::move(generation);
  return indexes;
}

absl::Status LibraryIndexes::Apply(const IndexUpdate& update) {
  EIDETIC_RETURN_IF_ERROR(images_->Remove(update.removed_images).status());
  EIDETIC_RETURN_IF_ERROR(images_->Add(update.added_images, update.image_vectors));
  for (const storage::Ordinal ordinal : update.recaptioned) {
    const auto found = captions_of_.find(ordinal);
    if (found == captions_of_.end()) continue;
    EIDETIC_RETURN_IF_ERROR(captions_->Remove(found->second).status());
    captions_of_.erase(found);
  }
  EIDETIC_RETURN_IF_ERROR(captions_->Add(update.added_captions, update.caption_vectors));
  for (const uint64_t id : update.added_captions) NoteCaption(id);
  last_sequence_ = update.last_sequence;
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::string>> LibraryIndexes::Serialize() const {
  std::map<std::string, std::string> parts;
  EIDETIC_ASSIGN_OR_RETURN(parts[kImagesPart], images_->Serialize());
  EIDETIC_ASSIGN_OR_RETURN(parts[kCaptionsPart], captions_->Serialize());
  return parts;
}

void LibraryIndexes::NoteCaption(uint64_t caption_id) {
  captions_of_[storage::CaptionOrdinal(caption_id)].push_back(caption_id);
}

}  // namespace eidetic::searcher
