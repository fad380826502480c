// Cuts one tower out of an .onnx file that holds both, so that a text does not
// run the image tower, nor a picture the text tower. Stateless; any thread.
//
//   ASSIGN_OR_RETURN(std::string tower, CutTower(bytes, "onnx/model.onnx", {"text_embeds"}));
#ifndef EIDETIC_ENCODER_ONNX_SUBGRAPH_H_
#define EIDETIC_ENCODER_ONNX_SUBGRAPH_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

// A model with the first of `outputs` that the graph has, and with the nodes,
// weights and inputs that lead to it. External data stays where it is. `bytes`
// must have passed CheckOnnxFile. kInvalidArgument lists the graph's outputs when
// it has none of these.
absl::StatusOr<std::string> CutTower(absl::string_view bytes, absl::string_view name,
                                     std::span<const absl::string_view> outputs);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ONNX_SUBGRAPH_H_
