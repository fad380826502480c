// Picture → the tensor a model's image tower takes, by the rules of the model
// folder's preprocessor_config.json (Hugging Face CLIPImageProcessor keys).
// Immutable after creation; any thread.
//
//   ASSIGN_OR_RETURN(ImagePreprocessor preprocessor, ImagePreprocessor::FromJson(json, "name"));
//   std::vector<float> tensor(preprocessor.tensor_size());
//   RETURN_IF_ERROR(preprocessor.Apply(image, absl::MakeSpan(tensor)));
#ifndef EIDETIC_ENCODER_IMAGE_PREPROCESSOR_H_
#define EIDETIC_ENCODER_IMAGE_PREPROCESSOR_H_

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/image.h"
#include "encoder/resize.h"

namespace eidetic::encoder {

class ImagePreprocessor {
 public:
  // `json` is the text of preprocessor_config.json, `name` is put into errors.
  // kInvalidArgument names the key that is missing, of the wrong type or out of
  // range.
  static absl::StatusOr<ImagePreprocessor> FromJson(absl::string_view json, absl::string_view name);

  int width() const { return crop_width_; }
  int height() const { return crop_height_; }
  // Floats of one tensor: 3 * height * width, channel first (R, G, B).
  size_t tensor_size() const;
  // A picture whose shorter side has at least this many pixels loses nothing by
  // having been decoded at reduced scale.
  int min_short_side() const;
  // The rules in one line, for `model show`.
  std::string Describe() const;

  // `tensor` must have tensor_size() values.
  absl::Status Apply(const Image& image, std::span<float> tensor) const;

 private:
  ImagePreprocessor() = default;

  // Either an exact size (squash) or the length of the shorter side.
  bool resize_ = true;
  int resize_width_ = 0;
  int resize_height_ = 0;
  int shortest_edge_ = 0;
  Resample resample_ = Resample::kBicubic;
  bool center_crop_ = false;
  int crop_width_ = 0;
  int crop_height_ = 0;
  // value = byte * scale_[channel] + offset_[channel]
  std::array<float, 3> scale_{};
  std::array<float, 3> offset_{};
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_IMAGE_PREPROCESSOR_H_
