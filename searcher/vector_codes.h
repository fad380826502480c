// A float vector as int8 codes and one scale: value ≈ scale · code, scale =
// largest magnitude / 127. A quarter of the memory, and inner products by integer
// kernels. Stateless; any thread.
//
//   std::vector<uint8_t> row(CodeStride(256));
//   const CodedRow coded = EncodeRow(vector, row.data());
//   const CodedQuery query(other);
//   float score = query.scale() * coded.scale * kernel.dot(row.data(), query.codes(), query.sum(),
//   row.size());
#ifndef EIDETIC_SEARCHER_VECTOR_CODES_H_
#define EIDETIC_SEARCHER_VECTOR_CODES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace eidetic::searcher {

// Bytes of a row: the dimension rounded up to whole cache lines. What is over is
// worth nothing in a product.
constexpr size_t CodeStride(int dimension) { return (static_cast<size_t>(dimension) + 63) / 64 * 64; }

struct CodedRow {
  float scale = 0;
  // Length of the vector, and of what the codes leave out of it; not less than
  // the true values.
  float norm = 0;
  float residual = 0;
};

// Writes CodeStride(values.size()) bytes: code + 128 each.
CodedRow EncodeRow(std::span<const float> values, uint8_t* row);

// A query, signed, as the kernels take it.
class CodedQuery {
 public:
  explicit CodedQuery(std::span<const float> values);
  // Of a row that was encoded already.
  CodedQuery(const uint8_t* row, size_t stride, float scale);
  // The same for another row, without an allocation.
  void Assign(const uint8_t* row, float scale);

  const int8_t* codes() const { return codes_.data(); }
  // Length of codes(): CodeStride(values.size()).
  size_t size() const { return codes_.size(); }
  int32_t sum() const { return sum_; }
  float scale() const { return scale_; }
  float norm() const { return norm_; }
  float residual() const { return residual_; }

 private:
  std::vector<int8_t> codes_;
  int32_t sum_ = 0;
  float scale_ = 0;
  float norm_ = 0;
  float residual_ = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_VECTOR_CODES_H_
