// PNG by libpng: every colour type and depth becomes 8-bit RGBA, laid over
// white. gAMA and cHRM are ignored, as Pillow and browsers' canvases do for
// pictures that models were trained on.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/alpha_over_white.h"
#include "encoder/exif_orientation.h"
#include "encoder/format_decoders.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr uint32_t kMaxSide = 65'535;
// Text and profile chunks are compressed: bound what they may unfold to.
constexpr uint32_t kMaxCachedChunks = 128;
constexpr size_t kMaxChunkBytes = size_t{16} << 20;
constexpr size_t kSignatureBytes = 8;

// Owns one libpng reader. libpng leaves by longjmp on errors, so every call into
// it goes through Guard, whose body may hold only trivially destructible locals.
class PngReader {
 public:
  explicit PngReader(Bytes bytes) : rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  template <typename Body>
  absl::Status Guard(Body body) {
    if (png_ == nullptr || info_ == nullptr) return absl::ResourceExhaustedError("no memory for libpng");
    if (setjmp(png_jmpbuf(png_)) != 0) {
      if (truncated_) return absl::InvalidArgumentError("truncated: the picture data end too early");
      return absl::InvalidArgumentError(message_);
    }
    body(png_, info_);
    return absl::OkStatus();
  }

  absl::Status Open() {
    return Guard([this](png_structp png, png_infop info) {
      png_set_user_limits(png, kMaxSide, kMaxSide);
      png_set_chunk_cache_max(png, kMaxCachedChunks);
      png_set_chunk_malloc_max(png, kMaxChunkBytes);
      png_set_read_fn(png, this, [](png_structp reader, png_bytep to, size_t count) {
        auto* self = static_cast<PngReader*>(png_get_io_ptr(reader));
        if (count > self->rest_.size()) {
          self->truncated_ = true;
          png_error(reader, "truncated");
        }
        std::memcpy(to, self->rest_.data(), count);
        self->rest_ = self->rest_.subspan(count);
      });
      png_read_info(png, info);
    });
  }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof(self->message_) - 1);
    png_longjmp(png, 1);
  }

  Bytes rest_;
  bool truncated_ = false;
  char message_[128] = {};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

uint32_t ReadBigEndian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

// eXIf may also come after the pixels, where libpng sees it only once they are
// read; walking over the chunks' lengths costs nothing.
int FindOrientation(Bytes bytes) {
  bytes = bytes.subspan(kSignatureBytes);
  while (bytes.size() >= 12) {
    const size_t length = ReadBigEndian(bytes.data());
    if (length > bytes.size() - 12) return 1;
    if (std::memcmp(bytes.data() + 4, "eXIf", 4) == 0) return ReadExifOrientation(bytes.subspan(8, length));
    bytes = bytes.subspan(length + 12);
  }
  return 1;
}

}  // namespace

absl::StatusOr<PictureHeader> ReadPngHeader(Bytes bytes) {
  // IHDR is read here and not by libpng, which refuses sides over its limit with
  // a message that does not tell the size.
  constexpr size_t kIhdrEnd = kSignatureBytes + 8 + 8;
  if (bytes.size() < kIhdrEnd) return absl::InvalidArgumentError("truncated: the header is not whole");
  if (std::memcmp(bytes.data() + kSignatureBytes + 4, "IHDR", 4) != 0) {
    return absl::InvalidArgumentError("the first chunk is not IHDR");
  }
  return PictureHeader{.width = ReadBigEndian(bytes.data() + kSignatureBytes + 8),
                       .height = ReadBigEndian(bytes.data() + kSignatureBytes + 12),
                       .orientation = FindOrientation(bytes)};
}

absl::StatusOr<Image> DecodePng(Bytes bytes, const PictureHeader& header, const DecodeOptions&) {
  PngReader reader(bytes);
  EIDETIC_RETURN_IF_ERROR(reader.Open());
  size_t rgba_row_bytes = 0;
  int passes = 1;
  EIDETIC_RETURN_IF_ERROR(reader.Guard([&](png_structp png, png_infop info) {
    png_set_expand(png);  // palette, 1/2/4-bit grey and tRNS
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    rgba_row_bytes = png_get_rowbytes(png, info);
  }));
  if (rgba_row_bytes != header.width * 4) return absl::InvalidArgumentError("the header contradicts itself");

  Image image = MakeImage(header);
  const auto width = static_cast<size_t>(header.width);
  const auto height = static_cast<size_t>(header.height);
  // Interlaced pixels come in passes over the whole picture.
  std::vector<uint8_t> rgba(rgba_row_bytes * (passes > 1 ? height : 1));
  EIDETIC_RETURN_IF_ERROR(reader.Guard([&](png_structp png, png_infop) {
    for (int pass = 0; pass < passes; ++pass) {
      const bool last = pass == passes - 1;
      for (size_t y = 0; y < height; ++y) {
        uint8_t* row = rgba.data() + (passes > 1 ? rgba_row_bytes * y : 0);
        png_read_row(png, row, nullptr);
        if (last) LayOverWhite(row, width, image.pixels.data() + image.row_bytes() * y);
      }
    }
    png_read_end(png, nullptr);
  }));
  return image;
}

}  // namespace eidetic::encoder
