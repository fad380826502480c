// HEIC and AVIF by libheif, which also applies the file's own rotation, mirror
// and crop; the EXIF orientation in such files only repeats them and is ignored.
#include <libheif/heif.h>

#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/alpha_over_white.h"
#include "encoder/format_decoders.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr int kMaxSide = 65'535;

struct ContextFree {
  void operator()(heif_context* context) const { heif_context_free(context); }
};
struct HandleRelease {
  void operator()(heif_image_handle* handle) const { heif_image_handle_release(handle); }
};
struct ImageRelease {
  void operator()(heif_image* image) const { heif_image_release(image); }
};
struct OptionsFree {
  void operator()(heif_decoding_options* options) const { heif_decoding_options_free(options); }
};

// The members are released in the reverse order: the handle before its file.
struct OpenHeif {
  std::unique_ptr<heif_context, ContextFree> context;
  std::unique_ptr<heif_image_handle, HandleRelease> handle;
};

absl::Status HeifError(const heif_error& error) {
  switch (error.code) {
    case heif_error_Ok:
      return absl::OkStatus();
    case heif_error_Unsupported_feature:
    case heif_error_Unsupported_filetype:
    case heif_error_Plugin_loading_error:
      return absl::UnimplementedError(error.message);
    case heif_error_Memory_allocation_error:
      return absl::ResourceExhaustedError(error.message);
    default:
      return absl::InvalidArgumentError(absl::StrCat("damaged or truncated: ", error.message));
  }
}

absl::StatusOr<OpenHeif> Open(Bytes bytes) {
  OpenHeif open;
  open.context.reset(heif_context_alloc());
  if (open.context == nullptr) return absl::ResourceExhaustedError("no memory for libheif");
  heif_context_set_maximum_image_size_limit(open.context.get(), kMaxSide);
  // The indexer keeps every core busy with a picture of its own.
  heif_context_set_max_decoding_threads(open.context.get(), 0);
  EIDETIC_RETURN_IF_ERROR(HeifError(
      heif_context_read_from_memory_without_copy(open.context.get(), bytes.data(), bytes.size(), nullptr)));
  heif_image_handle* handle = nullptr;
  EIDETIC_RETURN_IF_ERROR(HeifError(heif_context_get_primary_image_handle(open.context.get(), &handle)));
  open.handle.reset(handle);
  return open;
}

}  // namespace

absl::StatusOr<PictureHeader> ReadHeifHeader(Bytes bytes) {
  EIDETIC_ASSIGN_OR_RETURN(const OpenHeif open, Open(bytes));
  const int width = heif_image_handle_get_width(open.handle.get());
  const int height = heif_image_handle_get_height(open.handle.get());
  if (width < 0 || height < 0) return absl::InvalidArgumentError("the header gives a negative size");
  return PictureHeader{.width = static_cast<uint64_t>(width), .height = static_cast<uint64_t>(height)};
}

absl::StatusOr<Image> DecodeHeif(Bytes bytes, const PictureHeader& header, const DecodeOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const OpenHeif open, Open(bytes));
  // The coded picture may be larger than what its crop leaves to be seen.
  const auto coded_width = static_cast<uint64_t>(heif_image_handle_get_ispe_width(open.handle.get()));
  const auto coded_height = static_cast<uint64_t>(heif_image_handle_get_ispe_height(open.handle.get()));
  if (coded_width > kMaxSide || coded_height > kMaxSide || coded_width * coded_height > options.max_pixels) {
    return absl::ResourceExhaustedError(absl::StrCat("the coded picture (", coded_width, " x ", coded_height,
                                                     " pixels) is over the limit of ", options.max_pixels,
                                                     " pixels"));
  }

  const std::unique_ptr<heif_decoding_options, OptionsFree> decoding(heif_decoding_options_alloc());
  if (decoding == nullptr) return absl::ResourceExhaustedError("no memory for libheif");
  decoding->convert_hdr_to_8bit = 1;
  decoding->strict_decoding = 1;
  const bool alpha = heif_image_handle_has_alpha_channel(open.handle.get()) != 0;
  heif_image* decoded = nullptr;
  EIDETIC_RETURN_IF_ERROR(HeifError(
      heif_decode_image(open.handle.get(), &decoded, heif_colorspace_RGB,
                        alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, decoding.get())));
  const std::unique_ptr<heif_image, ImageRelease> owner(decoded);
  int stride = 0;
  const uint8_t* plane = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
  const int width = heif_image_get_width(decoded, heif_channel_interleaved);
  const int height = heif_image_get_height(decoded, heif_channel_interleaved);
  if (plane == nullptr || static_cast<uint64_t>(width) != header.width ||
      static_cast<uint64_t>(height) != header.height) {
    return absl::InvalidArgumentError("the coded picture is not of the size that the header gives");
  }

  Image image = MakeImage(header);
  const bool premultiplied = heif_image_handle_is_premultiplied_alpha(open.handle.get()) != 0;
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = plane + static_cast<size_t>(stride) * y;
    uint8_t* to = image.pixels.data() + image.row_bytes() * y;
    if (!alpha) {
      std::memcpy(to, from, image.row_bytes());
    } else if (premultiplied) {
      LayPremultipliedOverWhite(from, static_cast<size_t>(width), to);
    } else {
      LayOverWhite(from, static_cast<size_t>(width), to);
    }
  }
  return image;
}

}  // namespace eidetic::encoder
