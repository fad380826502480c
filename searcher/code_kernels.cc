#include "searcher/code_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

namespace eidetic::searcher {
namespace {

int32_t PlainDotFrom(const uint8_t* row, const int8_t* query, size_t begin, size_t size) {
  int32_t sum = 0;
  for (size_t i = begin; i < size; ++i) sum += (row[i] - 128) * query[i];
  return sum;
}

int32_t PlainDot(const uint8_t* row, const int8_t* query, int32_t /*query_sum*/, size_t size) {
  return PlainDotFrom(row, query, 0, size);
}

int32_t PlainDotOfRowsFrom(const uint8_t* a, const uint8_t* b, size_t begin, size_t size) {
  int32_t sum = 0;
  for (size_t i = begin; i < size; ++i) sum += (a[i] - 128) * (b[i] - 128);
  return sum;
}

int32_t PlainDotOfRows(const uint8_t* a, const uint8_t* b, size_t size) {
  return PlainDotOfRowsFrom(a, b, 0, size);
}

// Four at once for kernels that gain nothing from it.
template <int32_t (*dot)(const uint8_t*, const int8_t*, int32_t, size_t)>
void OneByOne(const uint8_t* const* rows, const int8_t* query, int32_t query_sum, size_t size,
              int32_t* products) {
  for (int r = 0; r < 4; ++r) products[r] = dot(rows[r], query, query_sum, size);
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) inline int32_t SumOfLanes(__m256i lanes) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(sum);
}

// Widened to 16 bits: vpmaddubsw would saturate.
__attribute__((target("avx2"))) int32_t Avx2Dot(const uint8_t* row, const int8_t* query,
                                                int32_t /*query_sum*/, size_t size) {
  const __m256i bias = _mm256_set1_epi16(128);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  const auto product = [&](size_t i) __attribute__((target("avx2"), always_inline)) {
    const __m256i codes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)));
    const __m256i values = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query + i)));
    return _mm256_madd_epi16(_mm256_sub_epi16(codes, bias), values);
  };
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    even = _mm256_add_epi32(even, product(i));
    odd = _mm256_add_epi32(odd, product(i + 16));
  }
  if (i + 16 <= size) {
    even = _mm256_add_epi32(even, product(i));
    i += 16;
  }
  return SumOfLanes(_mm256_add_epi32(even, odd)) + PlainDotFrom(row, query, i, size);
}

__attribute__((target("avx2"))) int32_t Avx2DotOfRows(const uint8_t* a, const uint8_t* b, size_t size) {
  const __m256i bias = _mm256_set1_epi16(128);
  __m256i sum = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const __m256i left = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i)));
    const __m256i right = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i)));
    sum =
        _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_sub_epi16(left, bias), _mm256_sub_epi16(right, bias)));
  }
  return SumOfLanes(sum) + PlainDotOfRowsFrom(a, b, i, size);
}

__attribute__((target("avx2,avxvnni"))) int32_t AvxVnniDotOfRows(const uint8_t* a, const uint8_t* b,
                                                                 size_t size) {
  const __m256i bias = _mm256_set1_epi8(static_cast<char>(128));
  __m256i products = _mm256_setzero_si256();
  __m256i biases = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
    const __m256i right = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)), bias);
    products = _mm256_dpbusd_avx_epi32(products, left, right);
    biases = _mm256_dpbusd_avx_epi32(biases, bias, right);
  }
  return SumOfLanes(_mm256_sub_epi32(products, biases)) + PlainDotOfRowsFrom(a, b, i, size);
}

__attribute__((target("avx2,avxvnni"))) int32_t AvxVnniDot(const uint8_t* row, const int8_t* query,
                                                           int32_t /*query_sum*/, size_t size) {
  // Σ row · query and, from the same loads, 128 · Σ query of whole vectors only,
  // so that the tail can be plain.
  const __m256i bias = _mm256_set1_epi8(static_cast<char>(128));
  __m256i products = _mm256_setzero_si256();
  __m256i biases = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i));
    const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query + i));
    products = _mm256_dpbusd_avx_epi32(products, codes, values);
    biases = _mm256_dpbusd_avx_epi32(biases, bias, values);
  }
  return SumOfLanes(_mm256_sub_epi32(products, biases)) + PlainDotFrom(row, query, i, size);
}

