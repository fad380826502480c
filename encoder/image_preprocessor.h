// Picture → the tensor a model's image tower takes, by the rules of its folder
// (image_rules.h). Immutable once set up; any thread.
//
//   ASSIGN_OR_RETURN(ImagePreprocessor preprocessor, ImagePreprocessor::FromJson(json, "name"));
//   std::vector<float> tensor(preprocessor.tensor_size());
//   RETURN_IF_ERROR(preprocessor.Apply(image, absl::MakeSpan(tensor)));
#ifndef EIDETIC_ENCODER_IMAGE_PREPROCESSOR_H_
#define EIDETIC_ENCODER_IMAGE_PREPROCESSOR_H_

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/image.h"
#include "encoder/image_rules.h"

namespace eidetic::encoder {

class ImagePreprocessor {
 public:
  // `json` is the text of preprocessor_config.json or preprocess_cfg.json, `name`
  // is put into errors, which are those of ParseImageRules.
  static absl::StatusOr<ImagePreprocessor> FromJson(absl::string_view json, absl::string_view name);

  int width() const { return rules_.crop_width; }
  int height() const { return rules_.crop_height; }
  // Floats of one tensor: 3 * height * width, channel first (R, G, B).
  size_t tensor_size() const;
  // A picture whose shorter side has at least this many pixels loses nothing by
  // having been decoded at reduced scale.
  int min_short_side() const;
  // The rules in one line, for `model show`.
  std::string Describe() const;

  // What the file leaves out and the family's rule gave, a sentence each.
  const std::vector<std::string>& assumptions() const { return rules_.assumptions; }

  // Makes tensors of bytes, 0 to 255, for graphs that normalise by themselves.
  void LeaveBytes();

  // `tensor` must have tensor_size() values.
  absl::Status Apply(const Image& image, std::span<float> tensor) const;

 private:
  explicit ImagePreprocessor(ImageRules rules) : rules_(std::move(rules)) {}

  ImageRules rules_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_IMAGE_PREPROCESSOR_H_
