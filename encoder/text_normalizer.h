// The normalizer of a tokenizer.json, step by step as the reference (Hugging
// Face `tokenizers`) does it. Immutable after creation; any thread.
//
//   ASSIGN_OR_RETURN(TextNormalizer normalizer, TextNormalizer::FromJson(root));
//   std::string clean = normalizer.Apply("  Two\tDogs ");
#ifndef EIDETIC_ENCODER_TEXT_NORMALIZER_H_
#define EIDETIC_ENCODER_TEXT_NORMALIZER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/json_reader.h"

namespace eidetic::encoder {

class TextNormalizer {
 public:
  // From the key "normalizer" of `root`, which may be absent. kUnimplemented
  // names a step that this version does not have.
  static absl::StatusOr<TextNormalizer> FromJson(const JsonReader& root);

  bool lowercases() const { return lowercases_; }
  // Makes lower case the first step.
  void LowercaseFirst();

  // `text` must be UTF-8; so is the result.
  std::string Apply(absl::string_view text) const;

 private:
  using Step = std::function<std::string(absl::string_view)>;

  TextNormalizer() = default;
  absl::Status Add(const JsonReader& step, int nesting);

  std::vector<Step> steps_;
  bool lowercases_ = false;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_TEXT_NORMALIZER_H_
