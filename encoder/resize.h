// Antialiased resize, bit for bit what Pillow's Image.resize gives for 8-bit RGB
// (two separable passes, support scaled by the reduction, 8-bit fixed-point
// coefficients; the algorithm is described in Pillow's documentation and is the
// reference preprocessing of CLIP models). Stateless; any thread.
#ifndef EIDETIC_ENCODER_RESIZE_H_
#define EIDETIC_ENCODER_RESIZE_H_

#include "absl/status/statusor.h"
#include "encoder/image.h"

namespace eidetic::encoder {

// Numbers are those of `resample` in preprocessor_config.json (Pillow's).
enum class Resample { kNearest = 0, kLanczos = 1, kBilinear = 2, kBicubic = 3, kBox = 4, kHamming = 5 };

// Errors: kInvalidArgument when a side is below 1 or above 32,768, or the
// picture's buffer does not fit its size.
absl::StatusOr<Image> Resize(const Image& image, int width, int height, Resample resample);

// A part of the resized picture.
struct ResizeWindow {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

// What cropping Resize's result to `window` gives, without computing the rest.
absl::StatusOr<Image> ResizeToWindow(const Image& image, int width, int height, Resample resample,
                                     const ResizeWindow& window);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_RESIZE_H_
