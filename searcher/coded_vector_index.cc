// VectorIndex over int8 codes: rows that only grow, a graph over the first of
// them, and an exact scan of the rest.

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "searcher/exact_scan.h"
#include "searcher/graph_walk.h"
#include "searcher/published.h"
#include "searcher/vector_index.h"

namespace eidetic::searcher {
namespace {

constexpr int kMaxDimension = 65'536;
// With a filter: below this many candidates all are compared.
constexpr uint64_t kExactCandidates = 20'000;
// Candidates of a filter are looked up one by one when they are fewer than one
// row in so many; otherwise all rows are asked whether they pass.
constexpr uint64_t kRowsPerLookup = 8;
// A walk past rows that do not pass gives up when it has compared one in so many
// of those that do: then comparing all of them costs as much again.
constexpr uint64_t kCandidatesPerComparison = 3;

// Candidates by code whose true scores are looked at, to fill `limit` places.
size_t RankedAgain(size_t limit) { return 2 * limit + 10; }

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

class CodedVectorIndex final : public VectorIndex {
 public:
  CodedVectorIndex(std::unique_ptr<VectorRows> rows, std::shared_ptr<const HnswGraph> graph)
      : rows_(std::move(rows)), graph_(std::move(graph)) {}

  IndexKind kind() const override { return graph_.load() != nullptr ? IndexKind::kHnsw : IndexKind::kExact; }
  int dimension() const override { return rows_->dimension(); }
  size_t size() const override { return rows_->live(); }
  size_t tombstones() const override {
    // Two numbers of slightly different moments.
    const uint32_t live = rows_->live();
    return std::max(rows_->size(), live) - live;
  }
  size_t tail() const override {
    const auto graph = graph_.load();
    return rows_->size() - (graph != nullptr ? graph->size() : 0);
  }
  size_t memory_bytes() const override {
    const auto graph = graph_.load();
    return rows_->memory_bytes() + (graph != nullptr ? graph->memory_bytes() : 0);
  }

  absl::Status Add(std::span<const uint64_t> ids, std::span<const float> vectors) override {
    if (vectors.size() != ids.size() * static_cast<size_t>(dimension())) {
      return absl::InvalidArgumentError(absl::StrCat(ids.size(), " ids of dimension ", dimension(),
                                                     " do not fit ", vectors.size(), " values"));
    }
    if (!AllFinite(vectors)) return absl::InvalidArgumentError("a vector has a value that is not finite");
    if (absl::flat_hash_set<uint64_t>(ids.begin(), ids.end()).size() != ids.size()) {
      return absl::InvalidArgumentError("an id is given twice");
    }
    return ids.empty() ? absl::OkStatus() : rows_->Append(ids, vectors);
  }

  absl::StatusOr<size_t> Remove(std::span<const uint64_t> ids) override {
    size_t removed = 0;
    for (const uint64_t id : ids) removed += rows_->Remove(id) ? 1 : 0;
    return removed;
  }

