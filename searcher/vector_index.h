// Nearest neighbours by inner product over unit vectors, each under a 64-bit id.
// Two kinds: exact (compares with all) and hnsw (a graph, and the few vectors that
// are not in it yet). Writers (Add, Remove) are serialised by the caller, and so
// is BuildGraph with itself; searches run beside all of them in any number of
// threads and never wait.
//
//   ASSIGN_OR_RETURN(auto index, NewVectorIndex({.dimension = 256}));
//   RETURN_IF_ERROR(index->Add(ids, vectors));
//   RETURN_IF_ERROR(index->BuildGraph({}));
//   ASSIGN_OR_RETURN(auto hits, index->Search(query, {.limit = 10}));
#ifndef EIDETIC_SEARCHER_VECTOR_INDEX_H_
#define EIDETIC_SEARCHER_VECTOR_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "searcher/hnsw_graph.h"
#include "searcher/id_filter.h"
#include "searcher/snapshot_part.h"
#include "searcher/vector_rows.h"

namespace eidetic::searcher {

enum class IndexKind { kExact, kHnsw };

struct VectorIndexOptions {
  int dimension = 0;
  // How many will be added, where it is known: memory is taken in larger pages.
  size_t expected_vectors = 0;
};

struct VectorSearchOptions {
  size_t limit = 10;
  // Candidates kept by the graph search; 0: DefaultEfSearch(limit).
  int ef_search = 0;
  // Compare with every vector even when there is a graph.
  bool exact = false;
  // Only ids that it contains are returned; null: all.
  const IdFilter* filter = nullptr;
};

struct Neighbor {
  uint64_t id = 0;
  float score = 0;  // inner product
};

class VectorIndex {
 public:
  virtual ~VectorIndex() = default;

  virtual IndexKind kind() const = 0;
  virtual int dimension() const = 0;
  // Live vectors, and removed ones that still take room.
  virtual size_t size() const = 0;
  virtual size_t tombstones() const = 0;

  // Vectors that the graph does not hold yet: all are compared in every search.
  virtual size_t tail() const = 0;
  // Bytes held in memory.
  virtual size_t memory_bytes() const = 0;

  // `vectors` holds ids.size() rows. An id that is there already is replaced: a
  // search sees the old or the new one. Searches see all of a call or nothing.
  virtual absl::Status Add(std::span<const uint64_t> ids, std::span<const float> vectors) = 0;
  // Ids that are not there are passed over; returns how many were removed.
  virtual absl::StatusOr<size_t> Remove(std::span<const uint64_t> ids) = 0;
  // Puts all vectors of this moment into the graph, or makes one. kCancelled.
  virtual absl::Status BuildGraph(const GraphBuildOptions& options) = 0;

  // Best first; equal scores by rising id. Never a removed id. With a filter an
  // answer is never shorter than it has to be: with few candidates, or where the
  // graph finds too few, all vectors are compared. kInvalidArgument: wrong
  // dimension, value not finite.
  virtual absl::StatusOr<std::vector<Neighbor>> Search(std::span<const float> query,
                                                       const VectorSearchOptions& options) const = 0;
  // One answer for each row of `queries`. What compares with all vectors does it
  // for all queries in one pass.
  virtual absl::StatusOr<std::vector<std::vector<Neighbor>>> SearchBatch(
      std::span<const float> queries, const VectorSearchOptions& options) const = 0;

  // The vector of a live id, as it was added. kNotFound; errors of reading, where
  // vectors are on disk.
  virtual absl::StatusOr<std::vector<float>> Vector(uint64_t id) const = 0;
  // Live ids, in no fixed order.
  virtual std::vector<uint64_t> Ids() const = 0;
  // The index as parts of a snapshot, under these suffixes: "" (table of rows),
  // "-codes", "-vectors", and "-graph" when there is one (docs/index_snapshot.md).
  // They borrow from the index, which must outlive them; it may change meanwhile.
  virtual std::map<std::string, SnapshotPart> Store() const = 0;
};

absl::StatusOr<std::unique_ptr<VectorIndex>> NewVectorIndex(const VectorIndexOptions& options);

// What Store gave, each part proved by checksum. No graph: an empty one.
struct StoredVectorIndex {
  StoredRows rows;
  PageBuffer graph;
};

// kDataLoss when dimension or counts do not fit all the same.
absl::StatusOr<std::unique_ptr<VectorIndex>> LoadVectorIndex(int dimension, StoredVectorIndex stored);

// The candidates that a graph search keeps when asked for `limit` hits and for
// no effort of its own.
int DefaultEfSearch(size_t limit);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_VECTOR_INDEX_H_
