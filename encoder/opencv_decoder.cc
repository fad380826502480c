// BMP and PNM. The headers are read here, before OpenCV sees a byte: its own
// checks come late and complain on stderr, so a file that is not whole must not
// reach it. OpenCV is in a module (see images.cmake) opened at first use.
#include <dlfcn.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "encoder/format_decoders.h"
#include "encoder/opencv_codecs.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr char kModuleFile[] = "eidetic_opencv_codecs.so";

absl::Status Truncated() { return absl::InvalidArgumentError("truncated: the picture data end too early"); }

// --- BMP ---

constexpr size_t kBmpFileHeaderBytes = 14;
constexpr uint32_t kBmpCoreHeaderBytes = 12;
constexpr uint32_t kBmpInfoHeaderBytes = 40;
constexpr uint32_t kBmpRle8 = 1;
constexpr uint32_t kBmpRle4 = 2;

uint32_t ReadLittleEndian(Bytes bytes, size_t offset, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[offset + i];
  return value;
}

// Run-length coded pixels end with the pair 0, 1; walks the pairs up to it.
bool RunLengthsAreWhole(Bytes data, bool four_bits) {
  size_t i = 0;
  while (i + 2 <= data.size()) {
    const uint8_t run = data[i];
    const uint8_t code = data[i + 1];
    i += 2;
    if (run != 0 || code == 0) continue;
    if (code == 1) return true;
    if (code == 2) {
      i += 2;
    } else {
      const size_t literal_bytes = four_bits ? (code + 1u) / 2 : code;
      i += literal_bytes + literal_bytes % 2;
    }
  }
  return false;
}

// --- PNM ---

// Reads a header's or a plain picture's numbers: digits between white space,
// "#" to the end of the line is a comment.
class PnmScanner {
 public:
  explicit PnmScanner(Bytes bytes) : bytes_(bytes) {}

  std::optional<uint64_t> ReadNumber() {
    SkipBlank();
    constexpr uint64_t kTooLarge = uint64_t{1} << 32;
    uint64_t value = 0;
    const size_t start = at_;
    for (; at_ < bytes_.size() && absl::ascii_isdigit(bytes_[at_]); ++at_) {
      value = std::min(value * 10 + (bytes_[at_] - '0'), kTooLarge);
    }
    if (at_ == start) return std::nullopt;
    return value;
  }

  // Plain bitmaps may leave out the white space between their digits.
  std::optional<uint64_t> ReadDigit() {
    SkipBlank();
    if (at_ == bytes_.size() || !absl::ascii_isdigit(bytes_[at_])) return std::nullopt;
    return bytes_[at_++] - '0';
  }

  size_t rest() const { return bytes_.size() - at_; }

 private:
  void SkipBlank() {
    for (; at_ < bytes_.size(); ++at_) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
        if (at_ == bytes_.size()) return;
      } else if (!absl::ascii_isspace(bytes_[at_])) {
        return;
      }
    }
  }

  Bytes bytes_;
  size_t at_ = 2;  // behind "P6"
};

struct PnmLayout {
  PictureHeader header;
  char kind = '6';
  uint64_t max_value = 1;
  PnmScanner scanner;
};

absl::StatusOr<PnmLayout> ReadPnmLayout(Bytes bytes) {
  PnmLayout layout{
      .header = {}, .kind = static_cast<char>(bytes[1]), .max_value = 1, .scanner = PnmScanner(bytes)};
  const std::optional<uint64_t> width = layout.scanner.ReadNumber();
  const std::optional<uint64_t> height = layout.scanner.ReadNumber();
  const bool bitmap = layout.kind == '1' || layout.kind == '4';
  const std::optional<uint64_t> max_value = bitmap ? 1 : layout.scanner.ReadNumber();
  if (!width.has_value() || !height.has_value() || !max_value.has_value()) {
    return absl::InvalidArgumentError("the header is damaged or truncated");
  }
  if (*max_value < 1 || *max_value > 65'535) {
    return absl::InvalidArgumentError(absl::StrCat("the largest value is ", *max_value, ", not 1 to 65535"));
  }
  layout.header.width = *width;
  layout.header.height = *height;
  layout.max_value = *max_value;
  return layout;
}

absl::Status CheckPnmIsWhole(Bytes bytes) {
  EIDETIC_ASSIGN_OR_RETURN(PnmLayout layout, ReadPnmLayout(bytes));
  const uint64_t channels = layout.kind == '3' || layout.kind == '6' ? 3 : 1;
  const uint64_t pixels = layout.header.width * layout.header.height;
  switch (layout.kind) {
    case '1':
    case '2':
    case '3':
      for (uint64_t i = 0; i < pixels * channels; ++i) {
        const std::optional<uint64_t> value =
            layout.kind == '1' ? layout.scanner.ReadDigit() : layout.scanner.ReadNumber();
        if (!value.has_value()) return Truncated();
        if (*value > layout.max_value)
          return absl::InvalidArgumentError("a value is over the largest allowed");
      }
      return absl::OkStatus();
    default: {
      const uint64_t needed = layout.kind == '4' ? (layout.header.width + 7) / 8 * layout.header.height
                                                 : pixels * channels * (layout.max_value > 255 ? 2 : 1);
      // One byte of white space parts the header from the pixels.
      return layout.scanner.rest() < needed + 1 ? Truncated() : absl::OkStatus();
    }
  }
}

