#include "encoder/exif_orientation.h"

#include <cstddef>
#include <cstring>
#include <utility>

namespace eidetic::encoder {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShortType = 3;
constexpr size_t kEntryBytes = 12;

uint32_t ReadNumber(const uint8_t* bytes, int count, bool little_endian) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[little_endian ? count - 1 - i : i];
  return value;
}

}  // namespace

int ReadExifOrientation(std::span<const uint8_t> exif) {
  if (exif.size() >= 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0) exif = exif.subspan(6);
  if (exif.size() < 8) return 1;
  const bool little_endian = std::memcmp(exif.data(), "II*\0", 4) == 0;
  if (!little_endian && std::memcmp(exif.data(), "MM\0*", 4) != 0) return 1;

  const size_t directory = ReadNumber(exif.data() + 4, 4, little_endian);
  if (directory > exif.size() - 2) return 1;
  const uint32_t entries = ReadNumber(exif.data() + directory, 2, little_endian);
  for (size_t i = 0; i < entries; ++i) {
    const size_t offset = directory + 2 + i * kEntryBytes;
    if (offset + kEntryBytes > exif.size()) return 1;
    const uint8_t* entry = exif.data() + offset;
    if (ReadNumber(entry, 2, little_endian) != kOrientationTag) continue;
    if (ReadNumber(entry + 2, 2, little_endian) != kShortType) return 1;
    const uint32_t value = ReadNumber(entry + 8, 2, little_endian);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image ApplyOrientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  Image result;
  const bool swap = OrientationSwapsSides(orientation);
  result.width = swap ? image.height : image.width;
  result.height = swap ? image.width : image.height;
  result.pixels.resize(image.pixels.size());

  // Where the displayed picture's first pixel is stored, and how far the stored
  // pixel moves with each displayed pixel and row.
  const ptrdiff_t row = static_cast<ptrdiff_t>(image.row_bytes());
  const ptrdiff_t last_row = row * (image.height - 1);
  const ptrdiff_t last_pixel = row - 3;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const ptrdiff_t across = from_right ? -3 : 3;
  const ptrdiff_t down = from_bottom ? -row : row;
  const ptrdiff_t step = swap ? down : across;
  const ptrdiff_t line = swap ? across : down;
  const ptrdiff_t start = (from_right ? last_pixel : 0) + (from_bottom ? last_row : 0);

  uint8_t* to = result.pixels.data();
  for (int y = 0; y < result.height; ++y) {
    const uint8_t* from = image.pixels.data() + start + line * y;
    for (int x = 0; x < result.width; ++x, to += 3) std::memcpy(to, from + step * x, 3);
  }
  return result;
}

}  // namespace eidetic::encoder
