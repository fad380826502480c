// How a picture becomes an image tower's input, read from the model folder: from
// preprocessor_config.json in the words of Hugging Face's image processors, or
// from preprocess_cfg.json in those of OpenCLIP; the keys tell which. A value
// type; any thread.
//
//   ASSIGN_OR_RETURN(ImageRules rules, ParseImageRules(json, "preprocessor_config.json"));
#ifndef EIDETIC_ENCODER_IMAGE_RULES_H_
#define EIDETIC_ENCODER_IMAGE_RULES_H_

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/resize.h"

namespace eidetic::encoder {

// Where a crop of a picture that has an odd number of pixels too many begins.
enum class CropRounding {
  kDown,    // Hugging Face
  kToEven,  // torchvision, which OpenCLIP uses
};

struct ImageRules {
  // Either an exact size (squash) or the length of the shorter side.
  bool resize = true;
  int resize_width = 0;
  int resize_height = 0;
  int shortest_edge = 0;
  Resample resample = Resample::kBicubic;
  bool center_crop = false;
  CropRounding crop_rounding = CropRounding::kDown;
  // Of the tensor, whether it is cropped or not.
  int crop_width = 0;
  int crop_height = 0;
  // value = byte * scale[channel] + offset[channel]
  std::array<float, 3> scale{};
  std::array<float, 3> offset{};
  // What the file leaves out and the family's rule gave, a sentence each.
  std::vector<std::string> assumptions;
};

// `name` is put into errors. kInvalidArgument names the key that is of the wrong
// type or out of range; kUnimplemented one that asks for what this version does
// not do, or leaves out what only an unknown processor's own rule says.
absl::StatusOr<ImageRules> ParseImageRules(absl::string_view json, absl::string_view name);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_IMAGE_RULES_H_
