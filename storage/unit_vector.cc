#include "storage/unit_vector.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace eidetic::storage {
namespace {

constexpr double kNormTolerance = 1e-3;

}  // namespace

double VectorLength(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

bool IsUnitLength(double length) { return std::abs(length - 1) <= kNormTolerance; }

absl::Status CheckUnitVector(std::span<const float> vector, size_t dimension) {
  if (vector.size() != dimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("the embedding has ", vector.size(), " values, the library's model has ", dimension));
  }
  const double length = VectorLength(vector);
  if (!IsUnitLength(length)) {
    return absl::InvalidArgumentError(absl::StrCat("the embedding has length ", length, ", not 1"));
  }
  return absl::OkStatus();
}

}  // namespace eidetic::storage
