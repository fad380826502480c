// What is done to a text before its tokenizer sees it, where a model's
// configuration asks for more than its tokenizer.json does (OpenCLIP's
// "tokenizer_kwargs": {"clean": …}). Stateless; any thread.
//
//   CleanText("  Two_DOGS!\n", TextCleaning::kCanonical);  // "two dogs"
#ifndef EIDETIC_ENCODER_TEXT_CLEANING_H_
#define EIDETIC_ENCODER_TEXT_CLEANING_H_

#include <string>

#include "absl/strings/string_view.h"

namespace eidetic::encoder {

enum class TextCleaning {
  kNone,
  kSpaces,     // "whitespace": runs of it become one space, none at the ends
  kLowercase,  // "lower": also lower case
  kCanonical,  // "canonicalize": also no ASCII punctuation, "_" counts as a space
};

// Bytes that are not UTF-8 become U+FFFD, except by kNone.
std::string CleanText(absl::string_view text, TextCleaning cleaning);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_TEXT_CLEANING_H_
