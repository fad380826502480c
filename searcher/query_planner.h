// Chooses how a search is answered: compare with all that pass the filter, walk
// the graph, or neither. The cost model is in docs/search_planning.md. Stateless;
// any thread.
//
//   const MachineCosts costs = MeasureMachineCosts(256);
//   const PlanDecision decision = PlanQuery(
//       {.live = 200'000, .matching = 1'200, .has_graph = true, .limit = 10}, costs);
//   // decision.plan == QueryPlan::kExactFiltered
#ifndef EIDETIC_SEARCHER_QUERY_PLANNER_H_
#define EIDETIC_SEARCHER_QUERY_PLANNER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace eidetic::searcher {

enum class QueryPlan {
  kNone,           // nothing passes the filter: there is nothing to search
  kExact,          // compare with every vector
  kGraph,          // walk the graph
  kExactFiltered,  // compare with those that pass the filter
  kGraphFiltered,  // walk the graph, keep those that pass the filter
};

// "none", "exact", "hnsw", "exact_filtered", "hnsw_filtered".
const char* QueryPlanName(QueryPlan plan);

// Nanoseconds to compare the query with one vector.
struct MachineCosts {
  double sequential_ns = 20;  // the next one in memory
  double random_ns = 120;     // one from anywhere
};

// Measured over 32 MB of vectors in some 10 ms.
MachineCosts MeasureMachineCosts(int dimension);

struct PlanInputs {
  // Vectors in the index.
  uint64_t live = 0;
  // Those that pass the filter; nullopt: there is no filter.
  std::optional<uint64_t> matching;
  bool has_graph = false;
  // The caller wants every vector compared.
  bool exact = false;
  size_t limit = 10;
  // Candidates kept by the graph search without a filter.
  int ef_search = 256;
};

struct PlanDecision {
  QueryPlan plan = QueryPlan::kNone;
  // One sentence, for `explain`.
  std::string reason;
  // Costs of comparing all (that pass), and of the graph (0 without one).
  double exact_ns = 0;
  double graph_ns = 0;
  // Vectors that the plan is expected to compare.
  uint64_t comparisons = 0;
};

PlanDecision PlanQuery(const PlanInputs& inputs, const MachineCosts& costs);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_QUERY_PLANNER_H_
