// Walks the fields of a protobuf message of an .onnx file without copying
// weights or building objects. Stateless; any thread.
//
//   RETURN_IF_ERROR(ForEachField(bytes, [&](const OnnxField& field) {
//     if (field.number == kGraph) graph = field.bytes;
//     return absl::OkStatus();
//   }));
#ifndef EIDETIC_ENCODER_ONNX_FIELDS_H_
#define EIDETIC_ENCODER_ONNX_FIELDS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

// A view into the message.
struct OnnxField {
  int number = 0;
  bool has_length = false;
  uint64_t integer = 0;     // of a varint
  absl::string_view bytes;  // of a field with a length: a message, a string, packed numbers
  absl::string_view whole;  // with its tag, as it stands in the message
};

// Messages of onnx.proto, as far as they are read here.
namespace onnx_model {
inline constexpr int kGraph = 7;
inline constexpr int kFunction = 25;
}  // namespace onnx_model
namespace onnx_graph {
inline constexpr int kNode = 1;
inline constexpr int kInitializer = 5;
inline constexpr int kInput = 11;
inline constexpr int kOutput = 12;
inline constexpr int kValueInfo = 13;
inline constexpr int kQuantization = 14;
inline constexpr int kSparseInitializer = 15;
}  // namespace onnx_graph
namespace onnx_node {
inline constexpr int kInput = 1;
inline constexpr int kOutput = 2;
inline constexpr int kOperator = 4;
inline constexpr int kAttribute = 5;
}  // namespace onnx_node
namespace onnx_attribute {
inline constexpr int kTensor = 5;
inline constexpr int kGraph = 6;
inline constexpr int kTensors = 10;
inline constexpr int kGraphs = 11;
inline constexpr int kSparseTensor = 22;
inline constexpr int kSparseTensors = 23;
}  // namespace onnx_attribute
namespace onnx_function {
inline constexpr int kNode = 7;
inline constexpr int kAttribute = 11;
}  // namespace onnx_function
namespace onnx_value {
inline constexpr int kName = 1;
inline constexpr int kType = 2;
}  // namespace onnx_value

// Calls `visit` for each field in order, until it fails. kInvalidArgument when
// the message is truncated or damaged.
absl::Status ForEachField(absl::string_view message, absl::FunctionRef<absl::Status(const OnnxField&)> visit);

// The numbers of a repeated integer field, packed or not. False: damaged.
bool AppendIntegers(const OnnxField& field, std::vector<int64_t>& integers);

// The string of the first field `number`; empty when there is none.
absl::StatusOr<absl::string_view> FindBytes(absl::string_view message, int number);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ONNX_FIELDS_H_
