#include "encoder/image_format.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace eidetic::encoder {
namespace {

struct Signature {
  size_t offset;
  absl::string_view bytes;
};

// "\0" inside a literal needs the length; sizeof counts the closing zero.
#define EIDETIC_SIGNATURE(offset, literal) \
  Signature { offset, absl::string_view(literal, sizeof(literal) - 1) }

bool Matches(absl::string_view data, const Signature& signature) {
  return data.size() >= signature.offset && absl::StartsWith(data.substr(signature.offset), signature.bytes);
}

struct UnreadFormat {
  Signature signature;
  absl::string_view name;
};

constexpr UnreadFormat kUnreadFormats[] = {
    {EIDETIC_SIGNATURE(0, "\0\0\0\x0CjP  \r\n\x87\n"), "JPEG 2000"},
    {EIDETIC_SIGNATURE(0, "\xFF\x4F\xFF\x51"), "JPEG 2000"},
    {EIDETIC_SIGNATURE(0, "\xFF\x0A"), "JPEG XL"},
    {EIDETIC_SIGNATURE(0, "\0\0\0\x0CJXL \r\n\x87\n"), "JPEG XL"},
    {EIDETIC_SIGNATURE(0, "%PDF-"), "PDF"},
    {EIDETIC_SIGNATURE(0, "8BPS"), "Photoshop"},
    {EIDETIC_SIGNATURE(0, "FUJIFILMCCD-RAW"), "Fujifilm RAW"},
    {EIDETIC_SIGNATURE(0, "IIRO"), "Olympus RAW"},
    {EIDETIC_SIGNATURE(0, "IIU\0"), "Panasonic RAW"},
    {EIDETIC_SIGNATURE(8, "CR\x02\0"), "Canon RAW"},
    {EIDETIC_SIGNATURE(4, "ftypcrx"), "Canon RAW"},
    {EIDETIC_SIGNATURE(0, "<svg"), "SVG"},
    {EIDETIC_SIGNATURE(0, "\x1A\x45\xDF\xA3"), "Matroska video"},
    {EIDETIC_SIGNATURE(8, "AVI "), "AVI video"},
    {EIDETIC_SIGNATURE(4, "ftypqt"), "QuickTime video"},
    {EIDETIC_SIGNATURE(4, "ftypisom"), "MP4 video"},
    {EIDETIC_SIGNATURE(4, "ftypiso2"), "MP4 video"},
    {EIDETIC_SIGNATURE(4, "ftypmp4"), "MP4 video"},
    {EIDETIC_SIGNATURE(4, "ftypM4V"), "MP4 video"},
    {EIDETIC_SIGNATURE(4, "ftypavc1"), "MP4 video"},
    {EIDETIC_SIGNATURE(4, "ftyp3gp"), "3GP video"},
    {EIDETIC_SIGNATURE(0, "\0\0\1\0"), "Windows icon"},
};

#undef EIDETIC_SIGNATURE

// The ISO media box that a HEIF file opens with: brands, four letters each. The
// first is the main one; the generic mif1 and msf1 leave the answer to the rest.
std::optional<ImageFormat> DetectHeif(absl::string_view data) {
  if (data.size() < 16 || data.substr(4, 4) != "ftyp") return std::nullopt;
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(data[i])); };
  const size_t box_size = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  const size_t end = std::min({box_size, data.size(), size_t{256}});
  for (size_t i = 8; i + 4 <= end; i += 4) {
    if (i == 12) continue;  // the version, not a brand
    const absl::string_view brand = data.substr(i, 4);
    if (brand == "avif" || brand == "avis") return ImageFormat::kAvif;
    for (const absl::string_view heic : {"heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs"}) {
      if (brand == heic) return ImageFormat::kHeic;
    }
    if (i == 8 && brand != "mif1" && brand != "msf1") return std::nullopt;
  }
  return std::nullopt;
}

