#include "searcher/code_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace eidetic::searcher {
namespace {

// Four rows and a query, each one byte off alignment.
struct Inputs {
  explicit Inputs(size_t count) : size(count), rows(4, std::vector<uint8_t>(count + 1)), query(count + 1) {}

  size_t size;
  std::vector<std::vector<uint8_t>> rows;
  std::vector<int8_t> query;
};

void ExpectAllKernelsRight(const Inputs& in, const char* what) {
  const int8_t* query = in.query.data() + 1;
  const int32_t sum = std::accumulate(query, query + in.size, 0);
  const uint8_t* rows[4];
  int64_t expected[4] = {};
  for (int r = 0; r < 4; ++r) {
    rows[r] = in.rows[r].data() + 1;
    for (size_t i = 0; i < in.size; ++i) expected[r] += (int64_t{rows[r][i]} - 128) * query[i];
  }
  int64_t of_rows = 0;
  for (size_t i = 0; i < in.size; ++i) of_rows += (int64_t{rows[1][i]} - 128) * (int64_t{rows[2][i]} - 128);
  for (const CodeKernel& kernel : CodeKernels()) {
    ASSERT_EQ(kernel.dot_of_rows(rows[1], rows[2], in.size), of_rows) << kernel.name << what << in.size;
    int32_t products[4] = {};
    kernel.dot_of_four(rows, query, sum, in.size, products);
    for (int r = 0; r < 4; ++r) {
      ASSERT_EQ(kernel.dot(rows[r], query, sum, in.size), expected[r]) << kernel.name << what << in.size;
      ASSERT_EQ(products[r], expected[r]) << kernel.name << " of four" << what << in.size;
    }
  }
}

TEST(CodeKernelsTest, ThePlainLoopIsFirstAndAlwaysThere) {
  EXPECT_STREQ(CodeKernels().front().name, "plain");
  EXPECT_EQ(BestCodeKernel().dot, CodeKernels().back().dot);
}

TEST(CodeKernelsTest, EveryKernelIsExactAtEveryLength) {
  std::mt19937 generator(1);
  for (size_t size = 0; size <= 1'100; ++size) {
    Inputs in(size);
    for (auto& row : in.rows) {
      for (uint8_t& code : row) code = static_cast<uint8_t>(generator());
    }
    for (int8_t& value : in.query) value = static_cast<int8_t>(generator());
    ExpectAllKernelsRight(in, " random ");
  }
}

TEST(CodeKernelsTest, NothingOverflowsOrSaturatesAtTheExtremes) {
  for (const size_t size : {1, 2, 31, 32, 63, 64, 65, 255, 512, 4'095, 65'535, 65'536}) {
    for (const uint8_t code : {0, 1, 127, 128, 129, 255}) {
      for (const int8_t value : {-128, -127, -1, 0, 1, 127}) {
        Inputs in(size);
        for (auto& row : in.rows) std::fill(row.begin(), row.end(), code);
        std::fill(in.query.begin(), in.query.end(), value);
        // One row apart from the others, so that a mixed-up order shows.
        std::fill(in.rows[2].begin(), in.rows[2].end(), static_cast<uint8_t>(255 - code));
        ExpectAllKernelsRight(in, " extreme ");
      }
    }
  }
}

}  // namespace
}  // namespace eidetic::searcher
