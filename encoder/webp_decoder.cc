// WebP by libwebp; of an animation the first frame on its canvas.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/alpha_over_white.h"
#include "encoder/exif_orientation.h"
#include "encoder/format_decoders.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

struct DemuxerDelete {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, DemuxerDelete>;

struct AnimationDelete {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

absl::StatusOr<Demuxer> OpenDemuxer(Bytes bytes) {
  const WebPData data{bytes.data(), bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  Demuxer demuxer(WebPDemuxPartial(&data, &state));
  if (demuxer == nullptr || state == WEBP_DEMUX_PARSE_ERROR) {
    return absl::InvalidArgumentError("the container is damaged");
  }
  if (state != WEBP_DEMUX_DONE) return absl::InvalidArgumentError("truncated: the file ends too early");
  return demuxer;
}

int OrientationOf(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) == 0) return 1;
  const int orientation = ReadExifOrientation({chunk.chunk.bytes, chunk.chunk.size});
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

absl::Status DamagedFrame() {
  return absl::InvalidArgumentError("the picture data are damaged or truncated");
}

absl::StatusOr<Image> DecodeFirstFrame(Bytes bytes, const PictureHeader& header) {
  const WebPData data{bytes.data(), bytes.size()};
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) return absl::InternalError("libwebp is of another version");
  options.color_mode = MODE_RGBA;
  options.use_threads = 0;
  const std::unique_ptr<WebPAnimDecoder, AnimationDelete> decoder(WebPAnimDecoderNew(&data, &options));
  uint8_t* canvas = nullptr;
  int timestamp = 0;
  if (decoder == nullptr || WebPAnimDecoderGetNext(decoder.get(), &canvas, &timestamp) == 0) {
    return DamagedFrame();
  }
  Image image = MakeImage(header);
  LayOverWhite(canvas, static_cast<size_t>(image.width) * image.height, image.pixels.data());
  return image;
}

}  // namespace

absl::StatusOr<PictureHeader> ReadWebpHeader(Bytes bytes) {
  EIDETIC_ASSIGN_OR_RETURN(const Demuxer demuxer, OpenDemuxer(bytes));
  return PictureHeader{.width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                       .height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT),
                       .orientation = OrientationOf(demuxer.get())};
}

absl::StatusOr<Image> DecodeWebp(Bytes bytes, const PictureHeader& header, const DecodeOptions&) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) return DamagedFrame();
  if (features.has_animation != 0) return DecodeFirstFrame(bytes, header);
  if (static_cast<uint64_t>(features.width) != header.width ||
      static_cast<uint64_t>(features.height) != header.height) {
    return absl::InvalidArgumentError("the picture's size is not the canvas's");
  }

  Image image = MakeImage(header);
  if (features.has_alpha == 0) {
    if (WebPDecodeRGBInto(bytes.data(), bytes.size(), image.pixels.data(), image.pixels.size(),
                          static_cast<int>(image.row_bytes())) == nullptr) {
      return DamagedFrame();
    }
    return image;
  }
  const size_t count = static_cast<size_t>(image.width) * image.height;
  std::vector<uint8_t> rgba(count * 4);
  if (WebPDecodeRGBAInto(bytes.data(), bytes.size(), rgba.data(), rgba.size(), image.width * 4) == nullptr) {
    return DamagedFrame();
  }
  LayOverWhite(rgba.data(), count, image.pixels.data());
  return image;
}

}  // namespace eidetic::encoder
