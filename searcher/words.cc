#include "searcher/words.h"

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "absl/strings/ascii.h"
#include "searcher/text_pattern.h"

namespace eidetic::searcher {
namespace {

constexpr size_t kMaxTextBytes = 4'096;
constexpr size_t kMaxWordBytes = 64;
constexpr char16_t kApostrophes[] = {u'\'', u'\u2019', u'\u02BC'};
// Unicode lets these stand inside a word ("2023.06", "IMG_2041").
constexpr char16_t kWordJoiners[] = {u'_', u'.', u',', u':', u';'};
// Marks of Japanese kana make other letters; they are no accents.
constexpr UChar32 kVoicedMark = 0x3099;
constexpr UChar32 kSemiVoicedMark = 0x309A;

// Sorted.
constexpr absl::string_view kFunctionWords[] = {
    "a",     "an",     "and",     "are",      "as",    "at",     "be",  "by",    "for",   "from",
    "has",   "have",   "her",     "his",      "image", "images", "in",  "into",  "is",    "it",
    "its",   "me",     "my",      "of",       "off",   "on",     "or",  "our",   "out",   "over",
    "photo", "photos", "picture", "pictures", "some",  "that",   "the", "their", "there", "this",
    "to",    "up",     "was",     "we",       "were",  "while",  "with"};

static_assert(std::is_sorted(std::begin(kFunctionWords), std::end(kFunctionWords)));

// Breaking at UTF-8's own borders.
absl::string_view Truncate(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && U8_IS_TRAIL(static_cast<uint8_t>(text[bytes]))) --bytes;
  return text.substr(0, bytes);
}

std::vector<std::string> SplitAscii(absl::string_view folded, size_t limit) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(word.substr(0, kMaxWordBytes));
    word.clear();
  };
  for (const char c : folded) {
    if (words.size() == limit) return words;
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      word += c;
    } else if (c != '\'') {
      end_word();
    }
  }
  if (words.size() < limit) end_word();
  return words;
}

bool IsAccent(UChar32 c) {
  UErrorCode error = U_ZERO_ERROR;
  return u_charType(c) == U_NON_SPACING_MARK && uscript_getScript(c, &error) == USCRIPT_INHERITED &&
         c != kVoicedMark && c != kSemiVoicedMark;
}

icu::UnicodeString WithoutAccents(const icu::UnicodeString& text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* decompose = icu::Normalizer2::getNFDInstance(error);
  const icu::Normalizer2* compose = icu::Normalizer2::getNFCInstance(error);
  // ICU's data is part of its library: it is never without the forms.
  if (U_FAILURE(error)) return text;
  const icu::UnicodeString parts = decompose->normalize(text, error);
  icu::UnicodeString kept;
  for (int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
    const UChar32 c = parts.char32At(i);
    if (!IsAccent(c)) kept.append(c);
  }
  const icu::UnicodeString composed = compose->normalize(kept, error);
  return U_SUCCESS(error) ? composed : kept;
}

// Making one reads dictionaries; a thread keeps its own.
icu::BreakIterator* WordBreaker() {
  thread_local const std::unique_ptr<icu::BreakIterator> breaker = [] {
    UErrorCode error = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> made(
        icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
    return U_SUCCESS(error) ? std::move(made) : nullptr;
  }();
  return breaker.get();
}

std::vector<std::string> SplitUnicode(const std::string& folded, size_t limit) {
  std::vector<std::string> words;
  icu::UnicodeString characters = WithoutAccents(icu::UnicodeString::fromUTF8(folded));
  for (const char16_t apostrophe : kApostrophes) {
    characters.findAndReplace(icu::UnicodeString(apostrophe), icu::UnicodeString());
  }
  for (const char16_t joiner : kWordJoiners) {
    characters.findAndReplace(icu::UnicodeString(joiner), icu::UnicodeString(u' '));
  }
  icu::BreakIterator* breaker = WordBreaker();
  if (breaker == nullptr) return words;
  breaker->setText(characters);
  for (int32_t begin = breaker->first(), end = breaker->next();
       end != icu::BreakIterator::DONE && words.size() < limit; begin = end, end = breaker->next()) {
    if (breaker->getRuleStatus() < UBRK_WORD_NONE_LIMIT) continue;
    std::string word;
    characters.tempSubStringBetween(begin, end).toUTF8String(word);
    words.emplace_back(Truncate(word, kMaxWordBytes));
  }
  return words;
}

}  // namespace

std::vector<std::string> SplitWords(absl::string_view text, size_t limit) {
  const std::string folded = FoldText(Truncate(text, kMaxTextBytes));
  const bool ascii = std::all_of(folded.begin(), folded.end(),
                                 [](char c) { return absl::ascii_isascii(static_cast<unsigned char>(c)); });
  return ascii ? SplitAscii(folded, limit) : SplitUnicode(folded, limit);
}

bool IsFunctionWord(absl::string_view word) {
  return std::binary_search(std::begin(kFunctionWords), std::end(kFunctionWords), word);
}

}  // namespace eidetic::searcher