// GCC 12 sees its own intrinsics' _mm512_undefined as a use of what is not set.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#define EIDETIC_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

EIDETIC_AVX512_VNNI inline __mmask64 TailMask(size_t rest) { return (__mmask64{1} << rest) - 1; }

EIDETIC_AVX512_VNNI int32_t Avx512VnniDot(const uint8_t* row, const int8_t* query, int32_t query_sum,
                                          size_t size) {
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 128 <= size; i += 128) {
    even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
    odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(row + i + 64), _mm512_loadu_si512(query + i + 64));
  }
  if (i + 64 <= size) {
    even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
    i += 64;
  }
  if (i < size) {
    const __mmask64 mask = TailMask(size - i);
    odd = _mm512_dpbusd_epi32(odd, _mm512_maskz_loadu_epi8(mask, row + i),
                              _mm512_maskz_loadu_epi8(mask, query + i));
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd)) - 128 * query_sum;
}

EIDETIC_AVX512_VNNI void Avx512VnniDotOfFour(const uint8_t* const* rows, const int8_t* query,
                                             int32_t query_sum, size_t size, int32_t* products) {
  const uint8_t* const a = rows[0];
  const uint8_t* const b = rows[1];
  const uint8_t* const c = rows[2];
  const uint8_t* const d = rows[3];
  __m512i sum_a = _mm512_setzero_si512();
  __m512i sum_b = _mm512_setzero_si512();
  __m512i sum_c = _mm512_setzero_si512();
  __m512i sum_d = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    const __m512i values = _mm512_loadu_si512(query + i);
    sum_a = _mm512_dpbusd_epi32(sum_a, _mm512_loadu_si512(a + i), values);
    sum_b = _mm512_dpbusd_epi32(sum_b, _mm512_loadu_si512(b + i), values);
    sum_c = _mm512_dpbusd_epi32(sum_c, _mm512_loadu_si512(c + i), values);
    sum_d = _mm512_dpbusd_epi32(sum_d, _mm512_loadu_si512(d + i), values);
  }
  if (i < size) {
    const __mmask64 mask = TailMask(size - i);
    const __m512i values = _mm512_maskz_loadu_epi8(mask, query + i);
    sum_a = _mm512_dpbusd_epi32(sum_a, _mm512_maskz_loadu_epi8(mask, a + i), values);
    sum_b = _mm512_dpbusd_epi32(sum_b, _mm512_maskz_loadu_epi8(mask, b + i), values);
    sum_c = _mm512_dpbusd_epi32(sum_c, _mm512_maskz_loadu_epi8(mask, c + i), values);
    sum_d = _mm512_dpbusd_epi32(sum_d, _mm512_maskz_loadu_epi8(mask, d + i), values);
  }
  // The four sums side by side: transposed by halves and added.
  const __m512i ab =
      _mm512_add_epi32(_mm512_unpacklo_epi32(sum_a, sum_b), _mm512_unpackhi_epi32(sum_a, sum_b));
  const __m512i cd =
      _mm512_add_epi32(_mm512_unpacklo_epi32(sum_c, sum_d), _mm512_unpackhi_epi32(sum_c, sum_d));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(products),
                   _mm_sub_epi32(sums, _mm_set1_epi32(128 * query_sum)));
}

EIDETIC_AVX512_VNNI int32_t Avx512VnniDotOfRows(const uint8_t* a, const uint8_t* b, size_t size) {
  const __m512i bias = _mm512_set1_epi8(static_cast<char>(128));
  __m512i products = _mm512_setzero_si512();
  __m512i biases = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    const __m512i right = _mm512_xor_si512(_mm512_loadu_si512(b + i), bias);
    products = _mm512_dpbusd_epi32(products, _mm512_loadu_si512(a + i), right);
    biases = _mm512_dpbusd_epi32(biases, bias, right);
  }
  const int32_t whole = _mm512_reduce_add_epi32(_mm512_sub_epi32(products, biases));
  return whole + PlainDotOfRowsFrom(a, b, i, size);
}

