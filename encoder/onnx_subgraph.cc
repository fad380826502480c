#include "encoder/onnx_subgraph.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encoder/onnx_fields.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// TensorProto, ValueInfoProto and TensorAnnotation name themselves.
constexpr int kTensorName = 8;
constexpr int kAnnotatedTensor = 1;

struct Node {
  std::vector<absl::string_view> inputs;
  std::vector<absl::string_view> outputs;
};

// Names that the graph in an attribute reads; some are its own, and harmless.
absl::Status ReadInnerInputs(absl::string_view attribute, std::vector<absl::string_view>& inputs);

absl::Status ReadNode(absl::string_view message, Node& node) {
  return ForEachField(message, [&node](const OnnxField& field) -> absl::Status {
    if (field.number == onnx_node::kInput) node.inputs.push_back(field.bytes);
    if (field.number == onnx_node::kOutput) node.outputs.push_back(field.bytes);
    if (field.number == onnx_node::kAttribute) return ReadInnerInputs(field.bytes, node.inputs);
    return absl::OkStatus();
  });
}

absl::Status ReadInnerInputs(absl::string_view attribute, std::vector<absl::string_view>& inputs) {
  return ForEachField(attribute, [&inputs](const OnnxField& field) -> absl::Status {
    const bool graph = field.number == onnx_attribute::kGraph || field.number == onnx_attribute::kGraphs;
    if (!graph || !field.has_length) return absl::OkStatus();
    return ForEachField(field.bytes, [&inputs](const OnnxField& inner) -> absl::Status {
      // A body may also give back a value of the graph around it as it is.
      if (inner.number == onnx_graph::kOutput) {
        EIDETIC_ASSIGN_OR_RETURN(const absl::string_view name, FindBytes(inner.bytes, onnx_value::kName));
        inputs.push_back(name);
      }
      if (inner.number != onnx_graph::kNode) return absl::OkStatus();
      Node node;
      EIDETIC_RETURN_IF_ERROR(ReadNode(inner.bytes, node));
      inputs.insert(inputs.end(), node.inputs.begin(), node.inputs.end());
      return absl::OkStatus();
    });
  });
}

struct Graph {
  std::vector<OnnxField> fields;
  // Beside each field, for those that are nodes.
  std::vector<Node> nodes;
  absl::flat_hash_map<absl::string_view, size_t> producers;
  std::vector<absl::string_view> outputs;
};

absl::StatusOr<Graph> ReadGraph(absl::string_view message) {
  Graph graph;
  EIDETIC_RETURN_IF_ERROR(ForEachField(message, [&graph](const OnnxField& field) -> absl::Status {
    const size_t place = graph.fields.size();
    graph.fields.push_back(field);
    Node& node = graph.nodes.emplace_back();
    if (field.number == onnx_graph::kNode) {
      EIDETIC_RETURN_IF_ERROR(ReadNode(field.bytes, node));
      for (const absl::string_view output : node.outputs) {
        if (!output.empty()) graph.producers.emplace(output, place);
      }
    }
    if (field.number == onnx_graph::kOutput) {
      EIDETIC_ASSIGN_OR_RETURN(const absl::string_view name, FindBytes(field.bytes, onnx_value::kName));
      graph.outputs.push_back(name);
    }
    return absl::OkStatus();
  }));
  return graph;
}

// Values that `output` is made of, and itself.
absl::flat_hash_set<absl::string_view> ValuesBehind(const Graph& graph, absl::string_view output) {
  absl::flat_hash_set<absl::string_view> needed = {output};
  std::vector<absl::string_view> open = {output};
  while (!open.empty()) {
    const absl::string_view name = open.back();
    open.pop_back();
    const auto producer = graph.producers.find(name);
    if (producer == graph.producers.end()) continue;
    for (const absl::string_view input : graph.nodes[producer->second].inputs) {
      if (needed.insert(input).second) open.push_back(input);
    }
  }
  return needed;
}

absl::StatusOr<bool> Keep(const Graph& graph, size_t place, absl::string_view output,
                          const absl::flat_hash_set<absl::string_view>& needed) {
  const OnnxField& field = graph.fields[place];
  int name_field = onnx_value::kName;
  switch (field.number) {
    case onnx_graph::kNode: {
      const std::vector<absl::string_view>& outputs = graph.nodes[place].outputs;
      return std::any_of(outputs.begin(), outputs.end(), [&](absl::string_view name) {
        return !name.empty() && needed.contains(name) && graph.producers.at(name) == place;
      });
    }
    case onnx_graph::kOutput: {
      EIDETIC_ASSIGN_OR_RETURN(const absl::string_view name, FindBytes(field.bytes, onnx_value::kName));
      return name == output;
    }
    case onnx_graph::kInitializer:
      name_field = kTensorName;
      break;
    case onnx_graph::kQuantization:
      name_field = kAnnotatedTensor;
      break;
    case onnx_graph::kInput:
    case onnx_graph::kValueInfo:
      break;
    default:
      return true;
  }
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view name, FindBytes(field.bytes, name_field));
  return needed.contains(name);
}

void AppendMessage(int number, absl::string_view message, std::string& out) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.WriteTag(WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  coded.WriteVarint32(static_cast<uint32_t>(message.size()));
  coded.WriteRaw(message.data(), static_cast<int>(message.size()));
}

}  // namespace

absl::StatusOr<std::string> CutTower(absl::string_view bytes, absl::string_view name,
                                     std::span<const absl::string_view> outputs) {
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view message, FindBytes(bytes, onnx_model::kGraph));
  EIDETIC_ASSIGN_OR_RETURN(const Graph graph, ReadGraph(message));
  const auto output = std::find_if(outputs.begin(), outputs.end(), [&graph](absl::string_view wanted) {
    return std::find(graph.outputs.begin(), graph.outputs.end(), wanted) != graph.outputs.end();
  });
  if (output == outputs.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": a file with both towers must have one of the outputs ",
                     absl::StrJoin(outputs, ", "), "; this one has ", absl::StrJoin(graph.outputs, ", ")));
  }
  const absl::flat_hash_set<absl::string_view> needed = ValuesBehind(graph, *output);
  std::string cut;
  for (size_t place = 0; place < graph.fields.size(); ++place) {
    EIDETIC_ASSIGN_OR_RETURN(const bool kept, Keep(graph, place, *output, needed));
    if (kept) absl::StrAppend(&cut, graph.fields[place].whole);
  }
  std::string model;
  EIDETIC_RETURN_IF_ERROR(ForEachField(bytes, [&model](const OnnxField& field) {
    if (field.number != onnx_model::kGraph) absl::StrAppend(&model, field.whole);
    return absl::OkStatus();
  }));
  AppendMessage(onnx_model::kGraph, cut, model);
  return model;
}

}  // namespace eidetic::encoder
