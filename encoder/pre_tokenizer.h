// The pre-tokenizer of a tokenizer.json: cuts a normalized text into the pieces
// that the model sees one by one. Immutable after creation; any thread.
//
//   ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::FromJson(root));
//   for (const std::string& piece : pre_tokenizer.Split("two dogs")) …
#ifndef EIDETIC_ENCODER_PRE_TOKENIZER_H_
#define EIDETIC_ENCODER_PRE_TOKENIZER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/json_reader.h"

namespace eidetic::encoder {

class PreTokenizer {
 public:
  // From the key "pre_tokenizer" of `root`, which may be absent. kUnimplemented
  // names a step that this version does not have.
  static absl::StatusOr<PreTokenizer> FromJson(const JsonReader& root);

  // Never gives empty pieces.
  std::vector<std::string> Split(absl::string_view text) const;

 private:
  using Step = std::function<std::vector<std::string>(absl::string_view)>;

  PreTokenizer() = default;
  absl::Status Add(const JsonReader& step, int nesting);
  absl::Status AddSplit(const JsonReader& step);
  absl::Status AddMetaspace(const JsonReader& step);
  absl::Status AddByteLevel(const JsonReader& step);

  std::vector<Step> steps_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_PRE_TOKENIZER_H_
