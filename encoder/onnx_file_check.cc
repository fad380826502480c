#include "encoder/onnx_file_check.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <limits>
#include <span>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Graphs nest in attributes of If and Loop.
constexpr int kMostNesting = 64;

// The messages of onnx.proto that can hold a tensor.
enum class Message { kModel, kGraph, kFunction, kNode, kAttribute, kSparseTensor, kTensor };

// A field that holds a message.
struct Field {
  int number;
  Message message;
};

std::span<const Field> FieldsOf(Message message) {
  static constexpr Field kModelFields[] = {{7, Message::kGraph}, {25, Message::kFunction}};
  static constexpr Field kGraphFields[] = {
      {1, Message::kNode}, {5, Message::kTensor}, {15, Message::kSparseTensor}};
  static constexpr Field kFunctionFields[] = {{7, Message::kNode}, {11, Message::kAttribute}};
  static constexpr Field kNodeFields[] = {{5, Message::kAttribute}};
  static constexpr Field kAttributeFields[] = {{5, Message::kTensor},        {6, Message::kGraph},
                                               {10, Message::kTensor},       {11, Message::kGraph},
                                               {22, Message::kSparseTensor}, {23, Message::kSparseTensor}};
  static constexpr Field kSparseTensorFields[] = {{1, Message::kTensor}, {2, Message::kTensor}};
  switch (message) {
    case Message::kModel:
      return kModelFields;
    case Message::kGraph:
      return kGraphFields;
    case Message::kFunction:
      return kFunctionFields;
    case Message::kNode:
      return kNodeFields;
    case Message::kAttribute:
      return kAttributeFields;
    case Message::kSparseTensor:
      return kSparseTensorFields;
    case Message::kTensor:
      break;
  }
  return {};
}

constexpr int kModelGraph = 7;
constexpr int kTensorExternalData = 13;
constexpr int kTensorDataLocation = 14;

class OnnxWalk {
 public:
  OnnxWalk(absl::string_view bytes, absl::string_view name)
      : stream_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())),
        name_(name) {}

  absl::Status Run() {
    EIDETIC_RETURN_IF_ERROR(Walk(Message::kModel, 0));
    if (!graph_seen_) return Damaged("it has no graph");
    return absl::OkStatus();
  }

 private:
  absl::Status Damaged(absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": not a whole ONNX model: ", problem));
  }

  absl::Status Walk(Message message, int nesting) {
    if (nesting > kMostNesting) return Damaged("graphs are nested too deeply");
    while (true) {
      const uint32_t tag = stream_.ReadTag();
      if (tag == 0) break;
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const bool has_length =
          WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
      if (message == Message::kTensor && (number == kTensorExternalData || number == kTensorDataLocation)) {
        EIDETIC_RETURN_IF_ERROR(CheckTensorField(tag, number));
        continue;
      }
      const Field* child = nullptr;
      for (const Field& field : FieldsOf(message)) {
        if (has_length && field.number == number) child = &field;
      }
      if (child == nullptr) {
        if (!WireFormatLite::SkipField(&stream_, tag)) return Damaged("it is truncated or damaged");
        continue;
      }
      graph_seen_ = graph_seen_ || (message == Message::kModel && number == kModelGraph);
      EIDETIC_RETURN_IF_ERROR(WalkChild(child->message, nesting + 1));
    }
    if (!stream_.ConsumedEntireMessage()) return Damaged("it is truncated or damaged");
    return absl::OkStatus();
  }

  absl::Status WalkChild(Message message, int nesting) {
    int length = 0;
    if (!stream_.ReadVarintSizeAsInt(&length)) return Damaged("it is truncated or damaged");
    const CodedInputStream::Limit outer = stream_.PushLimit(length);
    // PushLimit clips to what is there.
    if (stream_.BytesUntilLimit() != length) return Damaged("it is truncated");
    EIDETIC_RETURN_IF_ERROR(Walk(message, nesting));
    stream_.PopLimit(outer);
    return absl::OkStatus();
  }

  absl::Status CheckTensorField(uint32_t tag, int number) {
    uint64_t location = 1;
    if (number == kTensorDataLocation &&
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_VARINT &&
        !stream_.ReadVarint64(&location)) {
      return Damaged("it is truncated or damaged");
    }
    if (location == 0) return absl::OkStatus();
    return absl::UnimplementedError(
        absl::StrCat(name_,
                     ": keeps tensors in other files (ONNX external data), which is not supported; "
                     "save the model as one file"));
  }

  CodedInputStream stream_;
  absl::string_view name_;
  bool graph_seen_ = false;
};

}  // namespace

absl::Status CheckOnnxFile(absl::string_view bytes, absl::string_view name) {
  if (bytes.size() > std::numeric_limits<int>::max()) {
    return absl::ResourceExhaustedError(absl::StrCat(name, ": larger than 2 GiB, the limit of the format"));
  }
  return OnnxWalk(bytes, name).Run();
}

}  // namespace eidetic::encoder
