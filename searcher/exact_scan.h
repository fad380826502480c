// Comparing with every row, or with those of a filter: exact, at the speed of
// int8 codes. A row's float vector is looked at only when its score by codes plus
// the most that codes can be wrong by would put it among the best. Many queries
// share one pass over the codes. Stateless; any thread.
//
//   std::vector<BestHits> best(queries.size(), BestHits(10));
//   RETURN_IF_ERROR(ScanRows(rows, {.begin = 0, .end = size, .rows = size}, queries, best));
#ifndef EIDETIC_SEARCHER_EXACT_SCAN_H_
#define EIDETIC_SEARCHER_EXACT_SCAN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "searcher/id_filter.h"
#include "searcher/vector_codes.h"
#include "searcher/vector_index.h"
#include "searcher/vector_rows.h"

namespace eidetic::searcher {

// The `limit` best hits; equal scores: the lower id.
class BestHits {
 public:
  explicit BestHits(size_t limit) : limit_(limit) { heap_.reserve(std::min<size_t>(limit, 1'024)); }

  // A score below this changes nothing.
  float threshold() const {
    return heap_.size() < limit_ ? -std::numeric_limits<float>::infinity() : heap_.front().score;
  }
  void Offer(const Neighbor& hit) {
    if (limit_ == 0) return;
    if (heap_.size() == limit_) {
      if (!Better(hit, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), Better);
      heap_.pop_back();
    }
    heap_.push_back(hit);
    std::push_heap(heap_.begin(), heap_.end(), Better);
  }
  size_t size() const { return heap_.size(); }
  // Best first; nothing is left.
  std::vector<Neighbor> Take() {
    std::sort_heap(heap_.begin(), heap_.end(), Better);
    return std::move(heap_);
  }

 private:
  static bool Better(const Neighbor& a, const Neighbor& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }

  size_t limit_;
  std::vector<Neighbor> heap_;  // the worst on top
};

// A query as it came, and coded.
struct ScanQuery {
  explicit ScanQuery(std::span<const float> given) : values(given), coded(given) {}

  std::span<const float> values;
  CodedQuery coded;
};

struct ScanRange {
  // Positions looked at.
  uint32_t begin = 0;
  uint32_t end = 0;
  // Rows the reader sees.
  uint32_t rows = 0;
  // Only live rows whose id is in it; null: all live ones.
  const IdFilter* filter = nullptr;
};

// Offers every row of the range that can be among the best of a query to its
// `best`. Errors: reading a vector that is on disk.
absl::Status ScanRows(const VectorRows& rows, const ScanRange& range, std::span<const ScanQuery> queries,
                      std::span<BestHits> best);

// The same for a few positions, all of them live, in any order.
absl::Status ScanPositions(const VectorRows& rows, std::span<const uint32_t> positions,
                           std::span<const ScanQuery> queries, std::span<BestHits> best);

// The true score of one row.
absl::StatusOr<float> TrueScore(const VectorRows& rows, uint32_t position, std::span<const float> query);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_EXACT_SCAN_H_
