// Inner products of int8 codes, by the widest instructions this processor has
// (AVX-512 VNNI, AVX-VNNI, AVX2, NEON), chosen once at run time. Exact: every
// kernel gives the same integer. Stateless; any thread.
//
// A row is stored as code + 128 in a byte, a query as signed codes, since the
// x86 instructions multiply unsigned by signed:
//
//   const CodeKernel& kernel = BestCodeKernel();
//   int32_t product = kernel.dot(row, query, query_sum, size);
#ifndef EIDETIC_SEARCHER_CODE_KERNELS_H_
#define EIDETIC_SEARCHER_CODE_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eidetic::searcher {

struct CodeKernel {
  const char* name;
  // Σ (row[i] − 128) · query[i]; `query_sum` is Σ query[i]. Exact up to a size of
  // 65,536.
  int32_t (*dot)(const uint8_t* row, const int8_t* query, int32_t query_sum, size_t size);
  // The same for four rows at once, faster than one by one.
  void (*dot_of_four)(const uint8_t* const* rows, const int8_t* query, int32_t query_sum, size_t size,
                      int32_t* products);
  // Σ (a[i] − 128) · (b[i] − 128): of two rows.
  int32_t (*dot_of_rows)(const uint8_t* a, const uint8_t* b, size_t size);
};

const CodeKernel& BestCodeKernel();

// All that this processor can run, the plain loop first; for tests and benchmarks.
const std::vector<CodeKernel>& CodeKernels();

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_CODE_KERNELS_H_
