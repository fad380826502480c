// Byte-pair encoding: a piece starts as its characters, and the pair of lowest
// rank is merged until none is left. Covers CLIP's (an end-of-word mark) and
// Gemma's (unknown characters fall back to bytes). Immutable; any thread.
#ifndef EIDETIC_ENCODER_BPE_MODEL_H_
#define EIDETIC_ENCODER_BPE_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "encoder/json_reader.h"
#include "encoder/token_model.h"

namespace eidetic::encoder {

class BpeModel final : public TokenModel {
 public:
  // `model` is the object under "model" of a tokenizer.json.
  static absl::StatusOr<std::unique_ptr<BpeModel>> FromJson(const JsonReader& model);

  void Encode(absl::string_view piece, std::vector<int64_t>& ids) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string Describe() const override;

 private:
  struct Merge {
    int32_t rank = 0;
    int32_t id = 0;
  };

  BpeModel() = default;
  absl::Status ReadMerges(const JsonReader& model);
  std::vector<int32_t> Characters(absl::string_view piece) const;
  const Merge* FindMerge(int32_t left, int32_t right) const;
  void MergeAll(std::vector<int32_t>& symbols) const;

  Vocabulary vocabulary_;
  absl::flat_hash_map<std::pair<int32_t, int32_t>, Merge> merges_;
  std::optional<int32_t> unknown_id_;
  std::string continuing_prefix_;
  std::string end_of_word_suffix_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  // A piece that is a token as a whole is not merged.
  bool ignore_merges_ = false;
  // Ids of the byte tokens; only with byte_fallback_, -1 where there is none.
  std::vector<int32_t> byte_ids_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_BPE_MODEL_H_
