// Nearest neighbours by inner product over unit vectors, each under a 64-bit id.
// Two kinds: exact (compares with all) and hnsw (graph). The caller serialises
// writers against everything else; Search may run in many threads at once.
//
//   ASSIGN_OR_RETURN(auto index, NewVectorIndex({.dimension = 256}));
//   RETURN_IF_ERROR(index->Add(ids, vectors));
//   ASSIGN_OR_RETURN(auto hits, index->Search(query, {.limit = 10}));
#ifndef EIDETIC_SEARCHER_VECTOR_INDEX_H_
#define EIDETIC_SEARCHER_VECTOR_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eidetic::searcher {

enum class IndexKind { kExact, kHnsw };

struct VectorIndexOptions {
  int dimension = 0;
  IndexKind kind = IndexKind::kExact;
  // HNSW: links a node keeps (M), and candidates kept while building.
  int links = 32;
  int ef_construction = 80;
};

struct VectorSearchOptions {
  size_t limit = 10;
  // Candidates kept by the graph search; 0: DefaultEfSearch(limit).
  int ef_search = 0;
  // Compare with every vector even when there is a graph.
  bool exact = false;
  // Only ids for which this is true are returned; empty: all. Called from
  // Search's thread, many times: keep it cheap.
  std::function<bool(uint64_t id)> filter;
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

  // `vectors` holds ids.size() rows. An id that is there already is replaced.
  virtual absl::Status Add(std::span<const uint64_t> ids, std::span<const float> vectors) = 0;
  // Ids that are not there are passed over; returns how many were removed.
  virtual absl::StatusOr<size_t> Remove(std::span<const uint64_t> ids) = 0;
  // Best first; equal scores by rising id. Never a removed id. With a filter an
  // answer is never shorter than it has to be: with few candidates, or where the
  // graph finds too few, all vectors are compared. kInvalidArgument: wrong
  // dimension, value not finite.
  virtual absl::StatusOr<std::vector<Neighbor>> Search(std::span<const float> query,
                                                       const VectorSearchOptions& options) const = 0;
  // The vector of a live id.
  virtual std::optional<std::vector<float>> Vector(uint64_t id) const = 0;
  // Live ids, in no fixed order.
  virtual std::vector<uint64_t> Ids() const = 0;
  // The whole index as bytes, for a snapshot (docs/index_snapshot.md).
  virtual absl::StatusOr<std::string> Serialize() const = 0;
};

absl::StatusOr<std::unique_ptr<VectorIndex>> NewVectorIndex(const VectorIndexOptions& options);

// `verified` is what Serialize gave, proved by checksum: FAISS's reader crashes
// on damaged bytes. kDataLoss when dimension or counts do not fit all the same.
absl::StatusOr<std::unique_ptr<VectorIndex>> ParseVectorIndex(std::span<const uint8_t> verified,
                                                              int dimension);

// The candidates that a graph search keeps when asked for `limit` hits and for
// no effort of its own.
int DefaultEfSearch(size_t limit);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_VECTOR_INDEX_H_
