#include "encoder/resize_kernels.h"

#include <algorithm>

namespace eidetic::encoder {
namespace {

constexpr int32_t kHalf = 1 << (kResizeFractionBits - 1);
// Channels summed at a time: they stay in registers or the nearest cache.
constexpr size_t kBlock = 64;

uint8_t ToByte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kResizeFractionBits, 0, 255)); }

void ResizeRow(const uint8_t* from, int, const ResizeTaps& taps, uint8_t* to) {
  const int32_t* coefficients = taps.coefficients.data();
  for (const ResizeTaps::Span& span : taps.spans) {
    const uint8_t* pixel = from + static_cast<size_t>(span.begin) * 3;
    int32_t red = kHalf;
    int32_t green = kHalf;
    int32_t blue = kHalf;
    for (int i = 0; i < span.count; ++i, pixel += 3) {
      red += pixel[0] * coefficients[i];
      green += pixel[1] * coefficients[i];
      blue += pixel[2] * coefficients[i];
    }
    to[0] = ToByte(red);
    to[1] = ToByte(green);
    to[2] = ToByte(blue);
    to += 3;
    coefficients += taps.stride;
  }
}

void ResizeColumn(const uint8_t* from, size_t row_bytes, const int32_t* coefficients, int count,
                  uint8_t* to) {
  for (size_t start = 0; start < row_bytes; start += kBlock) {
    const size_t block = std::min(kBlock, row_bytes - start);
    int32_t sums[kBlock];
    std::fill_n(sums, block, kHalf);
    for (int i = 0; i < count; ++i) {
      const uint8_t* row = from + row_bytes * i + start;
      for (size_t x = 0; x < block; ++x) sums[x] += row[x] * coefficients[i];
    }
    for (size_t x = 0; x < block; ++x) to[start + x] = ToByte(sums[x]);
  }
}

}  // namespace

ResizeKernels PlainResizeKernels() { return {ResizeRow, ResizeColumn}; }

ResizeKernels BestResizeKernels() { return Avx2ResizeKernels().value_or(PlainResizeKernels()); }

}  // namespace eidetic::encoder
