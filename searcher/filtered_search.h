// A search among the photos that pass a filter: attribute index, planner and
// vector index together. Borrows engine and attributes, which must outlive it.
// Every method may be called from any thread.
//
//   AttributeIndex attributes(library, {});
//   FilteredSearch search(engine, &attributes);
//   ASSIGN_OR_RETURN(const FilterExpression filter, CompileFilter("tag:beach"));
//   ASSIGN_OR_RETURN(const FilteredMatches found, search.SearchImages(query, filter, {.limit = 10}, {}));
#ifndef EIDETIC_SEARCHER_FILTERED_SEARCH_H_
#define EIDETIC_SEARCHER_FILTERED_SEARCH_H_

#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "searcher/attribute_index.h"
#include "searcher/filter_expression.h"
#include "searcher/query_planner.h"
#include "searcher/search_engine.h"

namespace eidetic::searcher {

struct FilteredMatches {
  ImageMatches found;
  FilterMatches filter;
  PlanDecision decision;
  absl::Duration filter_time;
};

class FilteredSearch {
 public:
  FilteredSearch(const SearchEngine* engine, AttributeIndex* attributes)
      : engine_(engine), attributes_(attributes) {}

  // Photos nearest to `query` among those that pass. `options.filter` is not
  // looked at. `cancelled` may be empty. Errors: those of SearchEngine and of
  // AttributeIndex::Evaluate.
  absl::StatusOr<FilteredMatches> SearchImages(const QueryVector& query, const FilterExpression& filter,
                                               VectorSearchOptions options,
                                               const std::function<bool()>& cancelled);

 private:
  MachineCosts Costs(int dimension);

  const SearchEngine* const engine_;
  AttributeIndex* const attributes_;
  absl::Mutex mutex_;
  // Measured once, when a graph is there to choose.
  std::optional<MachineCosts> costs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_FILTERED_SEARCH_H_
