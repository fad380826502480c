// The two vector indexes of one library, of its photos and of its captions, as
// of one change number. Owned by the search engine, which serialises Apply
// against everything else; const methods may run in many threads at once.
//
//   ASSIGN_OR_RETURN(auto indexes, LibraryIndexes::Build(library, options));
//   ASSIGN_OR_RETURN(IndexUpdate update, PrepareUpdate(library, changes));
//   RETURN_IF_ERROR(indexes->Apply(update));
#ifndef EIDETIC_SEARCHER_LIBRARY_INDEXES_H_
#define EIDETIC_SEARCHER_LIBRARY_INDEXES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "searcher/snapshot.h"
#include "searcher/vector_index.h"
#include "storage/library.h"

namespace eidetic::searcher {

// What a run of changes does to the indexes, with the vectors read already.
struct IndexUpdate {
  std::vector<uint64_t> removed_images;
  std::vector<uint64_t> added_images;
  std::vector<float> image_vectors;
  // All captions of these assets go before the added ones come.
  std::vector<storage::Ordinal> recaptioned;
  std::vector<uint64_t> added_captions;
  std::vector<float> caption_vectors;
  uint64_t last_sequence = 0;
};

// `changes` must not be empty.
absl::StatusOr<IndexUpdate> PrepareUpdate(const storage::Library& library,
                                          std::span<const storage::Change> changes);

struct BuildOptions {
  // From this many vectors on an index is a graph; 0: never.
  size_t hnsw_from = 0;
  std::function<void(uint64_t done, uint64_t total)> progress;
  std::function<bool()> cancelled;
};

class LibraryIndexes {
 public:
  // From all embeddings of the active generation. kNotFound: no model yet;
  // kCancelled.
  static absl::StatusOr<std::unique_ptr<LibraryIndexes>> Build(const storage::Library& library,
                                                               const BuildOptions& options);
  // From a snapshot's verified parts.
  static absl::StatusOr<std::unique_ptr<LibraryIndexes>> Parse(const Snapshot& snapshot);

  absl::Status Apply(const IndexUpdate& update);
  // The parts of a snapshot.
  absl::StatusOr<std::map<std::string, std::string>> Serialize() const;

  const VectorIndex& images() const { return *images_; }
  const VectorIndex& captions() const { return *captions_; }
  int dimension() const { return images_->dimension(); }
  uint64_t last_sequence() const { return last_sequence_; }
  const std::string& database_id() const { return database_id_; }
  uint64_t generation() const { return generation_; }
  const std::string& model_fingerprint() const { return model_fingerprint_; }

 private:
  LibraryIndexes() = default;
  void NoteCaption(uint64_t caption_id);

  std::unique_ptr<VectorIndex> images_;
  std::unique_ptr<VectorIndex> captions_;
  absl::flat_hash_map<storage::Ordinal, std::vector<uint64_t>> captions_of_;
  uint64_t last_sequence_ = 0;
  std::string database_id_;
  uint64_t generation_ = 0;
  std::string model_fingerprint_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_LIBRARY_INDEXES_H_
