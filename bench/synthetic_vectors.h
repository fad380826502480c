// Vectors that look like a dual encoder's, from a seed: pictures in clusters of
// low intrinsic dimension, and queries from the same distribution or, as texts
// are, from beside it. Unit length. Stateless.
//
//   const SyntheticVectors data = MakeVectors({.count = 200'000, .dimension = 512});
#ifndef EIDETIC_BENCH_SYNTHETIC_VECTORS_H_
#define EIDETIC_BENCH_SYNTHETIC_VECTORS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eidetic::bench {

struct SyntheticOptions {
  size_t count = 200'000;
  size_t dimension = 512;
  size_t queries = 1'000;
  // Queries lie apart from the vectors by a common offset, and near none of them:
  // the cosine with the nearest is about 0.3, as a text's with its picture.
  bool text_like_queries = false;
  uint32_t seed = 1;
};

struct SyntheticVectors {
  std::vector<float> base;     // count rows
  std::vector<float> queries;  // queries rows
};

SyntheticVectors MakeVectors(const SyntheticOptions& options);

}  // namespace eidetic::bench

#endif  // EIDETIC_BENCH_SYNTHETIC_VECTORS_H_
