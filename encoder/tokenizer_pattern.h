// What a tokenizer's Replace and Split look for: a string or a regular
// expression (ICU's engine; the patterns of the known families mean the same in
// the reference's). Immutable after creation; any thread.
//
//   ASSIGN_OR_RETURN(TokenizerPattern pattern, TokenizerPattern::Regex("\\s+"));
//   for (const TokenizerPattern::Match& match : pattern.FindAll(text)) …
#ifndef EIDETIC_ENCODER_TOKENIZER_PATTERN_H_
#define EIDETIC_ENCODER_TOKENIZER_PATTERN_H_

#include <unicode/regex.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/json_reader.h"

namespace eidetic::encoder {

class TokenizerPattern {
 public:
  struct Match {
    size_t begin = 0;
    size_t end = 0;
  };

  static TokenizerPattern Literal(absl::string_view text);
  // kInvalidArgument when ICU does not take it.
  static absl::StatusOr<TokenizerPattern> Regex(absl::string_view pattern);
  // {"String": "…"} or {"Regex": "…"} under `key`.
  static absl::StatusOr<TokenizerPattern> FromJson(const JsonReader& owner, const char* key);

  // In bytes of `text`, which must be UTF-8; from left to right, never overlapping.
  // A pattern that takes too many steps finds nothing more.
  std::vector<Match> FindAll(absl::string_view text) const;

  std::string ReplaceAll(absl::string_view text, absl::string_view replacement) const;

 private:
  TokenizerPattern() = default;

  std::string literal_;
  std::shared_ptr<const icu::RegexPattern> regex_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_TOKENIZER_PATTERN_H_
