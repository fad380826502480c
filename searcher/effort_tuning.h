// How much effort a graph search needs on this library to find what an exact one
// does, measured: recall@10 of held-out queries (captions' texts, which are in no
// index of photos) at rising ef_search. Text queries need several times what
// photos do, and how much depends on the library. Immutable; any thread.
//
//   ASSIGN_OR_RETURN(EffortCurve curve, MeasureEffort(index, queries, {}));
//   int ef_search = curve.EffortFor(0.98);
#ifndef EIDETIC_SEARCHER_EFFORT_TUNING_H_
#define EIDETIC_SEARCHER_EFFORT_TUNING_H_

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "searcher/vector_index.h"

namespace eidetic::searcher {

// Share of the truly best hits that a search should find when nothing else is
// asked for.
inline constexpr double kDefaultRecall = 0.98;
// Fewer queries tell too little.
inline constexpr size_t kFewestTuningQueries = 50;

struct EffortPoint {
  int ef_search = 0;
  double recall = 0;
};

struct EffortCurve {
  // Measured with; 0: nothing was.
  size_t queries = 0;
  // By rising ef_search.
  std::vector<EffortPoint> points;

  // The least measured effort that reached `recall`, or the greatest measured; 0
  // when nothing was.
  int EffortFor(double recall) const;
};

struct EffortOptions {
  // Measured until this recall is reached.
  double recall = 0.995;
  std::function<bool()> cancelled;
};

// `queries`: rows of the index's dimension. An index without a graph gives a
// curve without points. kCancelled.
absl::StatusOr<EffortCurve> MeasureEffort(const VectorIndex& index, std::span<const float> queries,
                                          const EffortOptions& options);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_EFFORT_TUNING_H_
