#include "storage/unit_vector.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace eidetic::storage {
namespace {

constexpr double kNormTolerance = 1e-3;

}  // namespace

absl::Status CheckUnitVector(std::span<const float> vector, size_t dimension) {
  if (vector.size() != dimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("the embedding has ", vector.size(), " values, the library's model has ", dimension));
  }
  double norm = 0;
  for (const float value : vector) norm += static_cast<double>(value) * value;
  if (!(std::abs(std::sqrt(norm) - 1) <= kNormTolerance)) {
    return absl::InvalidArgumentError(absl::StrCat("the embedding has length ", std::sqrt(norm), ", not 1"));
  }
  return absl::OkStatus();
}

}  // namespace eidetic::storage
