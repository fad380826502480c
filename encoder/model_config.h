// What a model folder's config.json says of the towers, in the words of Hugging
// Face's transformers or of OpenCLIP, and what their family does where it says
// nothing. A value type; any thread.
//
//   ASSIGN_OR_RETURN(ModelConfig config, ParseModelConfig(text, "config.json"));
#ifndef EIDETIC_ENCODER_MODEL_CONFIG_H_
#define EIDETIC_ENCODER_MODEL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/text_cleaning.h"

namespace eidetic::encoder {

struct ModelConfig {
  // "clip", "siglip", …: transformers' model_type; "open_clip"; empty: not said.
  std::string family;
  std::optional<int> dimension;
  std::optional<int> image_height;
  std::optional<int> image_width;
  std::optional<int> max_tokens;
  std::optional<int64_t> vocabulary_size;
  TextCleaning cleaning = TextCleaning::kNone;
  // Every text is filled up to max_tokens, as in training.
  bool fills_texts = false;
  // The towers were trained without a mask: padding counts as any other token.
  bool attends_to_padding = false;
  // What was taken from the family, a sentence each.
  std::vector<std::string> assumptions;
};

// `name` is put into errors. kInvalidArgument names the key of a wrong type or
// out of range; kUnimplemented one that asks for what this version does not do.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view text, absl::string_view name);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_MODEL_CONFIG_H_
