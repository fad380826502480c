// A tokenizer made of the stages of a tokenizer.json: added tokens, normalizer,
// pre-tokenizer, model, special tokens. Gives the ids that the Hugging Face
// `tokenizers` library gives for the same file. Immutable; any thread.
#ifndef EIDETIC_ENCODER_PIPELINE_TOKENIZER_H_
#define EIDETIC_ENCODER_PIPELINE_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/pre_tokenizer.h"
#include "encoder/text_normalizer.h"
#include "encoder/token_model.h"
#include "encoder/tokenizer.h"
#include "encoder/tokenizer_json.h"

namespace eidetic::encoder {

struct PipelineParts {
  TextNormalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const TokenModel> model;
  std::vector<AddedToken> added_tokens;
  SpecialIds special_ids;
  LengthRules lengths;
};

// Finds added tokens in a text: the leftmost, of those the longest.
class AddedTokenFinder {
 public:
  struct Match {
    const AddedToken* token = nullptr;
    size_t begin = 0;
    size_t end = 0;
  };

  void Add(const AddedToken& token, const std::string& written);
  // Calls `text` for what is between tokens and `token` for each token.
  void Cut(absl::string_view whole, const std::function<void(absl::string_view)>& text,
           const std::function<void(const AddedToken&)>& token) const;

 private:
  absl::flat_hash_map<std::string, AddedToken> tokens_;
  // Lengths of the tokens that begin with a byte, longest first.
  std::vector<std::vector<size_t>> lengths_ = std::vector<std::vector<size_t>>(256);
};

class PipelineTokenizer final : public Tokenizer {
 public:
  // kInvalidArgument when the length leaves no room for the text.
  static absl::StatusOr<std::unique_ptr<PipelineTokenizer>> Create(PipelineParts parts);

  std::vector<int64_t> Encode(absl::string_view text) const override;
  int max_length() const override { return parts_.lengths.max_length; }
  int pad_length() const override { return parts_.lengths.pad_length; }
  int64_t pad_id() const override { return parts_.lengths.pad_id.value_or(0); }
  int64_t vocabulary_size() const override { return vocabulary_size_; }
  std::string Describe() const override;

 private:
  explicit PipelineTokenizer(PipelineParts parts);
  void EncodeSegment(absl::string_view segment, size_t limit, std::vector<int64_t>& ids) const;

  PipelineParts parts_;
  AddedTokenFinder raw_tokens_;
  AddedTokenFinder normalized_tokens_;
  int64_t vocabulary_size_ = 0;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_PIPELINE_TOKENIZER_H_
