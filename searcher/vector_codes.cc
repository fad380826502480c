#include "searcher/vector_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace eidetic::searcher {
namespace {

constexpr float kLargestCode = 127;
constexpr uint8_t kBias = 128;

// Up, so that a bound made of it stays one after rounding.
float RoundUp(double value) { return static_cast<float>(value * (1 + 1e-6)); }

}  // namespace

CodedRow EncodeRow(std::span<const float> values, uint8_t* row) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  CodedRow coded;
  coded.scale = largest / kLargestCode;
  // A vector so small that its scale is no normal number has no codes.
  if (!std::isnormal(coded.scale)) coded.scale = 0;
  const float inverse = coded.scale > 0 ? kLargestCode / largest : 0;
  double norm = 0;
  double residual = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float code = std::clamp(std::nearbyintf(values[i] * inverse), -kLargestCode, kLargestCode);
    row[i] = static_cast<uint8_t>(static_cast<int>(code) + kBias);
    const double rest = static_cast<double>(values[i]) - static_cast<double>(coded.scale) * code;
    norm += static_cast<double>(values[i]) * values[i];
    residual += rest * rest;
  }
  std::memset(row + values.size(), kBias, CodeStride(static_cast<int>(values.size())) - values.size());
  coded.norm = RoundUp(std::sqrt(norm));
  coded.residual = RoundUp(std::sqrt(residual));
  return coded;
}

CodedQuery::CodedQuery(std::span<const float> values) : codes_(CodeStride(static_cast<int>(values.size()))) {
  std::vector<uint8_t> row(codes_.size());
  const CodedRow coded = EncodeRow(values, row.data());
  norm_ = coded.norm;
  residual_ = coded.residual;
  Assign(row.data(), coded.scale);
}

CodedQuery::CodedQuery(const uint8_t* row, size_t stride, float scale) : codes_(stride) {
  Assign(row, scale);
}

void CodedQuery::Assign(const uint8_t* row, float scale) {
  int32_t sum = 0;
  for (size_t i = 0; i < codes_.size(); ++i) {
    codes_[i] = static_cast<int8_t>(static_cast<int>(row[i]) - kBias);
    sum += codes_[i];
  }
  sum_ = sum;
  scale_ = scale;
}

}  // namespace eidetic::searcher
