// Looks through the bytes of an .onnx file before ONNX Runtime gets them.
// Stateless; any thread.
//
//   ASSIGN_OR_RETURN(OnnxFileFacts facts, CheckOnnxFile(bytes, "onnx/text_model.onnx"));
//   for (const auto& [file, size] : facts.external_files) …  // read it
#ifndef EIDETIC_ENCODER_ONNX_FILE_CHECK_H_
#define EIDETIC_ENCODER_ONNX_FILE_CHECK_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

struct OnnxFileFacts {
  // Files that hold weights (ONNX external data), as paths below the .onnx
  // file's own folder, and how many bytes the tensors need of each.
  std::map<std::string, uint64_t> external_files;
  // Activations are quantised by a scale that a whole batch shares.
  bool quantizes_dynamically = false;
  // An input takes bytes (uint8): pixels that are not normalised.
  bool takes_bytes = false;
};

// kInvalidArgument when the bytes are not a whole protobuf message with a graph,
// a tensor claims another size than its data has, or external data would be read
// from outside the model's folder; kUnimplemented for sparse tensors, whose size
// their data does not bound; kResourceExhausted beyond protobuf's 2 GiB.
absl::StatusOr<OnnxFileFacts> CheckOnnxFile(absl::string_view bytes, absl::string_view name);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ONNX_FILE_CHECK_H_
