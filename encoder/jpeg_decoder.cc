// JPEG by libjpeg-turbo's libjpeg interface. Its TurboJPEG interface reports only
// the first warning, and a cut-off picture must not hide behind a harmless one.
// jpeglib.h needs size_t and FILE declared first.
#include <csetjmp>
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/exif_orientation.h"
#include "encoder/format_decoders.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// Real progressive files have about ten scans; thousands of empty ones are a
// known way to keep a decoder busy for minutes.
constexpr int kMaxScans = 100;
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr size_t kMaxMarkerBytes = 65'533;
constexpr auto kMaxCodecMemory = static_cast<decltype(jpeg_memory_mgr::max_memory_to_use)>(1) << 30;

// Owns one decompressor. libjpeg leaves by longjmp on errors, so every call into
// it goes through Guard, whose body may hold only trivially destructible locals.
class JpegDecompressor {
 public:
  JpegDecompressor() {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr jpeg) { std::longjmp(Self(jpeg).on_error_, 1); };
    errors_.output_message = [](j_common_ptr) {};
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level >= 0) return;
      const int code = jpeg->err->msg_code;
      if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER) jpeg->err->error_exit(jpeg);
    };
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      if (Self(jpeg).jpeg_.input_scan_number <= kMaxScans) return;
      Self(jpeg).too_many_scans_ = true;
      jpeg->err->error_exit(jpeg);
    };
  }
  ~JpegDecompressor() { jpeg_destroy_decompress(&jpeg_); }
  JpegDecompressor(const JpegDecompressor&) = delete;
  JpegDecompressor& operator=(const JpegDecompressor&) = delete;

  template <typename Body>
  absl::Status Guard(Body body) {
    if (setjmp(on_error_) != 0) return Error();
    body(&jpeg_);
    return absl::OkStatus();
  }

  absl::Status Open(Bytes bytes) {
    return Guard([this, bytes](jpeg_decompress_struct* jpeg) {
      jpeg_create_decompress(jpeg);
      jpeg->progress = &progress_;
      jpeg->mem->max_memory_to_use = kMaxCodecMemory;
      jpeg_mem_src(jpeg, bytes.data(),
                   static_cast<unsigned long>(bytes.size()));  // NOLINT(google-runtime-int)
      jpeg_save_markers(jpeg, kExifMarker, kMaxMarkerBytes);
      jpeg_read_header(jpeg, TRUE);
    });
  }

  const jpeg_decompress_struct& jpeg() const { return jpeg_; }

 private:
  // The error manager is the one member that libjpeg hands back on every call.
  static JpegDecompressor& Self(j_common_ptr jpeg) { return static_cast<Errors*>(jpeg->err)->owner; }

  absl::Status Error() {
    if (too_many_scans_) return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxScans, " scans"));
    switch (errors_.msg_code) {
      case JWRN_JPEG_EOF:
      case JWRN_HIT_MARKER:
      case JERR_INPUT_EOF:
        return absl::InvalidArgumentError("truncated: the picture data end too early");
      case JERR_OUT_OF_MEMORY:
      case JERR_NO_BACKING_STORE:
        return absl::ResourceExhaustedError("not enough memory to decode");
      default:
        break;
    }
    std::array<char, JMSG_LENGTH_MAX> message{};
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), message.data());
    return absl::InvalidArgumentError(message.data());
  }

  struct Errors : jpeg_error_mgr {
    explicit Errors(JpegDecompressor& decompressor) : jpeg_error_mgr{}, owner(decompressor) {}
    JpegDecompressor& owner;
  };

  Errors errors_{*this};
  jpeg_decompress_struct jpeg_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf on_error_;
  bool too_many_scans_ = false;
};

int OrientationOf(const jpeg_decompress_struct& jpeg) {
  for (const jpeg_marker_struct* marker = jpeg.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker == kExifMarker && marker->data_length >= 6 &&
        std::memcmp(marker->data, "Exif\0\0", 6) == 0) {
      return ReadExifOrientation({marker->data, marker->data_length});
    }
  }
  return 1;
}

// The eighths to decode at: the smallest power of two (for the others libjpeg-
// turbo has no vector code, and full size is faster) that leaves enough pixels.
unsigned ScaleEighths(const PictureHeader& header, int min_short_side) {
  if (min_short_side <= 0) return 8;
  const uint64_t short_side = std::min(header.width, header.height);
  for (const unsigned eighths : {1u, 2u, 4u}) {
    if (short_side * eighths / 8 >= static_cast<uint64_t>(min_short_side)) return eighths;
  }
  return 8;
}

// Adobe's convention, which nearly every CMYK file follows: ink is inverted, so
// the stored value is the light that is left.
void InvertedCmykToRgb(const uint8_t* cmyk, size_t count, uint8_t* rgb) {
  for (size_t i = 0; i < count; ++i, cmyk += 4, rgb += 3) {
    const int light = cmyk[3];
    for (int c = 0; c < 3; ++c) {
      const int absorbed = ((255 - cmyk[c]) * light + 127) / 255;
      rgb[c] = static_cast<uint8_t>(std::max(light - absorbed, 0));
    }
  }
}

}  // namespace

absl::StatusOr<PictureHeader> ReadJpegHeader(Bytes bytes) {
  JpegDecompressor decompressor;
  EIDETIC_RETURN_IF_ERROR(decompressor.Open(bytes));
  const jpeg_decompress_struct& jpeg = decompressor.jpeg();
  return PictureHeader{
      .width = jpeg.image_width, .height = jpeg.image_height, .orientation = OrientationOf(jpeg)};
}

absl::StatusOr<Image> DecodeJpeg(Bytes bytes, const PictureHeader& header, const DecodeOptions& options) {
  JpegDecompressor decompressor;
  EIDETIC_RETURN_IF_ERROR(decompressor.Open(bytes));
  const unsigned eighths = ScaleEighths(header, options.min_short_side);
  EIDETIC_RETURN_IF_ERROR(decompressor.Guard([eighths](jpeg_decompress_struct* jpeg) {
    jpeg->scale_num = eighths;
    jpeg->scale_denom = 8;
    const bool inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
  }));

  Image image =
      MakeImage({.width = decompressor.jpeg().output_width, .height = decompressor.jpeg().output_height});
  const bool inks = decompressor.jpeg().out_color_space == JCS_CMYK;
  std::vector<uint8_t> cmyk_row(inks ? static_cast<size_t>(image.width) * 4 : 0);
  EIDETIC_RETURN_IF_ERROR(decompressor.Guard([&](jpeg_decompress_struct* jpeg) {
    while (jpeg->output_scanline < jpeg->output_height) {
      uint8_t* pixels = image.pixels.data() + image.row_bytes() * jpeg->output_scanline;
      JSAMPROW row = inks ? cmyk_row.data() : pixels;
      jpeg_read_scanlines(jpeg, &row, 1);
      if (inks) InvertedCmykToRgb(row, static_cast<size_t>(image.width), pixels);
    }
  }));
  return image;
}

}  // namespace eidetic::encoder
