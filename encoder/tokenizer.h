// Text → token ids of a model's text tower. One implementation a tokenizer
// family; CreateTokenizer picks it from tokenizer.json. Immutable after
// creation; any thread.
#ifndef EIDETIC_ENCODER_TOKENIZER_H_
#define EIDETIC_ENCODER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/text_cleaning.h"

namespace eidetic::encoder {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids with the special tokens, truncated to max_length(), not padded. Never
  // fails: bytes that are not UTF-8 count as U+FFFD.
  virtual std::vector<int64_t> Encode(absl::string_view text) const = 0;

  // Most ids Encode returns, special tokens included.
  virtual int max_length() const = 0;
  virtual int64_t pad_id() const = 0;
  // Texts are to be filled up to so many ids; 0: the files do not say.
  virtual int pad_length() const = 0;
  virtual int64_t vocabulary_size() const = 0;
  // Family and rules in one line, for `model show`.
  virtual std::string Describe() const = 0;
};

struct TokenizerOptions {
  // The text tower's limit; the tokenizer truncates to the smaller of it and the
  // files' own limit.
  int max_positions = 0;
  // Done to a text before anything else.
  TextCleaning cleaning = TextCleaning::kNone;
};

// `tokenizer_json` and `tokenizer_config_json` are the texts of the model
// folder's files, the second may be empty. Errors: kInvalidArgument names the key
// at fault; kUnimplemented names a component this version does not have.
absl::StatusOr<std::unique_ptr<Tokenizer>> CreateTokenizer(absl::string_view tokenizer_json,
                                                           absl::string_view tokenizer_config_json,
                                                           const TokenizerOptions& options);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_TOKENIZER_H_
