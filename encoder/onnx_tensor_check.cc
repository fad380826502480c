#include "encoder/onnx_tensor_check.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "encoder/onnx_fields.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// Fields of TensorProto and of the pairs in external_data.
constexpr int kDims = 1;
constexpr int kDataType = 2;
constexpr int kName = 8;
constexpr int kRawData = 9;
constexpr int kExternalData = 13;
constexpr int kDataLocation = 14;
constexpr int kPairKey = 1;
constexpr int kPairValue = 2;
constexpr uint64_t kStoredExternally = 1;
// float_data, int32_data, int64_data, double_data, uint64_data.
constexpr int kTypedData[] = {4, 5, 7, 10, 11};
constexpr size_t kMostDims = 64;

// Of one element; 0: strings, or a type newer than this list.
uint64_t BitsOf(uint64_t data_type) {
  switch (data_type) {
    case 2:   // UINT8
    case 3:   // INT8
    case 9:   // BOOL
    case 17:  // FLOAT8E4M3FN
    case 18:  // FLOAT8E4M3FNUZ
    case 19:  // FLOAT8E5M2
    case 20:  // FLOAT8E5M2FNUZ
      return 8;
    case 4:   // UINT16
    case 5:   // INT16
    case 10:  // FLOAT16
    case 16:  // BFLOAT16
      return 16;
    case 1:   // FLOAT
    case 6:   // INT32
    case 12:  // UINT32
      return 32;
    case 7:   // INT64
    case 11:  // DOUBLE
    case 13:  // UINT64
    case 14:  // COMPLEX64
      return 64;
    case 15:  // COMPLEX128
      return 128;
    case 21:  // UINT4
    case 22:  // INT4
    case 23:  // FLOAT4E2M1
      return 4;
    default:
      return 0;
  }
}

struct Tensor {
  absl::string_view name;
  std::vector<int64_t> dims;
  uint64_t data_type = 0;
  std::optional<uint64_t> raw_bytes;
  uint64_t typed_bytes = 0;
  bool external = false;
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

absl::Status Error(const Tensor& tensor, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("the tensor \"", tensor.name, "\" ", problem));
}

absl::Status ReadExternalPair(absl::string_view pair, Tensor& tensor) {
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view key, FindBytes(pair, kPairKey));
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view value, FindBytes(pair, kPairValue));
  tensor.external = true;
  if (key == "location") tensor.location = std::string(value);
  uint64_t number = 0;
  if (key != "offset" && key != "length") return absl::OkStatus();
  if (!absl::SimpleAtoi(value, &number)) {
    return Error(tensor, absl::StrCat("has external data with ", key, " \"", value, "\", not a number"));
  }
  if (key == "offset") {
    tensor.offset = number;
  } else {
    tensor.length = number;
  }
  return absl::OkStatus();
}

absl::StatusOr<Tensor> ReadTensor(absl::string_view message) {
  Tensor tensor;
  EIDETIC_ASSIGN_OR_RETURN(tensor.name, FindBytes(message, kName));
  EIDETIC_RETURN_IF_ERROR(ForEachField(message, [&tensor](const OnnxField& field) -> absl::Status {
    switch (field.number) {
      case kDims:
        if (AppendIntegers(field, tensor.dims) && tensor.dims.size() <= kMostDims) return absl::OkStatus();
        return Error(tensor, "has dimensions that cannot be read");
      case kDataType:
        tensor.data_type = field.integer;
        return absl::OkStatus();
      case kRawData:
        tensor.raw_bytes = field.bytes.size();
        return absl::OkStatus();
      case kExternalData:
        return ReadExternalPair(field.bytes, tensor);
      case kDataLocation:
        tensor.external = tensor.external || field.integer == kStoredExternally;
        return absl::OkStatus();
      default:
        break;
    }
    if (std::find(std::begin(kTypedData), std::end(kTypedData), field.number) != std::end(kTypedData)) {
      tensor.typed_bytes += field.has_length ? field.bytes.size() : field.whole.size();
    }
    return absl::OkStatus();
  }));
  return tensor;
}

// What the dimensions and the type claim; nullopt for types of unknown size.
absl::StatusOr<std::optional<uint64_t>> ClaimedBytes(const Tensor& tensor) {
  // Bits must fit as well.
  constexpr uint64_t kMostElements = std::numeric_limits<uint64_t>::max() / 256;
  uint64_t elements = 1;
  for (const int64_t dim : tensor.dims) {
    if (dim < 0) return Error(tensor, absl::StrCat("has a dimension of ", dim));
    const auto size = static_cast<uint64_t>(dim);
    if (size != 0 && elements > kMostElements / size) {
      return Error(tensor, "claims more elements than any file can hold");
    }
    elements *= size;
  }
  const uint64_t bits = BitsOf(tensor.data_type);
  if (bits == 0) return std::nullopt;
  return (elements * bits + 7) / 8;
}

absl::Status CheckLocation(const Tensor& tensor) {
  const std::string& location = tensor.location;
  bool inside = !location.empty() && location.front() != '/' && location.find('\\') == std::string::npos &&
                location.find('\0') == std::string::npos;
  for (const absl::string_view part : absl::StrSplit(location, '/')) inside = inside && part != "..";
  if (inside) return absl::OkStatus();
  return Error(tensor,
               absl::StrCat("has its data in \"", location,
                            "\" (ONNX external data), which is not a path inside the model's folder"));
}

absl::Status CheckExternal(const Tensor& tensor, std::optional<uint64_t> claimed,
                           std::map<std::string, uint64_t>& external_files) {
  EIDETIC_RETURN_IF_ERROR(CheckLocation(tensor));
  if (!claimed) return Error(tensor, "has external data of a type that is not known");
  if (tensor.length && *tensor.length != *claimed) {
    return Error(tensor,
                 absl::StrCat("claims ", *claimed, " bytes, but its external data has ", *tensor.length));
  }
  if (tensor.offset > std::numeric_limits<uint64_t>::max() - *claimed) {
    return Error(tensor, "has external data beyond the end of any file");
  }
  uint64_t& needed = external_files[tensor.location];
  needed = std::max(needed, tensor.offset + *claimed);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTensor(absl::string_view message, std::map<std::string, uint64_t>& external_files) {
  EIDETIC_ASSIGN_OR_RETURN(const Tensor tensor, ReadTensor(message));
  EIDETIC_ASSIGN_OR_RETURN(const std::optional<uint64_t> claimed, ClaimedBytes(tensor));
  if (tensor.external) return CheckExternal(tensor, claimed, external_files);
  if (!claimed) return absl::OkStatus();
  // Typed fields hold an element in at least a byte (two of 4 bits in one), and
  // no element has more than 16.
  constexpr uint64_t kMostBytesAByte = 16;
  const bool fits =
      tensor.raw_bytes ? *tensor.raw_bytes == *claimed : *claimed / kMostBytesAByte <= tensor.typed_bytes;
  if (fits) return absl::OkStatus();
  return Error(tensor, absl::StrCat("claims ", *claimed, " bytes, but has ",
                                    tensor.raw_bytes.value_or(tensor.typed_bytes)));
}

}  // namespace eidetic::encoder
