// Answers "which photos, which captions are nearest to this vector" for one
// generation of a library: keeps vector indexes over its embeddings in memory,
// follows the library's change log, saves snapshots and rebuilds when one is
// missing or doubtful. When the library moves on to another generation the engine
// stays as of that moment, and its owner puts one of the new generation in its
// place. Owned by the process that holds the library; the Library must outlive
// it. Every method may be called from any thread; searches wait for nobody.
//
//   ASSIGN_OR_RETURN(auto engine, SearchEngine::Open(library, {}));
//   ASSIGN_OR_RETURN(auto found, engine->SearchImages(query, {.limit = 10}));
#ifndef EIDETIC_SEARCHER_SEARCH_ENGINE_H_
#define EIDETIC_SEARCHER_SEARCH_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "searcher/query_vector.h"
#include "searcher/vector_index.h"
#include "storage/event_log.h"
#include "storage/file_system.h"
#include "storage/generation.h"
#include "storage/library.h"

namespace eidetic::searcher {

struct SearchEngineOptions {
  // What is searched. Null: the active generation, or in a library without a model
  // the first there will be. One that is not active yet is searched as it was
  // when it was opened, until it is.
  std::shared_ptr<const storage::Generation> generation;
  // Below this many vectors an index is exact, from it on an HNSW graph. Comparing
  // 100,000 vectors of 256 values takes some 5 ms; building their graph, minutes.
  size_t hnsw_from = 100'000;
  // A background thread takes in changes as they are committed. Off: CatchUp is
  // called by hand, until StartFollowing.
  bool follow_changes = true;
  // Float vectors stay in the snapshot's file and are read for the best candidates
  // of a search; memory holds codes and links.
  bool vectors_on_disk = false;
  // Progress of a rebuild: vectors done, vectors in all.
  std::function<void(uint64_t done, uint64_t total)> progress;
  // Where snapshots are written and read; must outlive the engine. Null: the real
  // file system.
  storage::FileSystem* file_system = nullptr;
  // Must outlive the engine; may be null.
  storage::EventLog* event_log = nullptr;
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
  // Vectors that are compared one by one until the graph takes them in.
  size_t tail = 0;
  // Held by both indexes.
  size_t memory_bytes = 0;
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

  // kFailedPrecondition: the query is of another model; kInvalidArgument: wrong
  // dimension, value not finite.
  virtual absl::StatusOr<ImageMatches> SearchImages(const QueryVector& query,
                                                    const VectorSearchOptions& options) const = 0;
  virtual absl::StatusOr<CaptionMatches> SearchCaptions(const QueryVector& query,
                                                        const VectorSearchOptions& options) const = 0;
  // One answer for each of `queries`, all of one state. What compares with all
  // vectors (`exact`, small libraries) does it for all queries in one pass.
  virtual absl::StatusOr<std::vector<ImageMatches>> SearchImagesBatch(
      std::span<const QueryVector> queries, const VectorSearchOptions& options) const = 0;

  // Takes in all changes committed before the call. kFailedPrecondition: the
  // library has moved to another generation.
  virtual absl::Status CatchUp() = 0;
  // Starts and ends the background threads. An engine whose place another one
  // takes must be stopped first: one engine at a time writes snapshots.
  virtual void StartFollowing() = 0;
  virtual void StopFollowing() = 0;
  // Writes a snapshot of the present state when it differs from the saved one;
  // does nothing for a library that is open for reading alone.
  virtual absl::Status SaveSnapshot() = 0;
  virtual SearchEngineStatus status() const = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SEARCH_ENGINE_H_
