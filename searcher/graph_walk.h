// The search of an HNSW graph: best first over int8 codes, with the next
// neighbours' codes on their way from memory while the present ones are compared.
// Stateless but for scratch memory that each thread keeps; any thread.
//
//   const CodedQuery query(vector);
//   std::vector<Candidate> found;
//   WalkGraph(*graph, rows, query, {.effort = 64}, found);  // best first
#ifndef EIDETIC_SEARCHER_GRAPH_WALK_H_
#define EIDETIC_SEARCHER_GRAPH_WALK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "searcher/hnsw_graph.h"
#include "searcher/id_filter.h"
#include "searcher/vector_codes.h"
#include "searcher/vector_rows.h"

namespace eidetic::searcher {

// A row with its score by codes: near the true one, not equal to it.
struct Candidate {
  float score;
  uint32_t position;
};

struct WalkOptions {
  // Candidates kept while walking (ef); with a filter, of those that pass.
  size_t effort = 64;
  // Rows the reader sees; at least the graph's size.
  uint32_t rows = 0;
  // Only live rows whose id is in it are returned, though the walk goes through
  // all; null: all live ones.
  const IdFilter* filter = nullptr;
  // How many to return at most.
  size_t limit = 10;
  // With a filter or removed rows: the walk gives up after so many comparisons,
  // when the best rows are kept from it by many better ones that do not pass.
  size_t most_compared = SIZE_MAX;
};

struct WalkStats {
  size_t compared = 0;  // rows
  size_t expanded = 0;  // nodes whose links were followed
  bool gave_up = false;
};

// Replaces what is in `found`.
WalkStats WalkGraph(const HnswGraph& graph, const VectorRows& rows, const CodedQuery& query,
                    const WalkOptions& options, std::vector<Candidate>& found);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_GRAPH_WALK_H_
