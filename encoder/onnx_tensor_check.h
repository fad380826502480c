// Checks a TensorProto of an .onnx file: that its dimensions and its data agree,
// so that nothing is allocated for what a file only claims. Stateless; any thread.
#ifndef EIDETIC_ENCODER_ONNX_TENSOR_CHECK_H_
#define EIDETIC_ENCODER_ONNX_TENSOR_CHECK_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

// Adds to `external_files` the file that holds the tensor's data, if one does, or
// raises the bytes needed of it. kInvalidArgument: damaged, another size than
// claimed, or a path that leads out of the model's folder.
absl::Status CheckTensor(absl::string_view tensor, std::map<std::string, uint64_t>& external_files);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ONNX_TENSOR_CHECK_H_
