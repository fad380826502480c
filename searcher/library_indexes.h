// The two vector indexes of one generation of a library, of its photos and of its
// captions, as of one change number. Owned by the search engine, which serialises Apply
// with itself, and BuildGraphs with itself; both run beside const methods in any number
// of threads, which never wait.
//
//   ASSIGN_OR_RETURN(auto indexes, LibraryIndexes::Build(library, generation, options));
//   ASSIGN_OR_RETURN(IndexUpdate update, PrepareUpdate(*generation, changes, {}));
//   RETURN_IF_ERROR(indexes->Apply(update));
#ifndef EIDETIC_SEARCHER_LIBRARY_INDEXES_H_
#define EIDETIC_SEARCHER_LIBRARY_INDEXES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "searcher/effort_tuning.h"
#include "searcher/published.h"
#include "searcher/snapshot.h"
#include "searcher/snapshot_part.h"
#include "searcher/vector_index.h"
#include "storage/generation.h"
#include "storage/library.h"

namespace eidetic::searcher {

// Parts of a snapshot that end so can be left on disk: they are looked at only to
// rank the best candidates again.
inline constexpr char kVectorsSuffix[] = "-vectors";

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

// Of the assets that `changes`, which must not be empty, and `also` name.
absl::StatusOr<IndexUpdate> PrepareUpdate(const storage::Generation& generation,
                                          std::span<const storage::Change> changes,
                                          std::span<const storage::Ordinal> also);

struct BuildOptions {
  std::function<void(uint64_t done, uint64_t total)> progress;
  std::function<bool()> cancelled;
};

class LibraryIndexes {
 public:
  // From all embeddings of the generation, without graphs. kCancelled.
  static absl::StatusOr<std::shared_ptr<LibraryIndexes>> Build(
      const storage::Library& library, std::shared_ptr<const storage::Generation> generation,
      const BuildOptions& options);
  // From the verified parts of a snapshot of the generation; null: only to look at
  // the vectors.
  static absl::StatusOr<std::shared_ptr<LibraryIndexes>> Load(
      Snapshot snapshot, std::shared_ptr<const storage::Generation> generation);

  absl::Status Apply(const IndexUpdate& update);
  // Takes into a graph what is not in it yet, for each of the two for which
  // `wanted` is true. kCancelled.
  absl::Status BuildGraphs(const std::function<bool(const VectorIndex&)>& wanted,
                           const GraphBuildOptions& options);
  // The parts of a snapshot; they borrow from the indexes. Not beside Apply.
  std::map<std::string, SnapshotPart> Store() const;

  // What a search of photos needs, as it was measured; null: it was not. Any
  // thread.
  void set_image_effort(EffortCurve curve) {
    image_effort_.store(std::make_shared<const EffortCurve>(std::move(curve)));
  }
  std::shared_ptr<const EffortCurve> image_effort() const { return image_effort_.load(); }

  const VectorIndex& images() const { return *images_; }
  const VectorIndex& captions() const { return *captions_; }
  int dimension() const { return images_->dimension(); }
  uint64_t last_sequence() const { return last_sequence_.load(std::memory_order_acquire); }
  const std::string& database_id() const { return database_id_; }
  const std::shared_ptr<const storage::Generation>& generation() const { return generation_; }
  // Built before the generation was the active one: what fills it is in no change
  // log, so changes are taken in once it is active, and with them what it lacked.
  // These three belong to whoever calls Apply.
  bool standby() const { return standby_; }
  const std::vector<storage::Ordinal>& lacked() const { return lacked_; }
  void Activate() {
    standby_ = false;
    lacked_.clear();
  }

 private:
  LibraryIndexes() = default;
  void NoteCaption(uint64_t caption_id);

  std::unique_ptr<VectorIndex> images_;
  std::unique_ptr<VectorIndex> captions_;
  Published<const EffortCurve> image_effort_;
  absl::flat_hash_map<storage::Ordinal, std::vector<uint64_t>> captions_of_;
  // Set when all that belongs to the change can be found.
  std::atomic<uint64_t> last_sequence_ = 0;
  std::string database_id_;
  std::shared_ptr<const storage::Generation> generation_;
  bool standby_ = false;
  std::vector<storage::Ordinal> lacked_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_LIBRARY_INDEXES_H_
