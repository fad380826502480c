// Reads NumPy's .npy format (versions 1 to 3, C order). A view into the bytes
// given, which must outlive it. Stateless; any thread.
//
//   ASSIGN_OR_RETURN(NpyArray array, ParseNpy(bytes, "scales.npy"));
//   if (array.type == "<f4" && array.shape.size() == 1) …
#ifndef EIDETIC_ENCODER_NPY_FILE_H_
#define EIDETIC_ENCODER_NPY_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

struct NpyArray {
  std::string type;  // NumPy's name: "|i1", "<f4", …
  std::vector<size_t> shape;
  absl::string_view data;  // exactly the product of shape, times the size of an element
};

// `name` is put into errors. kInvalidArgument when the header is not understood
// or the bytes after it are not exactly those of the array.
absl::StatusOr<NpyArray> ParseNpy(absl::string_view bytes, absl::string_view name);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_NPY_FILE_H_
