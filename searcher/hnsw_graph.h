// The links of an HNSW graph over the rows of an index, laid out for walking:
// those of the lowest level side by side in huge pages, 2 M a node, those of the
// few nodes above in a table. Built by FAISS over int8 distances, on several
// threads. Immutable: a larger graph is made from a copy of this one, so that
// readers of the old one never wait. Any thread.
//
//   ASSIGN_OR_RETURN(auto graph, HnswGraph::Build(rows, rows.size(), nullptr, {.threads = 2}));
//   for (const int32_t next : graph->links(position)) ...  // up to the first -1
#ifndef EIDETIC_SEARCHER_HNSW_GRAPH_H_
#define EIDETIC_SEARCHER_HNSW_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "searcher/huge_pages.h"
#include "searcher/snapshot_part.h"
#include "searcher/vector_rows.h"

namespace faiss {
struct HNSW;
}

namespace eidetic::searcher {

struct GraphBuildOptions {
  // Links a node keeps above the lowest level (M; twice as many on it), and
  // candidates kept while building.
  int links = 32;
  int ef_construction = 80;
  // 0: one a core.
  int threads = 0;
  // Beside searches: the threads give way to others.
  bool low_priority = false;
  // Nodes put in, nodes in all; called by one thread at a time.
  std::function<void(uint64_t done, uint64_t total)> progress;
  // Asked often, by any of the threads; true: the build ends with kCancelled.
  std::function<bool()> cancelled;
};

class HnswGraph {
 public:
  // A graph of the first `size` rows: of `base` and the rows after it, or, when
  // null, anew. kCancelled; kResourceExhausted: no memory.
  static absl::StatusOr<std::shared_ptr<const HnswGraph>> Build(const VectorRows& rows, uint32_t size,
                                                                const HnswGraph* base,
                                                                const GraphBuildOptions& options);
  // From the bytes that Store gave, proved. kDataLoss: not a graph of at most
  // `rows` rows.
  static absl::StatusOr<std::shared_ptr<const HnswGraph>> Load(PageBuffer stored, uint32_t rows);

  HnswGraph(const HnswGraph&) = delete;
  HnswGraph& operator=(const HnswGraph&) = delete;

  // Nodes are the positions below this.
  uint32_t size() const { return size_; }
  // On the lowest level; the first -1 ends them.
  std::span<const int32_t> links(uint32_t position) const {
    return {lowest_ + static_cast<size_t>(position) * width_, width_};
  }
  // On `level` (1 and up) of a node that is there.
  std::span<const int32_t> links(uint32_t position, int level) const;
  size_t width() const { return width_; }
  int top_level() const { return top_level_; }
  uint32_t entry() const { return entry_; }

  // As a part of a snapshot; `self` keeps what it borrows.
  static SnapshotPart Store(const std::shared_ptr<const HnswGraph>& self);
  // In FAISS's own structure: `graph` can be part of a faiss::IndexHNSW.
  void CopyTo(faiss::HNSW& graph) const;
  size_t memory_bytes() const;

 private:
  HnswGraph() = default;
  static absl::StatusOr<std::shared_ptr<const HnswGraph>> CopyFrom(const faiss::HNSW& graph);

  // A node above the lowest level: how many levels, and where its links begin.
  struct UpperNode {
    uint32_t position;
    uint32_t levels;
  };
  // Fills upper_begin_. kDataLoss: nodes and links do not fit together.
  absl::Status IndexUpperNodes();

  uint32_t size_ = 0;
  uint32_t width_ = 0;  // 2 M
  int top_level_ = -1;
  uint32_t entry_ = 0;
  PageBuffer memory_;
  const int32_t* lowest_ = nullptr;
  // Those of the upper nodes, level by level, M each.
  std::vector<UpperNode> upper_nodes_;
  std::vector<int32_t> upper_links_;
  absl::flat_hash_map<uint32_t, uint32_t> upper_begin_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_HNSW_GRAPH_H_
