// TIFF by libtiff's RGBA reader, which knows every compression, palette, CMYK,
// YCbCr and 16-bit layout; band by band, so that memory stays near the picture's.
#include <tiffio.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encoder/alpha_over_white.h"
#include "encoder/exif_orientation.h"
#include "encoder/format_decoders.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// One strip or tile may hold the whole picture; more than this is a lie.
constexpr tmsize_t kMaxSingleAllocation = tmsize_t{1} << 30;
// Rows of a band when strips are thinner.
constexpr uint32_t kMinBandRows = 64;
constexpr size_t kTiffMessageBytes = 1024;

struct TiffClose {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
struct OptionsFree {
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
struct RgbaImageEnd {
  void operator()(TIFFRGBAImage* image) const { TIFFRGBAImageEnd(image); }
};

// The file in memory, with libtiff's position in it and its first complaint.
struct Source {
  Bytes bytes;
  uint64_t position = 0;
  std::string error;
};

struct OpenTiff {
  std::unique_ptr<Source> source;
  std::unique_ptr<TIFF, TiffClose> tiff;
};

Source* SourceOf(thandle_t handle) { return static_cast<Source*>(handle); }

tmsize_t ReadSource(thandle_t handle, void* to, tmsize_t count) {
  Source* source = SourceOf(handle);
  if (count <= 0 || source->position >= source->bytes.size()) return 0;
  const size_t available =
      std::min<uint64_t>(static_cast<uint64_t>(count), source->bytes.size() - source->position);
  std::memcpy(to, source->bytes.data() + source->position, available);
  source->position += available;
  return static_cast<tmsize_t>(available);
}

toff_t SeekSource(thandle_t handle, toff_t offset, int whence) {
  Source* source = SourceOf(handle);
  if (whence == SEEK_CUR) offset += source->position;
  if (whence == SEEK_END) offset += source->bytes.size();
  source->position = offset;
  return offset;
}

int KeepFirstError(TIFF*, void* user_data, const char*, const char* format, va_list arguments) {
  auto* source = static_cast<Source*>(user_data);
  if (source->error.empty()) {
    char message[256];
    std::vsnprintf(message, sizeof(message), format, arguments);
    source->error = message;
  }
  return 1;  // and the process-wide handler stays quiet
}

int DropWarning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

absl::Status TiffError(const Source& source) {
  return absl::InvalidArgumentError(
      source.error.empty() ? "damaged or truncated" : absl::StrCat("damaged or truncated: ", source.error));
}

absl::StatusOr<OpenTiff> Open(Bytes bytes) {
  OpenTiff open;
  open.source = std::make_unique<Source>(Source{.bytes = bytes, .position = 0, .error = {}});
  const std::unique_ptr<TIFFOpenOptions, OptionsFree> options(TIFFOpenOptionsAlloc());
  if (options == nullptr) return absl::ResourceExhaustedError("no memory for libtiff");
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMaxSingleAllocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), KeepFirstError, open.source.get());
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), DropWarning, nullptr);
  // "m": no mapping, all reads go through ReadSource and are bounded there.
  open.tiff.reset(TIFFClientOpenExt(
      "picture", "rm", open.source.get(), ReadSource,
      [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; }, SeekSource, [](thandle_t) { return 0; },
      [](thandle_t handle) -> toff_t { return SourceOf(handle)->bytes.size(); },
      [](thandle_t, void**, toff_t*) { return 0; }, [](thandle_t, void*, toff_t) {}, options.get()));
  if (open.tiff == nullptr) return TiffError(*open.source);
  return open;
}

PictureHeader HeaderOf(TIFF* tiff) {
  uint32_t width = 0;
  uint32_t height = 0;
  uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  return {.width = width,
          .height = height,
          .orientation = orientation >= 1 && orientation <= 8 ? orientation : ORIENTATION_TOPLEFT};
}

// Whole strips or tiles, so that none is decompressed twice.
uint32_t BandRows(TIFF* tiff, uint32_t height) {
  uint32_t unit = height;
  TIFFGetFieldDefaulted(tiff, TIFFIsTiled(tiff) != 0 ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, &unit);
  unit = std::clamp<uint32_t>(unit, 1, height);
  return std::min<uint64_t>(height, (kMinBandRows + unit - 1) / unit * uint64_t{unit});
}

}  // namespace

absl::StatusOr<PictureHeader> ReadTiffHeader(Bytes bytes) {
  EIDETIC_ASSIGN_OR_RETURN(const OpenTiff open, Open(bytes));
  return HeaderOf(open.tiff.get());
}

absl::StatusOr<Image> DecodeTiff(Bytes bytes, const PictureHeader& header, const DecodeOptions&) {
  EIDETIC_ASSIGN_OR_RETURN(const OpenTiff open, Open(bytes));
  char message[kTiffMessageBytes] = {};
  if (TIFFRGBAImageOK(open.tiff.get(), message) == 0) {
    return absl::UnimplementedError(absl::StrCat("this kind of TIFF is not read: ", message));
  }
  TIFFRGBAImage reader;
  if (TIFFRGBAImageBegin(&reader, open.tiff.get(), /*stop=*/1, message) == 0) {
    return absl::InvalidArgumentError(absl::StrCat("damaged or truncated: ", message));
  }
  const std::unique_ptr<TIFFRGBAImage, RgbaImageEnd> end(&reader);
  if (reader.width != header.width || reader.height != header.height) {
    return absl::InvalidArgumentError("the header contradicts itself");
  }
  // As stored: turning is DecodeImage's work.
  reader.req_orientation = reader.orientation;

  Image image = MakeImage(header);
  const uint32_t band_rows = BandRows(open.tiff.get(), reader.height);
  std::vector<uint32_t> raster(size_t{band_rows} * reader.width);
  std::vector<uint8_t> rgba(size_t{reader.width} * 4);
  for (uint32_t y = 0; y < reader.height; y += band_rows) {
    const uint32_t rows = std::min(band_rows, reader.height - y);
    reader.row_offset = static_cast<int>(y);
    if (TIFFRGBAImageGet(&reader, raster.data(), reader.width, rows) == 0) return TiffError(*open.source);
    for (uint32_t row = 0; row < rows; ++row) {
      const uint32_t* from = raster.data() + size_t{row} * reader.width;
      for (uint32_t x = 0; x < reader.width; ++x) {
        rgba[x * 4] = static_cast<uint8_t>(TIFFGetR(from[x]));
        rgba[x * 4 + 1] = static_cast<uint8_t>(TIFFGetG(from[x]));
        rgba[x * 4 + 2] = static_cast<uint8_t>(TIFFGetB(from[x]));
        rgba[x * 4 + 3] = static_cast<uint8_t>(TIFFGetA(from[x]));
      }
      LayPremultipliedOverWhite(rgba.data(), reader.width,
                                image.pixels.data() + image.row_bytes() * (y + row));
    }
  }
  return image;
}

}  // namespace eidetic::encoder
