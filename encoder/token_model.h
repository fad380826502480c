// The last stage of a tokenizer: a piece of text → ids of its vocabulary. One
// implementation a kind of vocabulary (bpe_model.h, unigram_model.h). Immutable
// after creation; any thread.
#ifndef EIDETIC_ENCODER_TOKEN_MODEL_H_
#define EIDETIC_ENCODER_TOKEN_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

using Vocabulary = absl::flat_hash_map<std::string, int32_t>;

class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Appends the ids of `piece`, which is UTF-8 and not empty.
  virtual void Encode(absl::string_view piece, std::vector<int64_t>& ids) const = 0;

  virtual const Vocabulary& vocabulary() const = 0;
  // "BPE" and the like, with what sets it apart.
  virtual std::string Describe() const = 0;

  std::optional<int32_t> Find(absl::string_view token) const {
    const auto found = vocabulary().find(token);
    if (found == vocabulary().end()) return std::nullopt;
    return found->second;
  }
};

// The token that stands for one byte where the vocabulary has no piece: "<0x0A>".
std::string ByteToken(uint8_t byte);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_TOKEN_MODEL_H_
