// Bytes of a picture file → RGB pixels as a person would see them: orientation
// applied, alpha laid over white, 16-bit, grey, CMYK and palette converted,
// first frame of an animation. The format is told from the bytes, never from a
// file's name. Stateless; any thread, any number at once.
//
//   ASSIGN_OR_RETURN(ImageInfo info, ReadImageInfo(bytes, {}));
//   ASSIGN_OR_RETURN(Image image, DecodeImage(bytes, {.min_short_side = 260}));
//
// Errors: kInvalidArgument (not a picture, truncated, damaged: the message says
// which format and what), kUnimplemented (a format we know but do not read),
// kResourceExhausted (more pixels or bytes than the limits allow; found from
// the header, before pixel memory is taken).
#ifndef EIDETIC_ENCODER_IMAGE_DECODER_H_
#define EIDETIC_ENCODER_IMAGE_DECODER_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/image.h"

namespace eidetic::encoder {

enum class ImageFormat { kJpeg, kPng, kWebp, kGif, kBmp, kTiff, kPnm, kAvif, kHeic };

// "image/jpeg" and so on.
absl::string_view MediaType(ImageFormat format);

// Whether a file of this name is worth opening: its extension, in any case, is
// one of a format that DecodeImage reads.
bool HasImageExtension(absl::string_view file_name);

struct DecodeOptions {
  // Largest file and largest picture accepted.
  uint64_t max_file_bytes = uint64_t{256} << 20;
  uint64_t max_pixels = 150'000'000;
  // When above 0, a decoder that can shrink cheaply (JPEG) may return a smaller
  // picture, as long as its shorter side stays at or above this many pixels.
  int min_short_side = 0;
};

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  // As displayed, after orientation.
  int width = 0;
  int height = 0;
};

// Reads the header only.
absl::StatusOr<ImageInfo> ReadImageInfo(std::span<const uint8_t> bytes, const DecodeOptions& options);

absl::StatusOr<Image> DecodeImage(std::span<const uint8_t> bytes, const DecodeOptions& options);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_IMAGE_DECODER_H_
