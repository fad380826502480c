// Runs a model against the reference vectors stored in its own folder
// (reference/texts.json, reference/images.json). Blocking; any thread.
#ifndef EIDETIC_ENCODER_MODEL_CHECK_H_
#define EIDETIC_ENCODER_MODEL_CHECK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "encoder/dual_encoder.h"

namespace eidetic::encoder {

struct ModelCheckReport {
  struct Item {
    std::string name;  // the text, or the picture's file
    double cosine_distance = 0;
  };
  std::vector<Item> texts;
  std::vector<Item> images;
  double max_text_distance = 0;
  double max_image_distance = 0;
  // Largest distance between an input's embedding alone and among batch-mates.
  double max_batch_distance = 0;
  // Limits the report was judged by.
  double allowed_distance = 1e-3;
  double allowed_batch_distance = 1e-6;
  bool passed = false;
};

// kNotFound when the folder has no reference vectors.
absl::StatusOr<ModelCheckReport> CheckModel(const DualEncoder& encoder);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_MODEL_CHECK_H_
