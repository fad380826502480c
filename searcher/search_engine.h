// Answers "which photos, which captions are nearest to this vector" for one
// library: keeps vector indexes over its embeddings in memory, follows its
// change log, saves snapshots and rebuilds when one is missing or doubtful.
// Owned by the process that holds the library; the Library must outlive it.
// Every method may be called from any thread.
//
//   ASSIGN_OR_RETURN(auto engine, SearchEngine::Open(library, {}));
//   ASSIGN_OR_RETURN(auto found, engine->SearchImages(vector, {.limit = 10}));
#ifndef EIDETIC_SEARCHER_SEARCH_ENGINE_H_
#define EIDETIC_SEARCHER_SEARCH_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "searcher/vector_index.h"
#include "storage/file_system.h"
#include "storage/library.h"

namespace eidetic::searcher {

struct SearchEngineOptions {
  // Below this many vectors an index is exact, from it on an HNSW graph. Comparing
  // 100,000 vectors of 256 values takes some 5 ms; building their graph, minutes.
  size_t hnsw_from = 100'000;
  // A background thread takes in changes as they are committed. Off: CatchUp is
  // called by hand.
  bool follow_changes = true;
  // Progress of a rebuild: vectors done, vectors in all.
  std::function<void(uint64_t done, uint64_t total)> progress;
  // Where snapshots are written and read; must outlive the engine. Null: the real
  // file system.
  storage::FileSystem* file_system = nullptr;
};

// What was searched, for `explain`.
struct SearchTrace {
  IndexKind kind = IndexKind::kExact;
  std::string reason;
  size_t index_size = 0;
  size_t live_size = 0;
  int ef_search = 0;
  // Change number the answer contains everything up to.
  uint64_t last_sequence = 0;
};

struct ImageMatches {
  std::vector<Neighbor> neighbors;  // id = Ordinal
  SearchTrace trace;
};

struct CaptionMatches {
  std::vector<Neighbor> neighbors;  // id = CaptionId
  SearchTrace trace;
};

// Snapshots that were damaged, or not this library's, since the engine opened.
struct SnapshotRejections {
  uint64_t count = 0;
  std::string last_reason;
  absl::Time last_time;
};

struct SearchEngineStatus {
  IndexKind kind = IndexKind::kExact;
  bool building = false;
  size_t vectors = 0;
  size_t tombstones = 0;
  size_t caption_vectors = 0;
  uint64_t last_sequence = 0;
  uint64_t snapshot_bytes = 0;
  // "snapshot", "rebuilt" or "empty", and why a snapshot was not used.
  std::string origin;
  std::string origin_detail;
  SnapshotRejections rejections;
};

class SearchEngine {
 public:
  // Loads the snapshot in `library->directory()`/index when it is whole and of
  // the active generation, otherwise rebuilds from the library; then takes in
  // the changes since. A library without a model gives an empty engine that
  // starts when the first embedding comes. kDataLoss: the snapshot proves that the
  // database has lost changes.
  static absl::StatusOr<std::unique_ptr<SearchEngine>> Open(storage::Library* library,
                                                            const SearchEngineOptions& options);
  virtual ~SearchEngine() = default;

  // kInvalidArgument: wrong dimension, value not finite.
  virtual absl::StatusOr<ImageMatches> SearchImages(std::span<const float> query,
                                                    const VectorSearchOptions& options) const = 0;
  virtual absl::StatusOr<CaptionMatches> SearchCaptions(std::span<const float> query,
                                                        const VectorSearchOptions& options) const = 0;

  // Takes in all changes committed before the call.
  virtual absl::Status CatchUp() = 0;
  // Writes a snapshot of the present state when it differs from the saved one.
  virtual absl::Status SaveSnapshot() = 0;
  virtual SearchEngineStatus status() const = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SEARCH_ENGINE_H_
