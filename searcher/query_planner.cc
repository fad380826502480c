#include "searcher/query_planner.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "searcher/inner_product.h"

namespace eidetic::searcher {
namespace {

// Vectors that a walk compares for each candidate it keeps: of a node's 64 links
// most lead to nodes seen before. An assumption, not measured.
constexpr double kComparisonsPerCandidate = 16;

constexpr size_t kCalibrationBytes = size_t{32} << 20;
constexpr size_t kRandomComparisons = 10'000;

// Keeps the compiler from leaving out what is measured.
volatile float calibration_sink = 0;

// As people say it: "0.03 %".
std::string Percent(double share) { return absl::StrFormat("%.2g %%", share * 100); }

}  // namespace

const char* QueryPlanName(QueryPlan plan) {
  switch (plan) {
    case QueryPlan::kNone:
      return "none";
    case QueryPlan::kExact:
      return "exact";
    case QueryPlan::kGraph:
      return "hnsw";
    case QueryPlan::kExactFiltered:
      return "exact_filtered";
    case QueryPlan::kGraphFiltered:
      return "hnsw_filtered";
  }
  return "";
}

PlanDecision PlanQuery(const PlanInputs& inputs, const MachineCosts& costs) {
  PlanDecision decision;
  const bool filtered = inputs.matching.has_value() && *inputs.matching < inputs.live;
  const auto live = static_cast<double>(inputs.live);
  const double candidates = std::min(static_cast<double>(inputs.matching.value_or(inputs.live)), live);
  if (candidates == 0) {
    decision.reason = inputs.live == 0 ? "the library holds no vectors" : "no photo passes the filter";
    return decision;
  }
  const double share = candidates / live;

  // Comparing all candidates: the fewer pass, the farther apart they lie.
  decision.exact_ns = candidates * (share * costs.sequential_ns + (1 - share) * costs.random_ns);
  // Walking the graph: to keep `ef` that pass, ef / share are kept in all; it
  // never compares more than there are.
  const double kept = std::max<double>(inputs.ef_search, static_cast<double>(inputs.limit)) / share;
  const double walked = std::min(live, kept * kComparisonsPerCandidate);
  if (inputs.has_graph) decision.graph_ns = walked * costs.random_ns;

  const bool walks = inputs.has_graph && !inputs.exact && decision.graph_ns < decision.exact_ns;
  decision.plan = walks ? (filtered ? QueryPlan::kGraphFiltered : QueryPlan::kGraph)
                        : (filtered ? QueryPlan::kExactFiltered : QueryPlan::kExact);
  decision.comparisons = static_cast<uint64_t>(walks ? walked : candidates);

  const std::string found =
      filtered ? absl::StrCat(static_cast<uint64_t>(candidates), " of ", inputs.live, " photos (",
                              Percent(share), ") pass the filter: ")
               : absl::StrCat(inputs.live, " photos",
                              inputs.matching.has_value() ? ", all pass the filter: " : ": ");
  if (inputs.exact) {
    decision.reason = absl::StrCat(found, "exact search was asked for");
  } else if (!inputs.has_graph) {
    decision.reason = absl::StrCat(found, "there is no graph, comparing them is exact");
  } else {
    decision.reason = absl::StrCat(
        found, walks ? "the graph is faster than comparing them" : "comparing them is faster than the graph");
  }
  return decision;
}

MachineCosts MeasureMachineCosts(int dimension) {
  const InnerProductKernel dot = BestInnerProduct();
  const auto size = static_cast<size_t>(std::max(dimension, 1));
  const size_t count = std::max<size_t>(kCalibrationBytes / (size * sizeof(float)), 16);
  // Written once, so that the pages are there.
  std::vector<float> vectors(count * size, 1.0F);
  const std::vector<float> query(size, 0.5F);
  const auto time = [&](size_t comparisons, const auto& place) {
    const auto began = std::chrono::steady_clock::now();
    float sum = 0;
    for (size_t i = 0; i < comparisons; ++i) sum += dot(query.data(), vectors.data() + place(i) * size, size);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    calibration_sink = sum;
    return took.count() / static_cast<double>(comparisons);
  };
  MachineCosts costs;
  costs.sequential_ns = time(count, [](size_t i) { return i; });
  std::minstd_rand random(1);
  std::vector<uint32_t> places(kRandomComparisons);
  for (uint32_t& place : places) place = static_cast<uint32_t>(random() % count);
  costs.random_ns = time(places.size(), [&places](size_t i) { return places[i]; });
  // A hiccup of the machine must not turn the order round.
  costs.random_ns = std::max(costs.random_ns, costs.sequential_ns);
  return costs;
}

}  // namespace eidetic::searcher
