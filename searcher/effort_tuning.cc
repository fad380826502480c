#include "searcher/effort_tuning.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

constexpr size_t kHits = 10;
constexpr int kEfforts[] = {32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1'024, 1'536, 2'048, 4'096};

}  // namespace

int EffortCurve::EffortFor(double recall) const {
  if (points.empty()) return 0;
  const auto enough = std::find_if(points.begin(), points.end(),
                                   [recall](const EffortPoint& point) { return point.recall >= recall; });
  return enough != points.end() ? enough->ef_search : points.back().ef_search;
}

absl::StatusOr<EffortCurve> MeasureEffort(const VectorIndex& index, std::span<const float> queries,
                                          const EffortOptions& options) {
  EffortCurve curve;
  if (index.kind() != IndexKind::kHnsw || queries.empty()) return curve;
  const auto stopped = [&] { return options.cancelled && options.cancelled(); };
  if (stopped()) return absl::CancelledError("measuring the effort was stopped");
  EIDETIC_ASSIGN_OR_RETURN(const auto truth, index.SearchBatch(queries, {.limit = kHits, .exact = true}));
  std::vector<absl::flat_hash_set<uint64_t>> wanted;
  size_t all = 0;
  for (const std::vector<Neighbor>& hits : truth) {
    auto& ids = wanted.emplace_back();
    for (const Neighbor& hit : hits) ids.insert(hit.id);
    all += ids.size();
  }
  if (all == 0) return curve;
  curve.queries = truth.size();
  const auto width = static_cast<size_t>(index.dimension());
  for (const int effort : kEfforts) {
    size_t found = 0;
    for (size_t q = 0; q < truth.size(); ++q) {
      if (stopped()) return absl::CancelledError("measuring the effort was stopped");
      EIDETIC_ASSIGN_OR_RETURN(const auto hits, index.Search(queries.subspan(q * width, width),
                                                             {.limit = kHits, .ef_search = effort}));
      for (const Neighbor& hit : hits) found += wanted[q].count(hit.id);
    }
    curve.points.push_back({effort, static_cast<double>(found) / static_cast<double>(all)});
    if (curve.points.back().recall >= options.recall) break;
  }
  return curve;
}

}  // namespace eidetic::searcher
