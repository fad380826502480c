// The two inner loops of Resize, plain and for AVX2; both give the same bytes.
// Stateless; any thread.
#ifndef EIDETIC_ENCODER_RESIZE_KERNELS_H_
#define EIDETIC_ENCODER_RESIZE_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace eidetic::encoder {

// Pillow's precision for 8-bit channels: 32 bits less 8 of the value and 2 of
// headroom for the sum.
inline constexpr int kResizeFractionBits = 32 - 8 - 2;

// Which inputs each output is the weighted sum of.
struct ResizeTaps {
  struct Span {
    int begin;
    int count;
  };
  std::vector<Span> spans;
  // spans.size() rows of `stride` fixed-point weights.
  int stride = 0;
  std::vector<int32_t> coefficients;
};

struct ResizeKernels {
  // One row of `width` RGB pixels → taps.spans.size() RGB pixels.
  void (*row)(const uint8_t* from, int width, const ResizeTaps& taps, uint8_t* to);
  // `count` rows of row_bytes bytes → one row.
  void (*column)(const uint8_t* from, size_t row_bytes, const int32_t* coefficients, int count, uint8_t* to);
};

ResizeKernels PlainResizeKernels();

// Empty where the processor has no AVX2.
std::optional<ResizeKernels> Avx2ResizeKernels();

ResizeKernels BestResizeKernels();

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_RESIZE_KERNELS_H_