#undef EIDETIC_AVX512_VNNI
#pragma GCC diagnostic pop

#elif defined(__aarch64__)

inline int8x16_t SignedCodes(const uint8_t* row) {
  return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row), vdupq_n_u8(128)));
}

int32_t NeonDot(const uint8_t* row, const int8_t* query, int32_t /*query_sum*/, size_t size) {
  int32x4_t low = vdupq_n_s32(0);
  int32x4_t high = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const int8x16_t codes = SignedCodes(row + i);
    const int8x16_t values = vld1q_s8(query + i);
    low = vpadalq_s16(low, vmull_s8(vget_low_s8(codes), vget_low_s8(values)));
    high = vpadalq_s16(high, vmull_s8(vget_high_s8(codes), vget_high_s8(values)));
  }
  return vaddvq_s32(vaddq_s32(low, high)) + PlainDotFrom(row, query, i, size);
}

int32_t NeonDotOfRows(const uint8_t* a, const uint8_t* b, size_t size) {
  int32x4_t low = vdupq_n_s32(0);
  int32x4_t high = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const int8x16_t left = SignedCodes(a + i);
    const int8x16_t right = SignedCodes(b + i);
    low = vpadalq_s16(low, vmull_s8(vget_low_s8(left), vget_low_s8(right)));
    high = vpadalq_s16(high, vmull_s8(vget_high_s8(left), vget_high_s8(right)));
  }
  return vaddvq_s32(vaddq_s32(low, high)) + PlainDotOfRowsFrom(a, b, i, size);
}

__attribute__((target("arch=armv8.2-a+dotprod"))) int32_t NeonDotProductDotOfRows(const uint8_t* a,
                                                                                  const uint8_t* b,
                                                                                  size_t size) {
  int32x4_t sum = vdupq_n_s32(0);
  const uint8x16_t bias = vdupq_n_u8(128);
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    sum = vdotq_s32(sum, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(a + i), bias)),
                    vreinterpretq_s8_u8(veorq_u8(vld1q_u8(b + i), bias)));
  }
  return vaddvq_s32(sum) + PlainDotOfRowsFrom(a, b, i, size);
}

__attribute__((target("arch=armv8.2-a+dotprod"))) int32_t NeonDotProductDot(const uint8_t* row,
                                                                            const int8_t* query,
                                                                            int32_t /*query_sum*/,
                                                                            size_t size) {
  int32x4_t even = vdupq_n_s32(0);
  int32x4_t odd = vdupq_n_s32(0);
  const uint8x16_t bias = vdupq_n_u8(128);
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    even = vdotq_s32(even, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + i), bias)), vld1q_s8(query + i));
    odd =
        vdotq_s32(odd, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + i + 16), bias)), vld1q_s8(query + i + 16));
  }
  return vaddvq_s32(vaddq_s32(even, odd)) + PlainDotFrom(row, query, i, size);
}

#endif

std::vector<CodeKernel> SupportedKernels() {
  std::vector<CodeKernel> kernels = {{"plain", PlainDot, OneByOne<PlainDot>, PlainDotOfRows}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    kernels.push_back({"avx2", Avx2Dot, OneByOne<Avx2Dot>, Avx2DotOfRows});
    if (__builtin_cpu_supports("avxvnni"))
      kernels.push_back({"avx_vnni", AvxVnniDot, OneByOne<AvxVnniDot>, AvxVnniDotOfRows});
  }
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    kernels.push_back({"avx512_vnni", Avx512VnniDot, Avx512VnniDotOfFour, Avx512VnniDotOfRows});
  }
#elif defined(__aarch64__)
  kernels.push_back({"neon", NeonDot, OneByOne<NeonDot>, NeonDotOfRows});
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) {
    kernels.push_back(
        {"neon_dotprod", NeonDotProductDot, OneByOne<NeonDotProductDot>, NeonDotProductDotOfRows});
  }
#endif
  return kernels;
}

}  // namespace

const std::vector<CodeKernel>& CodeKernels() {
  static const std::vector<CodeKernel> kernels = SupportedKernels();
  return kernels;
}

const CodeKernel& BestCodeKernel() { return CodeKernels().back(); }

}  // namespace eidetic::searcher
