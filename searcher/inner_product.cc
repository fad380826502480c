#include "searcher/inner_product.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace eidetic::searcher {
namespace {

float PlainInnerProduct(const float* a, const float* b, size_t size) {
  // Four sums, so that an addition need not wait for the one before it.
  float sums[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < size; ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float Avx2InnerProduct(const float* a, const float* b, size_t size) {
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), low);
    high = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), high);
  }
  const __m256 both = _mm256_add_ps(low, high);
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  float result = _mm_cvtss_f32(sum);
  for (; i < size; ++i) result += a[i] * b[i];
  return result;
}

__attribute__((target("avx512f"))) float Avx512InnerProduct(const float* a, const float* b, size_t size) {
  __m512 low = _mm512_setzero_ps();
  __m512 high = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    low = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), low);
    high = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), high);
  }
  for (; i < size; i += 16) {
    const size_t rest = size - i;
    const auto mask = static_cast<__mmask16>(rest >= 16 ? 0xFFFF : (1U << rest) - 1);
    low = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), low);
  }
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, _mm512_add_ps(low, high));
  float result = 0;
  for (const float lane : lanes) result += lane;
  return result;
}

#elif defined(__aarch64__)

float NeonInnerProduct(const float* a, const float* b, size_t size) {
  float32x4_t low = vdupq_n_f32(0);
  float32x4_t high = vdupq_n_f32(0);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    low = vfmaq_f32(low, vld1q_f32(a + i), vld1q_f32(b + i));
    high = vfmaq_f32(high, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
  }
  float result = vaddvq_f32(vaddq_f32(low, high));
  for (; i < size; ++i) result += a[i] * b[i];
  return result;
}

#endif

}  // namespace

std::vector<NamedInnerProduct> InnerProductKernels() {
  std::vector<NamedInnerProduct> kernels = {{"plain", PlainInnerProduct}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    kernels.push_back({"avx2", Avx2InnerProduct});
  if (__builtin_cpu_supports("avx512f")) kernels.push_back({"avx512", Avx512InnerProduct});
#elif defined(__aarch64__)
  kernels.push_back({"neon", NeonInnerProduct});
#endif
  return kernels;
}

InnerProductKernel BestInnerProduct() { return InnerProductKernels().back().kernel; }

}  // namespace eidetic::searcher
