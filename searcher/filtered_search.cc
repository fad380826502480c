#include "searcher/filtered_search.h"

#include <utility>

#include "absl/time/clock.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {

absl::StatusOr<FilteredMatches> FilteredSearch::SearchImages(const QueryVector& query,
                                                             const FilterExpression& filter,
                                                             VectorSearchOptions options,
                                                             const std::function<bool()>& cancelled) {
  FilteredMatches matches;
  const absl::Time began = absl::Now();
  EIDETIC_ASSIGN_OR_RETURN(matches.filter, attributes_->Evaluate(filter, cancelled));
  matches.filter_time = absl::Now() - began;

  const SearchEngineStatus index = engine_->status();
  const PlanInputs inputs = {
      .live = index.vectors,
      .matching = matches.filter.photos->Cardinality(),
      .has_graph = index.kind == IndexKind::kHnsw,
      .exact = options.exact,
      .limit = options.limit,
      .ef_search = options.ef_search > 0 ? options.ef_search : DefaultEfSearch(options.limit)};
  matches.decision =
      PlanQuery(inputs, inputs.has_graph ? Costs(static_cast<int>(query.values().size())) : MachineCosts());

  // The engine is asked also when nothing passes: it refuses a bad query, and
  // tells of what state the empty answer is.
  if (matches.decision.plan == QueryPlan::kNone) options.limit = 0;
  options.exact = options.exact || matches.decision.plan == QueryPlan::kExact ||
                  matches.decision.plan == QueryPlan::kExactFiltered;
  options.filter = matches.filter.photos.get();
  EIDETIC_ASSIGN_OR_RETURN(matches.found, engine_->SearchImages(query, options));
  return matches;
}

MachineCosts FilteredSearch::Costs(int dimension) {
  const absl::MutexLock lock(&mutex_);
  if (!costs_.has_value()) costs_ = MeasureMachineCosts(dimension);
  return *costs_;
}

}  // namespace eidetic::searcher
