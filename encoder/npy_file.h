// Reads NumPy's .npy format (versions 1 to 3, C order). A view into the bytes
// given, which must outlive it. Stateless; any thread.
//
//   ASSIGN_OR_RETURN(NpyArray array, ParseNpy(bytes, "scales.npy"));
//   if (array.type == "<f4" && array.shape.size() == 1) …
#ifndef EIDETIC_ENCODER_NPY_FILE_H_
#define EIDETIC_ENCODER_NPY_FILE_H_

#include <cstddef>
#include <cstdint>
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

struct NpyHeader {
  std::string type;
  std::vector<size_t> shape;
  size_t data_offset = 0;  // where the data begin
};

// For a file that is not read whole: `beginning` holds at least the header of a
// file of `file_bytes`. Errors as ParseNpy.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view beginning, uint64_t file_bytes,
                                         absl::string_view name);

// `name` is put into errors. kInvalidArgument when the header is not understood
// or the bytes after it are not exactly those of the array.
absl::StatusOr<NpyArray> ParseNpy(absl::string_view bytes, absl::string_view name);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_NPY_FILE_H_
