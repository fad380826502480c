// SentencePiece's Unigram: of all ways to cut a piece of text into tokens, the
// one whose scores add up to most. Immutable; any thread.
#ifndef EIDETIC_ENCODER_UNIGRAM_MODEL_H_
#define EIDETIC_ENCODER_UNIGRAM_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "encoder/json_reader.h"
#include "encoder/token_model.h"

namespace eidetic::encoder {

class UnigramModel final : public TokenModel {
 public:
  // `model` is the object under "model" of a tokenizer.json.
  static absl::StatusOr<std::unique_ptr<UnigramModel>> FromJson(const JsonReader& model);

  void Encode(absl::string_view piece, std::vector<int64_t>& ids) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string Describe() const override;

 private:
  UnigramModel() = default;
  absl::Status BuildTrie(const JsonReader& model);
  void AppendIds(absl::string_view token, std::vector<int64_t>& ids) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  std::string trie_;            // of the tokens, ICU's BytesTrie
  double unknown_score_ = 0;
  int32_t unknown_id_ = 0;
  bool byte_fallback_ = false;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_UNIGRAM_MODEL_H_
