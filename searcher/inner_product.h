// Inner product of float vectors, by the widest instructions this processor has
// (AVX-512, AVX2 with FMA, NEON), chosen once at run time. Stateless; any thread.
//
//   const InnerProductKernel dot = BestInnerProduct();
//   float score = dot(a, b, dimension);
#ifndef EIDETIC_SEARCHER_INNER_PRODUCT_H_
#define EIDETIC_SEARCHER_INNER_PRODUCT_H_

#include <cstddef>
#include <string>
#include <vector>

namespace eidetic::searcher {

using InnerProductKernel = float (*)(const float* a, const float* b, size_t size);

InnerProductKernel BestInnerProduct();

// All kernels this processor can run, the plain loop first; for tests and
// benchmarks.
struct NamedInnerProduct {
  std::string name;
  InnerProductKernel kernel;
};
std::vector<NamedInnerProduct> InnerProductKernels();

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_INNER_PRODUCT_H_
