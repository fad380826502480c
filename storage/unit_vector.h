// Whether a vector may be stored. Stateless.
#ifndef EIDETIC_STORAGE_UNIT_VECTOR_H_
#define EIDETIC_STORAGE_UNIT_VECTOR_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"

namespace eidetic::storage {

double VectorLength(std::span<const float> vector);
// 1 (±0.001); false for what is no number.
bool IsUnitLength(double length);

// kInvalidArgument unless it has `dimension` values and unit length.
absl::Status CheckUnitVector(std::span<const float> vector, size_t dimension);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_UNIT_VECTOR_H_
