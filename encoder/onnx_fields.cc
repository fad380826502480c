#include "encoder/onnx_fields.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

CodedInputStream Stream(absl::string_view bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
}

bool ReadValue(CodedInputStream& stream, uint32_t tag, absl::string_view message, OnnxField& field) {
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_VARINT:
      return stream.ReadVarint64(&field.integer);
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
      int length = 0;
      if (!stream.ReadVarintSizeAsInt(&length)) return false;
      const auto begin = static_cast<size_t>(stream.CurrentPosition());
      if (static_cast<size_t>(length) > message.size() - begin) return false;
      field.has_length = true;
      field.bytes = message.substr(begin, static_cast<size_t>(length));
      return stream.Skip(length);
    }
    default:
      return WireFormatLite::SkipField(&stream, tag);
  }
}

}  // namespace

absl::Status ForEachField(absl::string_view message,
                          absl::FunctionRef<absl::Status(const OnnxField&)> visit) {
  CodedInputStream stream = Stream(message);
  while (true) {
    const auto begin = static_cast<size_t>(stream.CurrentPosition());
    const uint32_t tag = stream.ReadTag();
    if (tag == 0) break;
    OnnxField field{.number = WireFormatLite::GetTagFieldNumber(tag)};
    if (!ReadValue(stream, tag, message, field)) {
      return absl::InvalidArgumentError("it is truncated or damaged");
    }
    field.whole = message.substr(begin, static_cast<size_t>(stream.CurrentPosition()) - begin);
    EIDETIC_RETURN_IF_ERROR(visit(field));
  }
  if (!stream.ConsumedEntireMessage()) return absl::InvalidArgumentError("it is truncated or damaged");
  return absl::OkStatus();
}

bool AppendIntegers(const OnnxField& field, std::vector<int64_t>& integers) {
  if (!field.has_length) {
    integers.push_back(static_cast<int64_t>(field.integer));
    return true;
  }
  CodedInputStream stream = Stream(field.bytes);
  while (static_cast<size_t>(stream.CurrentPosition()) < field.bytes.size()) {
    uint64_t value = 0;
    if (!stream.ReadVarint64(&value)) return false;
    integers.push_back(static_cast<int64_t>(value));
  }
  return true;
}

absl::StatusOr<absl::string_view> FindBytes(absl::string_view message, int number) {
  absl::string_view found;
  EIDETIC_RETURN_IF_ERROR(ForEachField(message, [&](const OnnxField& field) {
    if (field.number == number && found.empty()) found = field.bytes;
    return absl::OkStatus();
  }));
  return found;
}

}  // namespace eidetic::encoder