absl::Status CheckBmpIsWhole(Bytes bytes, const PictureHeader& header) {
  const uint64_t data_offset = ReadLittleEndian(bytes, 10, 4);
  const uint32_t header_bytes = ReadLittleEndian(bytes, 14, 4);
  const bool core = header_bytes == kBmpCoreHeaderBytes;
  const uint64_t bits = ReadLittleEndian(bytes, core ? 24 : 28, 2);
  const uint32_t compression = core ? 0 : ReadLittleEndian(bytes, 30, 4);
  if (data_offset > bytes.size()) return Truncated();
  if (compression == kBmpRle8 || compression == kBmpRle4) {
    return RunLengthsAreWhole(bytes.subspan(data_offset), compression == kBmpRle4) ? absl::OkStatus()
                                                                                   : Truncated();
  }
  const uint64_t row_bytes = (header.width * bits + 31) / 32 * 4;
  return bytes.size() - data_offset < row_bytes * header.height ? Truncated() : absl::OkStatus();
}

// --- the module ---

using DecodeFunction = decltype(&EideticOpencvDecode);

absl::StatusOr<DecodeFunction> LoadDecodeFunction() {
  std::array<char, PATH_MAX> program{};
  const ssize_t length = readlink("/proc/self/exe", program.data(), program.size() - 1);
  std::string folder(program.data(), length > 0 ? static_cast<size_t>(length) : 0);
  folder.resize(std::min(folder.rfind('/'), folder.size()));

  std::string tried;
  // Installed (bin/ beside lib/) and tests; the program in the build folder.
  for (const char* beside : {"/../" EIDETIC_MODULE_DIRECTORY "/", "/" EIDETIC_MODULE_DIRECTORY "/"}) {
    const std::string path = absl::StrCat(folder, beside, kModuleFile);
    // Never closed: the loader counts, and a second open costs microseconds.
    void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module == nullptr) {
      absl::StrAppend(&tried, tried.empty() ? "" : "; ", dlerror());
      continue;
    }
    void* symbol = dlsym(module, "EideticOpencvDecode");
    if (symbol == nullptr)
      return absl::FailedPreconditionError(absl::StrCat(path, " is not Eidetic's module"));
    return reinterpret_cast<DecodeFunction>(symbol);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the module that reads BMP and PNM did not load; install it with Eidetic (", tried, ")"));
}

}  // namespace

absl::StatusOr<PictureHeader> ReadBmpHeader(Bytes bytes) {
  if (bytes.size() < kBmpFileHeaderBytes + kBmpCoreHeaderBytes) return Truncated();
  const uint32_t header_bytes = ReadLittleEndian(bytes, 14, 4);
  if (header_bytes == kBmpCoreHeaderBytes) {
    return PictureHeader{.width = ReadLittleEndian(bytes, 18, 2), .height = ReadLittleEndian(bytes, 20, 2)};
  }
  if (header_bytes < kBmpInfoHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a header of ", header_bytes, " bytes is not known"));
  }
  if (bytes.size() < kBmpFileHeaderBytes + kBmpInfoHeaderBytes) return Truncated();
  // A negative height only says that the top row comes first.
  const auto width = static_cast<int32_t>(ReadLittleEndian(bytes, 18, 4));
  const auto height = static_cast<int32_t>(ReadLittleEndian(bytes, 22, 4));
  if (width < 0) return absl::InvalidArgumentError("the header gives a negative width");
  const int64_t rows = height;
  return PictureHeader{.width = static_cast<uint64_t>(width),
                       .height = static_cast<uint64_t>(rows < 0 ? -rows : rows)};
}

absl::StatusOr<PictureHeader> ReadPnmHeader(Bytes bytes) {
  EIDETIC_ASSIGN_OR_RETURN(const PnmLayout layout, ReadPnmLayout(bytes));
  return layout.header;
}

absl::StatusOr<Image> DecodeWithOpencv(Bytes bytes, const PictureHeader& header, const DecodeOptions&) {
  EIDETIC_RETURN_IF_ERROR(bytes[0] == 'B' ? CheckBmpIsWhole(bytes, header) : CheckPnmIsWhole(bytes));
  if (bytes.size() > INT_MAX) return absl::ResourceExhaustedError("OpenCV reads files up to 2 GiB");
  EIDETIC_ASSIGN_OR_RETURN(const DecodeFunction decode, LoadDecodeFunction());
  Image image = MakeImage(header);
  std::array<char, 512> error{};
  if (decode(bytes.data(), bytes.size(), image.width, image.height, image.pixels.data(), error.data(),
             error.size()) != 0) {
    return absl::InvalidArgumentError(error.data());
  }
  return image;
}

}  // namespace eidetic::encoder
