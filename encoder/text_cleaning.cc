#include "encoder/text_cleaning.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <utility>

#include "encoder/bert_characters.h"
#include "encoder/utf8.h"

namespace eidetic::encoder {
namespace {

constexpr char32_t kFirstNonAscii = 0x80;

// Python's str.isspace, which the references split by: White_Space and the
// information separators.
bool IsSpace(char32_t c) { return IsBertWhitespace(c) || (c >= 0x1c && c <= 0x1f); }

std::u32string SingleSpaces(const std::u32string& text) {
  std::u32string result;
  bool pending = false;
  for (const char32_t c : text) {
    if (IsSpace(c)) {
      pending = !result.empty();
      continue;
    }
    if (pending) result.push_back(U' ');
    pending = false;
    result.push_back(c);
  }
  return result;
}

std::u32string WithoutPunctuation(std::u32string text) {
  std::replace(text.begin(), text.end(), U'_', U' ');
  std::erase_if(text, [](char32_t c) { return c < kFirstNonAscii && IsBertPunctuation(c); });
  return text;
}

// As Python lowers: a sigma at the end of a word becomes a final one.
std::u32string Lowercase(const std::u32string& text) {
  icu::UnicodeString lower = icu::UnicodeString::fromUTF8(EncodeUtf8(text));
  lower.toLower(icu::Locale::getRoot());
  std::string utf8;
  return DecodeUtf8(lower.toUTF8String(utf8));
}

}  // namespace

std::string CleanText(absl::string_view text, TextCleaning cleaning) {
  if (cleaning == TextCleaning::kNone) return std::string(text);
  std::u32string characters = DecodeUtf8(text);
  if (cleaning == TextCleaning::kCanonical) characters = WithoutPunctuation(std::move(characters));
  if (cleaning != TextCleaning::kSpaces) characters = Lowercase(characters);
  return EncodeUtf8(SingleSpaces(characters));
}

}  // namespace eidetic::encoder
