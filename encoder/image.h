// An RGB picture in memory. A value type: copy or move it as needed; no locking.
#ifndef EIDETIC_ENCODER_IMAGE_H_
#define EIDETIC_ENCODER_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eidetic::encoder {

struct Image {
  int width = 0;
  int height = 0;
  // height rows of width pixels of 3 bytes (R, G, B), no padding.
  std::vector<uint8_t> pixels;

  size_t row_bytes() const { return static_cast<size_t>(width) * 3; }
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_IMAGE_H_
