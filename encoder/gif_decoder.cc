// GIF by giflib: the first frame at its place on a white canvas. Frames are read
// one by one, since giflib's DGifSlurp would take memory for all of them.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/format_decoders.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

struct GifClose {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

// A file opened and read up to the pixels of its first frame.
struct FirstFrame {
  std::unique_ptr<Bytes> rest;
  std::unique_ptr<GifFileType, GifClose> gif;
  int transparent_index = NO_TRANSPARENT_COLOR;
};

absl::Status GifError(int code) {
  if (code == D_GIF_ERR_READ_FAILED || code == D_GIF_ERR_EOF_TOO_SOON || code == D_GIF_ERR_NOT_READABLE) {
    return absl::InvalidArgumentError("truncated: the file ends too early");
  }
  const char* message = GifErrorString(code);
  return absl::InvalidArgumentError(message != nullptr ? message : "the file is damaged");
}

absl::Status ReadExtension(FirstFrame& frame) {
  int code = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(frame.gif.get(), &code, &block) == GIF_ERROR) return GifError(frame.gif->Error);
  while (block != nullptr) {
    GraphicsControlBlock control;
    // The block's first byte is its length.
    if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
      frame.transparent_index = control.TransparentColor;
    }
    if (DGifGetExtensionNext(frame.gif.get(), &block) == GIF_ERROR) return GifError(frame.gif->Error);
  }
  return absl::OkStatus();
}

absl::StatusOr<FirstFrame> OpenFirstFrame(Bytes bytes) {
  FirstFrame frame;
  frame.rest = std::make_unique<Bytes>(bytes);
  int error = 0;
  frame.gif.reset(DGifOpen(
      frame.rest.get(),
      [](GifFileType* gif, GifByteType* to, int count) {
        auto* rest = static_cast<Bytes*>(gif->UserData);
        const size_t available = std::min(static_cast<size_t>(count), rest->size());
        if (available > 0) std::memcpy(to, rest->data(), available);
        *rest = rest->subspan(available);
        return static_cast<int>(available);
      },
      &error));
  if (frame.gif == nullptr) return GifError(error);
  while (true) {
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(frame.gif.get(), &record) == GIF_ERROR) return GifError(frame.gif->Error);
    switch (record) {
      case EXTENSION_RECORD_TYPE:
        EIDETIC_RETURN_IF_ERROR(ReadExtension(frame));
        break;
      case IMAGE_DESC_RECORD_TYPE:
        if (DGifGetImageDesc(frame.gif.get()) == GIF_ERROR) return GifError(frame.gif->Error);
        return frame;
      default:
        return absl::InvalidArgumentError("the file holds no picture");
    }
  }
}

// Some writers leave the canvas empty or too small for the frame; it grows then.
PictureHeader HeaderOf(const GifFileType& gif) {
  return {.width = static_cast<uint64_t>(std::max(gif.SWidth, gif.Image.Left + gif.Image.Width)),
          .height = static_cast<uint64_t>(std::max(gif.SHeight, gif.Image.Top + gif.Image.Height))};
}

// Interlaced frames store every eighth row, then those between, in four passes.
std::vector<int> RowOrder(const GifImageDesc& frame) {
  std::vector<int> rows;
  rows.reserve(static_cast<size_t>(frame.Height));
  if (!frame.Interlace) {
    for (int y = 0; y < frame.Height; ++y) rows.push_back(y);
    return rows;
  }
  constexpr std::array<std::array<int, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  for (const auto& [first, step] : kPasses) {
    for (int y = first; y < frame.Height; y += step) rows.push_back(y);
  }
  return rows;
}

}  // namespace

absl::StatusOr<PictureHeader> ReadGifHeader(Bytes bytes) {
  EIDETIC_ASSIGN_OR_RETURN(const FirstFrame frame, OpenFirstFrame(bytes));
  return HeaderOf(*frame.gif);
}

absl::StatusOr<Image> DecodeGif(Bytes bytes, const PictureHeader& header, const DecodeOptions&) {
  EIDETIC_ASSIGN_OR_RETURN(const FirstFrame frame, OpenFirstFrame(bytes));
  GifFileType& gif = *frame.gif;
  const ColorMapObject* colors = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  if (colors == nullptr) return absl::InvalidArgumentError("the file has no palette");

  Image image = MakeImage(header);
  std::fill(image.pixels.begin(), image.pixels.end(), uint8_t{255});
  std::vector<GifPixelType> indices(static_cast<size_t>(gif.Image.Width));
  for (const int y : RowOrder(gif.Image)) {
    if (DGifGetLine(&gif, indices.data(), gif.Image.Width) == GIF_ERROR) return GifError(gif.Error);
    uint8_t* to = image.pixels.data() + image.row_bytes() * static_cast<size_t>(gif.Image.Top + y) +
                  static_cast<size_t>(gif.Image.Left) * 3;
    for (const GifPixelType index : indices) {
      if (index >= colors->ColorCount)
        return absl::InvalidArgumentError("a pixel's colour is not in the palette");
      if (index != frame.transparent_index) {
        const GifColorType& color = colors->Colors[index];
        to[0] = color.Red;
        to[1] = color.Green;
        to[2] = color.Blue;
      }
      to += 3;
    }
  }
  return image;
}

}  // namespace eidetic::encoder
