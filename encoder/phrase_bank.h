// The phrases that ship with a model, embedded when the model was built
// (phrase_bank/phrases.txt, embeddings.npy int8, scales.npy f32), so that a
// fresh library gets captions too. Immutable after loading; any thread.
#ifndef EIDETIC_ENCODER_PHRASE_BANK_H_
#define EIDETIC_ENCODER_PHRASE_BANK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eidetic::encoder {

struct PhraseBank {
  int dimension = 0;
  std::vector<std::string> phrases;
  // phrases.size() rows of `dimension` floats, unit length.
  std::vector<float> embeddings;
};

// Reads `model_folder`/phrase_bank. A folder without one gives an empty bank.
// kInvalidArgument when files disagree in rows or dimension, or are damaged;
// sizes are checked before memory is taken.
absl::StatusOr<PhraseBank> LoadPhraseBank(const std::string& model_folder, int dimension);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_PHRASE_BANK_H_