  absl::Status BuildGraph(const GraphBuildOptions& options) override {
    const uint32_t size = rows_->size();
    const std::shared_ptr<const HnswGraph> base = graph_.load();
    if (size == 0 || (base != nullptr && base->size() == size)) return absl::OkStatus();
    EIDETIC_ASSIGN_OR_RETURN(std::shared_ptr<const HnswGraph> built,
                             HnswGraph::Build(*rows_, size, base.get(), options));
    graph_.store(std::move(built));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Neighbor>> Search(std::span<const float> query,
                                               const VectorSearchOptions& options) const override {
    EIDETIC_ASSIGN_OR_RETURN(auto answers, SearchBatch(query, options));
    if (answers.size() != 1) return WrongSize(query.size());
    return std::move(answers.front());
  }

  absl::StatusOr<std::vector<std::vector<Neighbor>>> SearchBatch(
      std::span<const float> queries, const VectorSearchOptions& options) const override {
    const auto width = static_cast<size_t>(dimension());
    if (queries.size() % width != 0) return WrongSize(queries.size());
    if (!AllFinite(queries)) return absl::InvalidArgumentError("the query has a value that is not finite");
    // The graph first: the rows then seen are never fewer than its nodes.
    const std::shared_ptr<const HnswGraph> graph = graph_.load();
    Plan plan = MakePlan(graph.get(), options);
    std::vector<ScanQuery> coded;
    for (size_t begin = 0; begin < queries.size(); begin += width) {
      coded.emplace_back(queries.subspan(begin, width));
    }
    std::vector<BestHits> best(coded.size(), BestHits(plan.limit));
    if (plan.limit > 0) EIDETIC_RETURN_IF_ERROR(Run(plan, graph.get(), coded, best));
    std::vector<std::vector<Neighbor>> answers;
    answers.reserve(best.size());
    for (BestHits& hits : best) answers.push_back(hits.Take());
    return answers;
  }

  absl::StatusOr<std::vector<float>> Vector(uint64_t id) const override {
    const uint32_t found = rows_->Find(id);
    // After the look-up: what it found is among these rows.
    const uint32_t position =
        found == IdTable::kAbsent ? IdTable::kAbsent : rows_->LiveRow(found, rows_->size());
    if (position == IdTable::kAbsent) {
      return absl::NotFoundError(absl::StrCat("the index holds no vector of id ", id));
    }
    std::vector<float> vector(static_cast<size_t>(dimension()));
    EIDETIC_RETURN_IF_ERROR(rows_->ReadVector(position, vector));
    return vector;
  }

  std::vector<uint64_t> Ids() const override {
    const uint32_t size = rows_->size();
    std::vector<uint64_t> live;
    live.reserve(this->size());
    for (uint32_t position = 0; position < size; ++position) {
      if (rows_->IsLive(position, size)) live.push_back(rows_->id(position));
    }
    return live;
  }

  std::map<std::string, SnapshotPart> Store() const override {
    const std::shared_ptr<const HnswGraph> graph = graph_.load();
    auto parts = rows_->Store(rows_->size());
    if (graph != nullptr) parts["-graph"] = HnswGraph::Store(graph);
    return parts;
  }

 private:
  // How one call is answered.
  struct Plan {
    uint32_t rows = 0;  // that it sees
    size_t limit = 0;
    const IdFilter* filter = nullptr;
    uint64_t candidates = 0;  // live rows that may pass
    size_t effort = 0;        // 0: the graph is not walked
  };

  absl::Status WrongSize(size_t values) const {
    return absl::InvalidArgumentError(
        absl::StrCat("the query has ", values, " values, the index has dimension ", dimension()));
  }

  Plan MakePlan(const HnswGraph* graph, const VectorSearchOptions& options) const {
    Plan plan;
    plan.rows = rows_->size();
    const size_t live = size();
    plan.limit = std::min(options.limit, live);
    plan.filter = options.filter;
    plan.candidates = plan.filter != nullptr ? std::min<uint64_t>(plan.filter->Cardinality(), live) : live;
    // Few candidates: comparing all of them is faster than walking past the rest.
    const bool few = plan.filter != nullptr && plan.candidates < kExactCandidates;
    if (graph == nullptr || options.exact || few || plan.limit == 0) return plan;
    const int asked = options.ef_search > 0 ? options.ef_search : DefaultEfSearch(plan.limit);
    plan.effort = std::max(static_cast<size_t>(asked), RankedAgain(plan.limit));
    plan.effort = std::min<size_t>(plan.effort, graph->size());
    return plan;
  }

  absl::Status Run(const Plan& plan, const HnswGraph* graph, std::span<const ScanQuery> queries,
                   std::span<BestHits> best) const {
    if (plan.effort == 0) return Compare(plan, queries, best);
    std::vector<bool> walked(queries.size());
    for (size_t q = 0; q < queries.size(); ++q) {
      EIDETIC_ASSIGN_OR_RETURN(walked[q], Walk(plan, *graph, queries[q], best[q]));
    }
    EIDETIC_RETURN_IF_ERROR(
        ScanRows(*rows_, {.begin = graph->size(), .end = plan.rows, .rows = plan.rows, .filter = plan.filter},
                 queries, best));
    for (size_t q = 0; q < queries.size(); ++q) {
      // A filter starves no answer.
      if (walked[q] && best[q].size() >= std::min<uint64_t>(plan.limit, plan.candidates)) continue;
      best[q] = BestHits(plan.limit);
      EIDETIC_RETURN_IF_ERROR(Compare(plan, queries.subspan(q, 1), best.subspan(q, 1)));
    }
    return absl::OkStatus();
  }

  // False: the walk gave up.
  absl::StatusOr<bool> Walk(const Plan& plan, const HnswGraph& graph, const ScanQuery& query,
                            BestHits& best) const {
    thread_local std::vector<Candidate> found;
    const WalkStats stats = WalkGraph(graph, *rows_, query.coded,
                                      {.effort = plan.effort,
                                       .rows = plan.rows,
                                       .filter = plan.filter,
                                       .limit = RankedAgain(plan.limit),
                                       .most_compared = plan.candidates / kCandidatesPerComparison},
                                      found);
    if (stats.gave_up) return false;
    for (const Candidate& candidate : found) {
      const auto* vector = reinterpret_cast<const char*>(rows_->vector(candidate.position));
      if (vector == nullptr) continue;
      for (size_t byte = 0; byte < query.values.size_bytes(); byte += 64) __builtin_prefetch(vector + byte);
    }
    for (const Candidate& candidate : found) {
      EIDETIC_ASSIGN_OR_RETURN(const float score, TrueScore(*rows_, candidate.position, query.values));
      best.Offer({rows_->id(candidate.position), score});
    }
    return true;
  }

  // With all that pass.
  absl::Status Compare(const Plan& plan, std::span<const ScanQuery> queries, std::span<BestHits> best) const {
    if (plan.filter == nullptr || plan.candidates * kRowsPerLookup >= plan.rows) {
      return ScanRows(*rows_, {.begin = 0, .end = plan.rows, .rows = plan.rows, .filter = plan.filter},
                      queries, best);
    }
    std::vector<uint32_t> positions;
    positions.reserve(plan.candidates);
    plan.filter->ForEach([&](uint64_t id) {
      const uint32_t position = rows_->Find(id);
      if (position != IdTable::kAbsent) positions.push_back(position);
      return true;
    });
    // After the look-ups: what they found is among these rows.
    const uint32_t rows = rows_->size();
    std::erase_if(positions, [&](uint32_t& position) {
      position = rows_->LiveRow(position, rows);
      return position == IdTable::kAbsent;
    });
    std::sort(positions.begin(), positions.end());
    return ScanPositions(*rows_, positions, queries, best);
  }

  const std::unique_ptr<VectorRows> rows_;
  Published<const HnswGraph> graph_;
};

absl::Status CheckDimension(int dimension) {
  if (dimension < 1 || dimension > kMaxDimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("a dimension of ", dimension, " is not between 1 and ", kMaxDimension));
  }
  return absl::OkStatus();
}

}  // namespace

int DefaultEfSearch(size_t limit) {
  // Texts lie outside the pictures' distribution and need more effort than
  // pictures do: about 256 for recall@10 = .95.
  return std::max(256, static_cast<int>(4 * limit));
}

absl::StatusOr<std::unique_ptr<VectorIndex>> NewVectorIndex(const VectorIndexOptions& options) {
  EIDETIC_RETURN_IF_ERROR(CheckDimension(options.dimension));
  EIDETIC_ASSIGN_OR_RETURN(auto rows, VectorRows::Create(options.dimension, options.expected_vectors));
  return std::make_unique<CodedVectorIndex>(std::move(rows), nullptr);
}

absl::StatusOr<std::unique_ptr<VectorIndex>> LoadVectorIndex(int dimension, StoredVectorIndex stored) {
  EIDETIC_RETURN_IF_ERROR(CheckDimension(dimension));
  EIDETIC_ASSIGN_OR_RETURN(auto rows, VectorRows::Load(dimension, std::move(stored.rows)));
  std::shared_ptr<const HnswGraph> graph;
  if (stored.graph.size() > 0) {
    EIDETIC_ASSIGN_OR_RETURN(graph, HnswGraph::Load(std::move(stored.graph), rows->size()));
  }
  return std::make_unique<CodedVectorIndex>(std::move(rows), std::move(graph));
}

}  // namespace eidetic::searcher
