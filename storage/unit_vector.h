// Whether a vector may be stored. Stateless.
#ifndef EIDETIC_STORAGE_UNIT_VECTOR_H_
#define EIDETIC_STORAGE_UNIT_VECTOR_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"

namespace eidetic::storage {

// kInvalidArgument unless it has `dimension` values and length 1 (±0.001).
absl::Status CheckUnitVector(std::span<const float> vector, size_t dimension);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_UNIT_VECTOR_H_
