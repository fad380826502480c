#include "searcher/query_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eidetic::searcher {
namespace {

using ::testing::HasSubstr;

constexpr MachineCosts kCosts = {.sequential_ns = 20, .random_ns = 120};

struct Row {
  uint64_t live;
  std::optional<uint64_t> matching;
  bool has_graph;
  bool exact;
  QueryPlan plan;
};

TEST(QueryPlannerTest, Decisions) {
  const Row rows[] = {
      {0, std::nullopt, false, false, QueryPlan::kNone},
      {0, 0, true, false, QueryPlan::kNone},
      {200'000, 0, true, false, QueryPlan::kNone},
      {200'000, 0, true, true, QueryPlan::kNone},
      {1'000, std::nullopt, false, false, QueryPlan::kExact},
      {1'000'000, std::nullopt, false, false, QueryPlan::kExact},
      {200'000, std::nullopt, true, false, QueryPlan::kGraph},
      {200'000, std::nullopt, true, true, QueryPlan::kExact},
      {200'000, 200'000, true, false, QueryPlan::kGraph},
      {200'000, 20, true, false, QueryPlan::kExactFiltered},
      {200'000, 2'000, true, false, QueryPlan::kExactFiltered},
      {200'000, 180'000, true, false, QueryPlan::kGraphFiltered},
      {200'000, 180'000, true, true, QueryPlan::kExactFiltered},
      {200'000, 180'000, false, false, QueryPlan::kExactFiltered},
      {1'000'000, 500'000, true, false, QueryPlan::kGraphFiltered},
      {1'000'000, 10'000, true, false, QueryPlan::kExactFiltered},
      // The index may lag behind the attributes.
      {100, 120, false, false, QueryPlan::kExact},
  };
  for (const Row& row : rows) {
    const PlanDecision decision = PlanQuery(
        {.live = row.live, .matching = row.matching, .has_graph = row.has_graph, .exact = row.exact}, kCosts);
    EXPECT_STREQ(QueryPlanName(decision.plan), QueryPlanName(row.plan))
        << row.live << " live, " << row.matching.value_or(0) << " matching: " << decision.reason;
    EXPECT_FALSE(decision.reason.empty());
  }
}

TEST(QueryPlannerTest, TheCheaperPlanIsTakenAtEveryShare) {
  int switches = 0;
  QueryPlan last = QueryPlan::kExactFiltered;
  for (uint64_t matching = 1; matching < 1'000'000; matching += 1 + matching / 20) {
    const PlanDecision decision =
        PlanQuery({.live = 1'000'000, .matching = matching, .has_graph = true}, kCosts);
    EXPECT_EQ(decision.plan == QueryPlan::kGraphFiltered, decision.graph_ns < decision.exact_ns) << matching;
    switches += decision.plan != last ? 1 : 0;
    last = decision.plan;
  }
  EXPECT_EQ(switches, 1) << "from few to many the plan changes once";
  EXPECT_EQ(last, QueryPlan::kGraphFiltered);
}

TEST(QueryPlannerTest, AnEmptyFilterResultSaysSo) {
  EXPECT_THAT(PlanQuery({.live = 5, .matching = 0}, kCosts).reason, HasSubstr("no photo passes the filter"));
}

TEST(QueryPlannerTest, CostsOfThisMachineAreSane) {
  const MachineCosts costs = MeasureMachineCosts(256);
  EXPECT_GT(costs.sequential_ns, 0.5);
  EXPECT_GE(costs.random_ns, costs.sequential_ns);
  EXPECT_LT(costs.random_ns, 100'000);
}

}  // namespace
}  // namespace eidetic::searcher
