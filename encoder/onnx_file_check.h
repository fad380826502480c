// Looks through the bytes of an .onnx file before ONNX Runtime gets them.
// Stateless; any thread.
#ifndef EIDETIC_ENCODER_ONNX_FILE_CHECK_H_
#define EIDETIC_ENCODER_ONNX_FILE_CHECK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

// kInvalidArgument when the bytes are not a whole protobuf message with a
// graph, kUnimplemented when a tensor's data lies outside the file (ONNX
// external data): a path in a model must not make us read other files.
absl::Status CheckOnnxFile(absl::string_view bytes, absl::string_view name);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ONNX_FILE_CHECK_H_
