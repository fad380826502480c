// What lies behind DecodeImage: for each format one function that reads the
// header and one that decodes. A header is read without taking memory for
// pixels, so that the limits can be checked in between; the decoder then refuses
// a picture whose size is not the header's. All are stateless, write nothing to
// stderr and run on any thread.
#ifndef EIDETIC_ENCODER_FORMAT_DECODERS_H_
#define EIDETIC_ENCODER_FORMAT_DECODERS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "encoder/image.h"
#include "encoder/image_decoder.h"

namespace eidetic::encoder {

// Formats hold sides up to 2^32 - 1; DecodeImage's limits bring them down to int.
struct PictureHeader {
  // As stored, before orientation.
  uint64_t width = 0;
  uint64_t height = 0;
  // EXIF orientation, 1 to 8, still to be applied to what the decoder returns.
  int orientation = 1;
};

// A buffer of the header's size, which must have passed the limits.
inline Image MakeImage(const PictureHeader& header) {
  Image image{
      .width = static_cast<int>(header.width), .height = static_cast<int>(header.height), .pixels = {}};
  image.pixels.resize(image.row_bytes() * static_cast<size_t>(image.height));
  return image;
}

using Bytes = std::span<const uint8_t>;

absl::StatusOr<PictureHeader> ReadJpegHeader(Bytes bytes);
// Only this one shrinks: options.min_short_side.
absl::StatusOr<Image> DecodeJpeg(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);

absl::StatusOr<PictureHeader> ReadPngHeader(Bytes bytes);
absl::StatusOr<Image> DecodePng(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);

absl::StatusOr<PictureHeader> ReadWebpHeader(Bytes bytes);
absl::StatusOr<Image> DecodeWebp(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);

absl::StatusOr<PictureHeader> ReadGifHeader(Bytes bytes);
absl::StatusOr<Image> DecodeGif(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);

absl::StatusOr<PictureHeader> ReadTiffHeader(Bytes bytes);
absl::StatusOr<Image> DecodeTiff(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);

// HEIC and AVIF.
absl::StatusOr<PictureHeader> ReadHeifHeader(Bytes bytes);
absl::StatusOr<Image> DecodeHeif(Bytes bytes, const PictureHeader& header, const DecodeOptions& options);

absl::StatusOr<PictureHeader> ReadBmpHeader(Bytes bytes);
absl::StatusOr<PictureHeader> ReadPnmHeader(Bytes bytes);
absl::StatusOr<Image> DecodeWithOpencv(Bytes bytes, const PictureHeader& header,
                                       const DecodeOptions& options);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_FORMAT_DECODERS_H_
