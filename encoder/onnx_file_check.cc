#include "encoder/onnx_file_check.h"

#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encoder/onnx_fields.h"
#include "encoder/onnx_tensor_check.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// Graphs nest in attributes of If and Loop.
constexpr int kMostNesting = 32;
constexpr uint64_t kElementTypeUint8 = 2;

class OnnxWalk {
 public:
  absl::Status Model(absl::string_view model) {
    bool graph_seen = false;
    EIDETIC_RETURN_IF_ERROR(ForEachField(model, [&](const OnnxField& field) -> absl::Status {
      if (field.number == onnx_model::kFunction) return Function(field.bytes);
      if (field.number != onnx_model::kGraph) return absl::OkStatus();
      graph_seen = true;
      return Graph(field.bytes, 0);
    }));
    return graph_seen ? absl::OkStatus() : absl::InvalidArgumentError("it has no graph");
  }

  OnnxFileFacts facts;

 private:
  absl::Status Graph(absl::string_view graph, int nesting) {
    if (nesting > kMostNesting) return absl::InvalidArgumentError("graphs are nested too deeply");
    return ForEachField(graph, [&](const OnnxField& field) -> absl::Status {
      switch (field.number) {
        case onnx_graph::kNode:
          return Node(field.bytes, nesting);
        case onnx_graph::kInitializer:
          return CheckTensor(field.bytes, facts.external_files);
        case onnx_graph::kSparseInitializer:
          return Sparse();
        case onnx_graph::kInput:
          return nesting == 0 ? Input(field.bytes) : absl::OkStatus();
        default:
          return absl::OkStatus();
      }
    });
  }

  absl::Status Function(absl::string_view function) {
    return ForEachField(function, [&](const OnnxField& field) -> absl::Status {
      if (field.number == onnx_function::kNode) return Node(field.bytes, 0);
      if (field.number == onnx_function::kAttribute) return Attribute(field.bytes, 0);
      return absl::OkStatus();
    });
  }

  absl::Status Node(absl::string_view node, int nesting) {
    return ForEachField(node, [&](const OnnxField& field) -> absl::Status {
      if (field.number == onnx_node::kAttribute) return Attribute(field.bytes, nesting);
      if (field.number == onnx_node::kOperator && absl::StartsWith(field.bytes, "DynamicQuantize")) {
        facts.quantizes_dynamically = true;
      }
      return absl::OkStatus();
    });
  }

  absl::Status Attribute(absl::string_view attribute, int nesting) {
    return ForEachField(attribute, [&](const OnnxField& field) -> absl::Status {
      if (!field.has_length) return absl::OkStatus();
      switch (field.number) {
        case onnx_attribute::kTensor:
        case onnx_attribute::kTensors:
          return CheckTensor(field.bytes, facts.external_files);
        case onnx_attribute::kGraph:
        case onnx_attribute::kGraphs:
          return Graph(field.bytes, nesting + 1);
        case onnx_attribute::kSparseTensor:
        case onnx_attribute::kSparseTensors:
          return Sparse();
        default:
          return absl::OkStatus();
      }
    });
  }

  // ValueInfoProto: type → TypeProto: tensor_type → TypeProto.Tensor: elem_type.
  absl::Status Input(absl::string_view value) {
    EIDETIC_ASSIGN_OR_RETURN(const absl::string_view type, FindBytes(value, onnx_value::kType));
    EIDETIC_ASSIGN_OR_RETURN(const absl::string_view tensor, FindBytes(type, 1));
    return ForEachField(tensor, [&](const OnnxField& field) {
      if (field.number == 1 && field.integer == kElementTypeUint8) facts.takes_bytes = true;
      return absl::OkStatus();
    });
  }

  static absl::Status Sparse() {
    return absl::UnimplementedError(
        "it has sparse tensors, which are not supported; export it with dense ones");
  }
};

}  // namespace

absl::StatusOr<OnnxFileFacts> CheckOnnxFile(absl::string_view bytes, absl::string_view name) {
  if (bytes.size() > std::numeric_limits<int>::max()) {
    return absl::ResourceExhaustedError(absl::StrCat(name, ": larger than 2 GiB, the limit of the format"));
  }
  OnnxWalk walk;
  if (const absl::Status status = walk.Model(bytes); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(name, ": not a usable ONNX model: ", status.message()));
  }
  return std::move(walk.facts);
}

}  // namespace eidetic::encoder
