// BERT's tokenizer: clean-up, lower case, words at spaces and punctuation, then
// the longest pieces of the vocabulary. Gives the ids that the Hugging Face
// `tokenizers` library gives for the same tokenizer.json. Immutable; any thread.
#ifndef EIDETIC_ENCODER_WORDPIECE_TOKENIZER_H_
#define EIDETIC_ENCODER_WORDPIECE_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/tokenizer.h"
#include "encoder/tokenizer_json.h"

namespace eidetic::encoder {

// The rules of one tokenizer.json.
struct WordPieceRules {
  absl::flat_hash_map<std::string, int32_t> vocabulary;
  std::string continuing_prefix = "##";
  int32_t unknown_id = 0;
  int32_t pad_id = 0;
  size_t max_word_characters = 100;
  bool clean_text = true;
  bool split_ideographs = true;
  bool strip_accents = true;
  bool lowercase = true;
  SpecialIds special_ids;
  std::vector<AddedToken> added_tokens;  // none of them normalized
  int max_length = 0;
  int pad_length = 0;
};

class WordPieceTokenizer final : public Tokenizer {
 public:
  // kInvalidArgument when max_length leaves no room for the text.
  static absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> Create(WordPieceRules rules);

  std::vector<int64_t> Encode(absl::string_view text) const override;
  int max_length() const override { return rules_.max_length; }
  int64_t pad_id() const override { return rules_.pad_id; }
  int pad_length() const override { return rules_.pad_length; }
  int64_t vocabulary_size() const override { return vocabulary_size_; }
  std::string Describe() const override;

 private:
  explicit WordPieceTokenizer(WordPieceRules rules);

  // Each appends to `ids` and stops once it has `limit` of them.
  void EncodeSegment(absl::string_view segment, size_t limit, std::vector<int64_t>& ids) const;
  void EncodeNormalized(const std::u32string& text, size_t limit, std::vector<int64_t>& ids) const;
  void EncodeWord(const std::u32string& word, std::vector<int64_t>& ids) const;

  std::u32string Normalize(absl::string_view text) const;
  // The longest added token that `text` starts with; nullptr if none.
  const AddedToken* FindAddedToken(absl::string_view text) const;

  WordPieceRules rules_;
  int64_t vocabulary_size_ = 0;
  size_t longest_piece_ = 0;  // bytes
  // Indexes into added_tokens by first byte, longest first.
  std::vector<std::vector<uint16_t>> added_tokens_by_first_byte_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_WORDPIECE_TOKENIZER_H_
