#include "searcher/inner_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace eidetic::searcher {
namespace {

TEST(InnerProductTest, EveryKernelAgreesWithDoubleArithmetic) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  const auto kernels = InnerProductKernels();
  ASSERT_EQ(kernels.front().name, "plain");
  for (const size_t size : {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 255, 256, 257, 512, 1000}) {
    // One more in front, so that rows are not aligned.
    std::vector<float> a(size + 1);
    std::vector<float> b(size + 1);
    for (size_t i = 0; i <= size; ++i) {
      a[i] = normal(generator);
      b[i] = normal(generator);
    }
    double expected = 0;
    double magnitude = 0;
    for (size_t i = 0; i < size; ++i) {
      expected += static_cast<double>(a[i + 1]) * b[i + 1];
      magnitude += std::abs(static_cast<double>(a[i + 1]) * b[i + 1]);
    }
    for (const NamedInnerProduct& kernel : kernels) {
      EXPECT_NEAR(kernel.kernel(a.data() + 1, b.data() + 1, size), expected, 1e-6 * magnitude + 1e-12)
          << kernel.name << " " << size;
    }
  }
}

TEST(InnerProductTest, ExtremeValues) {
  const std::vector<float> large(64, 1e18F);
  const std::vector<float> small(64, 1e-20F);
  for (const NamedInnerProduct& kernel : InnerProductKernels()) {
    EXPECT_NEAR(kernel.kernel(large.data(), small.data(), 64), 0.64F, 1e-5) << kernel.name;
    EXPECT_TRUE(std::isinf(kernel.kernel(large.data(), std::vector<float>(64, 1e30F).data(), 64)))
        << kernel.name;
  }
}

}  // namespace
}  // namespace eidetic::searcher
