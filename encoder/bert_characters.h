// Character properties as the reference WordPiece tokenizer (Hugging Face
// `tokenizers`) sees them. Its tables are of different Unicode versions: general
// categories of 8.0, canonical decomposition of 9.0, lower case of 17.0. These
// functions give the same answers from ICU of version 15 or later, whatever
// newer characters it knows. Stateless; any thread.
#ifndef EIDETIC_ENCODER_BERT_CHARACTERS_H_
#define EIDETIC_ENCODER_BERT_CHARACTERS_H_

#include <string>

namespace eidetic::encoder {

// White_Space.
bool IsBertWhitespace(char32_t c);

// What clean_text drops: NUL, U+FFFD, control, format and private use
// characters, but not tab and newlines.
bool IsBertRemoved(char32_t c);

// Ideographs, which become words of their own. Not kana, not Hangul.
bool IsBertIdeograph(char32_t c);

// ASCII symbols and all Unicode punctuation.
bool IsBertPunctuation(char32_t c);

// Canonical decomposition without non-spacing marks.
std::u32string StripAccents(const std::u32string& text);

// Appends the lower case of `c`, which may be two characters.
void AppendLowercase(char32_t c, std::u32string& out);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_BERT_CHARACTERS_H_
