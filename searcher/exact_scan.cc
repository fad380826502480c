#include "searcher/exact_scan.h"

#include <array>

#include "proto/status_macros.h"
#include "searcher/code_kernels.h"
#include "searcher/inner_product.h"

namespace eidetic::searcher {
namespace {

// Rows that all queries are compared with before the next ones: their codes stay
// in the first-level cache.
constexpr uint32_t kBlockRows = 32;
// Share of a product of lengths that float arithmetic may be wrong by.
constexpr float kFloatError = 1e-5F;

// Compares a block of rows with all queries.
class BlockScanner {
 public:
  BlockScanner(const VectorRows& rows, std::span<const ScanQuery> queries, std::span<BestHits> best)
      : rows_(rows), queries_(queries), best_(best) {
    slack_.reserve(queries.size());
    // |q·x − q'·x'| ≤ |q − q'|·|x'| + |q|·|x − x'|, with |x'| ≤ |x| + |x − x'|.
    const float length = rows.largest_norm() + rows.largest_residual();
    for (const ScanQuery& query : queries) {
      slack_.push_back(query.coded.residual() * length + query.coded.norm() * rows.largest_residual() +
                       kFloatError * query.coded.norm() * length);
    }
  }

  absl::Status Scan(std::span<const uint32_t> positions) {
    // The last four overlap with those before when the block is not whole.
    std::array<const uint8_t*, kBlockRows> codes;
    std::array<float, kBlockRows> scales;
    std::array<int32_t, kBlockRows> products;
    const size_t count = positions.size();
    for (size_t i = 0; i < count; ++i) {
      codes[i] = rows_.codes(positions[i]);
      scales[i] = rows_.scale(positions[i]);
    }
    for (size_t q = 0; q < queries_.size(); ++q) {
      const CodedQuery& query = queries_[q].coded;
      size_t i = 0;
      for (; i + 4 <= count; i += 4) {
        kernel_.dot_of_four(&codes[i], query.codes(), query.sum(), query.size(), &products[i]);
      }
      for (; i < count; ++i) {
        products[i] = kernel_.dot(codes[i], query.codes(), query.sum(), query.size());
      }
      for (i = 0; i < count; ++i) {
        const float score = static_cast<float>(products[i]) * query.scale() * scales[i];
        // Written so that a score that is not a number is looked at.
        if (score + slack_[q] < best_[q].threshold()) continue;
        EIDETIC_ASSIGN_OR_RETURN(const float exact, TrueScore(rows_, positions[i], queries_[q].values));
        best_[q].Offer({rows_.id(positions[i]), exact});
      }
    }
    return absl::OkStatus();
  }

 private:
  const VectorRows& rows_;
  const std::span<const ScanQuery> queries_;
  const std::span<BestHits> best_;
  const CodeKernel& kernel_ = BestCodeKernel();
  std::vector<float> slack_;
};

}  // namespace

absl::StatusOr<float> TrueScore(const VectorRows& rows, uint32_t position, std::span<const float> query) {
  static const InnerProductKernel dot = BestInnerProduct();
  if (const float* vector = rows.vector(position); vector != nullptr) {
    return dot(query.data(), vector, query.size());
  }
  thread_local std::vector<float> read;
  read.resize(query.size());
  EIDETIC_RETURN_IF_ERROR(rows.ReadVector(position, read));
  return dot(query.data(), read.data(), query.size());
}

absl::Status ScanRows(const VectorRows& rows, const ScanRange& range, std::span<const ScanQuery> queries,
                      std::span<BestHits> best) {
  BlockScanner scanner(rows, queries, best);
  std::array<uint32_t, kBlockRows> block;
  size_t count = 0;
  for (uint32_t position = range.begin; position < range.end; ++position) {
    if (!rows.IsLive(position, range.rows)) continue;
    if (range.filter != nullptr && !range.filter->Contains(rows.id(position))) continue;
    block[count++] = position;
    if (count < kBlockRows) continue;
    EIDETIC_RETURN_IF_ERROR(scanner.Scan(block));
    count = 0;
  }
  return scanner.Scan(std::span<const uint32_t>(block).first(count));
}

absl::Status ScanPositions(const VectorRows& rows, std::span<const uint32_t> positions,
                           std::span<const ScanQuery> queries, std::span<BestHits> best) {
  BlockScanner scanner(rows, queries, best);
  for (size_t begin = 0; begin < positions.size(); begin += kBlockRows) {
    EIDETIC_RETURN_IF_ERROR(
        scanner.Scan(positions.subspan(begin, std::min<size_t>(kBlockRows, positions.size() - begin))));
  }
  return absl::OkStatus();
}

}  // namespace eidetic::searcher
