// SentencePiece's precompiled normalization table, as the reference's
// Precompiled normalizer applies it: a grapheme of fewer than 6 bytes is looked
// up as a whole, otherwise character by character. Immutable; any thread.
#ifndef EIDETIC_ENCODER_CHARSMAP_H_
#define EIDETIC_ENCODER_CHARSMAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

class Charsmap {
 public:
  // `table`: size of the double-array trie in bytes (32 bits, little-endian), the
  // trie, then the replacements, each ended by a zero byte.
  static absl::StatusOr<Charsmap> Create(absl::string_view table);

  std::string Apply(absl::string_view text) const;

 private:
  Charsmap() = default;

  // Of the shortest key that `chunk` starts with.
  std::optional<absl::string_view> Find(absl::string_view chunk) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_CHARSMAP_H_
