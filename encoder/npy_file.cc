#include "encoder/npy_file.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kVersionEnd = 8;
constexpr size_t kMostDimensions = 8;

absl::Status Error(absl::string_view name, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": not a .npy file that can be read: ", problem));
}

uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// The text of `key` in the header's Python dictionary, up to the end of the
// header; empty when the key is missing.
absl::string_view After(absl::string_view header, absl::string_view key) {
  const size_t position = header.find(absl::StrCat("'", key, "':"));
  if (position == absl::string_view::npos) return {};
  return absl::StripLeadingAsciiWhitespace(header.substr(position + key.size() + 3));
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view bytes, uint64_t file_bytes,
                                         absl::string_view name) {
  if (bytes.size() < kVersionEnd || !absl::StartsWith(bytes, kMagic)) {
    return Error(name, "it does not begin with \\x93NUMPY");
  }
  const int version = bytes[kMagic.size()];
  if (version < 1 || version > 3) return Error(name, absl::StrCat("version ", version));
  const size_t header_start = kVersionEnd + (version == 1 ? 2 : 4);
  if (bytes.size() < header_start) return Error(name, "truncated header");
  const size_t header_size = LittleEndian(bytes.substr(kVersionEnd, header_start - kVersionEnd));
  if (header_size > bytes.size() - header_start) return Error(name, "truncated header");
  const absl::string_view header = bytes.substr(header_start, header_size);

  NpyHeader array;
  absl::string_view type = After(header, "descr");
  if (!absl::ConsumePrefix(&type, "'") || type.find('\'') == absl::string_view::npos) {
    return Error(name, "no element type in the header");
  }
  array.type = std::string(type.substr(0, type.find('\'')));
  uint64_t element_bytes = 0;
  if (array.type.size() != 3 || !absl::SimpleAtoi(array.type.substr(2), &element_bytes) ||
      element_bytes == 0) {
    return Error(name, absl::StrCat("element type ", array.type));
  }
  if (!absl::StartsWith(After(header, "fortran_order"), "False")) return Error(name, "not in C order");

  absl::string_view shape = After(header, "shape");
  if (!absl::ConsumePrefix(&shape, "(") || shape.find(')') == absl::string_view::npos) {
    return Error(name, "no shape in the header");
  }
  uint64_t expected = element_bytes;
  for (absl::string_view side :
       absl::StrSplit(shape.substr(0, shape.find(')')), ',', absl::SkipWhitespace())) {
    uint64_t length = 0;
    if (!absl::SimpleAtoi(side, &length) || array.shape.size() == kMostDimensions ||
        __builtin_mul_overflow(expected, length, &expected)) {
      return Error(name, "impossible shape");
    }
    array.shape.push_back(length);
  }
  array.data_offset = header_start + header_size;
  if (file_bytes - array.data_offset != expected) {
    return Error(
        name, absl::StrCat("its shape needs ", expected, " bytes, it has ", file_bytes - array.data_offset));
  }
  return array;
}

absl::StatusOr<NpyArray> ParseNpy(absl::string_view bytes, absl::string_view name) {
  EIDETIC_ASSIGN_OR_RETURN(NpyHeader header, ParseNpyHeader(bytes, bytes.size(), name));
  return NpyArray{.type = std::move(header.type),
                  .shape = std::move(header.shape),
                  .data = bytes.substr(header.data_offset)};
}

}  // namespace eidetic::encoder