// An SVG may open with an XML declaration, comments and white space.
bool LooksLikeSvg(absl::string_view data) {
  const absl::string_view start = absl::StripLeadingAsciiWhitespace(data.substr(0, 1024));
  return absl::StartsWith(start, "<svg") ||
         ((absl::StartsWith(start, "<?xml") || absl::StartsWith(start, "<!")) &&
          absl::StrContains(start, "<svg"));
}

}  // namespace

absl::string_view FormatName(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
    case ImageFormat::kGif:
      return "GIF";
    case ImageFormat::kBmp:
      return "BMP";
    case ImageFormat::kTiff:
      return "TIFF";
    case ImageFormat::kPnm:
      return "PNM";
    case ImageFormat::kAvif:
      return "AVIF";
    case ImageFormat::kHeic:
      return "HEIC";
  }
  return "unknown";
}

absl::string_view MediaType(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "image/jpeg";
    case ImageFormat::kPng:
      return "image/png";
    case ImageFormat::kWebp:
      return "image/webp";
    case ImageFormat::kGif:
      return "image/gif";
    case ImageFormat::kBmp:
      return "image/bmp";
    case ImageFormat::kTiff:
      return "image/tiff";
    case ImageFormat::kPnm:
      return "image/x-portable-anymap";
    case ImageFormat::kAvif:
      return "image/avif";
    case ImageFormat::kHeic:
      return "image/heic";
  }
  return "application/octet-stream";
}

bool HasImageExtension(absl::string_view file_name) {
  const size_t slash = file_name.rfind('/');
  if (slash != absl::string_view::npos) file_name.remove_prefix(slash + 1);
  const size_t dot = file_name.rfind('.');
  if (dot == absl::string_view::npos || dot == 0) return false;
  const absl::string_view extension = file_name.substr(dot + 1);
  for (const absl::string_view known :
       {"jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif",  "bmp",  "dib",
        "tif", "tiff", "pbm", "pgm",  "ppm", "pnm",  "avif", "heic", "heif", "hif"}) {
    if (absl::EqualsIgnoreCase(extension, known)) return true;
  }
  return false;
}

absl::StatusOr<ImageFormat> DetectImageFormat(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return absl::InvalidArgumentError("the file is empty");
  const absl::string_view data(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const UnreadFormat& format : kUnreadFormats) {
    if (Matches(data, format.signature)) {
      return absl::UnimplementedError(absl::StrCat(
          format.name, " files are not read: convert the picture to JPEG, PNG, WebP, TIFF, AVIF or HEIC"));
    }
  }
  if (absl::StartsWith(data, "\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (absl::StartsWith(data, "\x89PNG\r\n\x1A\n")) return ImageFormat::kPng;
  if (absl::StartsWith(data, "RIFF") && data.size() >= 12 && data.substr(8, 4) == "WEBP")
    return ImageFormat::kWebp;
  if (absl::StartsWith(data, "GIF87a") || absl::StartsWith(data, "GIF89a")) return ImageFormat::kGif;
  for (const absl::string_view tiff : {absl::string_view("II*\0", 4), absl::string_view("MM\0*", 4),
                                       absl::string_view("II+\0", 4), absl::string_view("MM\0+", 4)}) {
    if (absl::StartsWith(data, tiff)) return ImageFormat::kTiff;
  }
  if (const std::optional<ImageFormat> heif = DetectHeif(data); heif.has_value()) return *heif;
  if (absl::StartsWith(data, "BM") && data.size() >= 18) return ImageFormat::kBmp;
  if (data.size() >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' &&
      (absl::ascii_isspace(static_cast<unsigned char>(data[2])) || data[2] == '#')) {
    return ImageFormat::kPnm;
  }
  if (LooksLikeSvg(data)) {
    return absl::UnimplementedError("SVG files are not read: convert the drawing to PNG");
  }
  return absl::InvalidArgumentError(
      "not a picture in a format that Eidetic reads (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, AVIF, HEIC)");
}

}  // namespace eidetic::encoder
