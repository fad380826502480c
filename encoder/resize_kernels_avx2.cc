#include "encoder/resize_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

namespace eidetic::encoder {
namespace {

#define EIDETIC_AVX2 __attribute__((target("avx2")))

constexpr int kHalf = 1 << (kResizeFractionBits - 1);
// Bytes that one load of pixels reads; the last pixels of a row are read from a
// copy with room behind it.
constexpr int kLoadBytes = 16;

// Four pixels a step: two registers, each with two pixels (R G B and a lane that
// is dropped at the end) times their two weights.
EIDETIC_AVX2 void ResizeRow(const uint8_t* from, int width, const ResizeTaps& taps, uint8_t* to) {
  const __m128i first_pair = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i second_pair = _mm_setr_epi8(6, 7, 8, -1, 9, 10, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i first_weights = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m256i second_weights = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
  const uint8_t* const end = from + static_cast<size_t>(width) * 3;
  const int32_t* coefficients = taps.coefficients.data();
  for (const ResizeTaps::Span& span : taps.spans) {
    const uint8_t* pixel = from + static_cast<size_t>(span.begin) * 3;
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    for (int i = 0; i < span.count; i += 4, pixel += 12) {
      const int rest = span.count - i;
      alignas(16) uint8_t pixel_copy[kLoadBytes] = {};
      alignas(16) int32_t weight_copy[4] = {};
      const uint8_t* pixels = pixel;
      const int32_t* weights = coefficients + i;
      if (end - pixel < kLoadBytes) {
        std::memcpy(pixel_copy, pixel, static_cast<size_t>(rest < 4 ? rest : 4) * 3);
        pixels = pixel_copy;
      }
      if (rest < 4) {
        std::memcpy(weight_copy, weights, static_cast<size_t>(rest) * sizeof(int32_t));
        weights = weight_copy;
      }
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels));
      const __m256i four = _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights)));
      even =
          _mm256_add_epi32(even, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_shuffle_epi8(bytes, first_pair)),
                                                    _mm256_permutevar8x32_epi32(four, first_weights)));
      odd =
          _mm256_add_epi32(odd, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_shuffle_epi8(bytes, second_pair)),
                                                   _mm256_permutevar8x32_epi32(four, second_weights)));
    }
    const __m256i both = _mm256_add_epi32(even, odd);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kResizeFractionBits);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    const int packed = _mm_cvtsi128_si32(sum);
    std::memcpy(to, &packed, 3);
    to += 3;
    coefficients += taps.stride;
  }
}

EIDETIC_AVX2 void ResizeColumn(const uint8_t* from, size_t row_bytes, const int32_t* coefficients, int count,
                               uint8_t* to) {
  constexpr size_t kStep = 16;
  size_t x = 0;
  for (; x + kStep <= row_bytes; x += kStep) {
    __m256i low = _mm256_set1_epi32(kHalf);
    __m256i high = low;
    for (int i = 0; i < count; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + row_bytes * i + x));
      const __m256i weight = _mm256_set1_epi32(coefficients[i]);
      low = _mm256_add_epi32(low, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), weight));
      high =
          _mm256_add_epi32(high, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)), weight));
    }
    low = _mm256_srai_epi32(low, kResizeFractionBits);
    high = _mm256_srai_epi32(high, kResizeFractionBits);
    // Packing works within halves of a register; the permutation puts them right.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0b11011000);
    const __m128i packed =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + x), packed);
  }
  for (; x < row_bytes; ++x) {
    int32_t sum = kHalf;
    for (int i = 0; i < count; ++i) sum += from[row_bytes * i + x] * coefficients[i];
    sum >>= kResizeFractionBits;
    to[x] = static_cast<uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  }
}

#undef EIDETIC_AVX2

}  // namespace

std::optional<ResizeKernels> Avx2ResizeKernels() {
  if (__builtin_cpu_supports("avx2") == 0) return std::nullopt;
  return ResizeKernels{ResizeRow, ResizeColumn};
}

}  // namespace eidetic::encoder

#else

namespace eidetic::encoder {

std::optional<ResizeKernels> Avx2ResizeKernels() { return std::nullopt; }

}  // namespace eidetic::encoder

#endif
