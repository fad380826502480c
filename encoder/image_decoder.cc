#include "encoder/image_decoder.h"

#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/exif_orientation.h"
#include "encoder/format_decoders.h"
#include "encoder/image_format.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// What every format's own reader can be trusted with, whatever max_pixels says.
constexpr uint64_t kMaxSide = 65'535;

struct FormatDecoder {
  absl::StatusOr<PictureHeader> (*read_header)(Bytes bytes);
  absl::StatusOr<Image> (*decode)(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);
};

FormatDecoder DecoderOf(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return {ReadJpegHeader, DecodeJpeg};
    case ImageFormat::kPng:
      return {ReadPngHeader, DecodePng};
    case ImageFormat::kWebp:
      return {ReadWebpHeader, DecodeWebp};
    case ImageFormat::kGif:
      return {ReadGifHeader, DecodeGif};
    case ImageFormat::kTiff:
      return {ReadTiffHeader, DecodeTiff};
    case ImageFormat::kAvif:
    case ImageFormat::kHeic:
      return {ReadHeifHeader, DecodeHeif};
    case ImageFormat::kBmp:
      return {ReadBmpHeader, DecodeWithOpencv};
    case ImageFormat::kPnm:
      return {ReadPnmHeader, DecodeWithOpencv};
  }
  return {};
}

absl::Status CheckLimits(const PictureHeader& header, const DecodeOptions& options) {
  const uint64_t width = header.width;
  const uint64_t height = header.height;
  if (width == 0 || height == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the picture is empty (", width, " x ", height, " pixels)"));
  }
  if (width > kMaxSide || height > kMaxSide) {
    return absl::ResourceExhaustedError(absl::StrCat("a side of the picture (", width, " x ", height,
                                                     " pixels) is over ", kMaxSide, " pixels"));
  }
  if (width * height > options.max_pixels) {
    return absl::ResourceExhaustedError(absl::StrCat("the picture (", width, " x ", height,
                                                     " pixels) is over the limit of ", options.max_pixels,
                                                     " pixels"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageFormat> DetectWithinLimit(Bytes bytes, const DecodeOptions& options) {
  if (bytes.size() > options.max_file_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the file (", bytes.size(), " bytes) is over the limit of ", options.max_file_bytes, " bytes"));
  }
  return DetectImageFormat(bytes);
}

absl::StatusOr<PictureHeader> ReadCheckedHeader(Bytes bytes, ImageFormat format,
                                                const DecodeOptions& options) {
  absl::StatusOr<PictureHeader> header = DecoderOf(format).read_header(bytes);
  if (!header.ok()) return AddContext(header.status(), FormatName(format));
  EIDETIC_RETURN_IF_ERROR(CheckLimits(*header, options));
  return header;
}

}  // namespace

absl::StatusOr<ImageInfo> ReadImageInfo(std::span<const uint8_t> bytes, const DecodeOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const ImageFormat format, DetectWithinLimit(bytes, options));
  EIDETIC_ASSIGN_OR_RETURN(const PictureHeader header, ReadCheckedHeader(bytes, format, options));
  ImageInfo info{
      .format = format, .width = static_cast<int>(header.width), .height = static_cast<int>(header.height)};
  if (OrientationSwapsSides(header.orientation)) std::swap(info.width, info.height);
  return info;
}

absl::StatusOr<Image> DecodeImage(std::span<const uint8_t> bytes, const DecodeOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const ImageFormat format, DetectWithinLimit(bytes, options));
  EIDETIC_ASSIGN_OR_RETURN(const PictureHeader header, ReadCheckedHeader(bytes, format, options));
  try {
    absl::StatusOr<Image> image = DecoderOf(format).decode(bytes, header, options);
    if (!image.ok()) return AddContext(image.status(), FormatName(format));
    return ApplyOrientation(*std::move(image), header.orientation);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a picture of ", header.width, " x ", header.height, " pixels"));
  }
}

}  // namespace eidetic::encoder
