#include "encoder/bert_characters.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace eidetic::encoder {
namespace {

constexpr char32_t kFirstNonAscii = 0x80;
constexpr char32_t kFirstWithAccent = 0xC0;
constexpr int kCategoriesVersion = 8;
constexpr int kDecompositionVersion = 9;

struct Range {
  char32_t first;
  char32_t last;
};

// The list of BERT's first tokenizer, which the reference keeps: it ends at
// Unicode 8, and U+2B820 to U+2B91F are missing from it.
constexpr std::array<Range, 7> kIdeographs = {{{0x3400, 0x4DBF},
                                               {0x4E00, 0x9FFF},
                                               {0xF900, 0xFAFF},
                                               {0x20000, 0x2A6DF},
                                               {0x2A700, 0x2B81F},
                                               {0x2B920, 0x2CEAF},
                                               {0x2F800, 0x2FA1F}}};

// Lower case that came with Unicode 16 and 17, after ICU 72.
struct CaseRange {
  char32_t first;
  char32_t last;
  char32_t first_lower;
};
constexpr std::array<CaseRange, 10> kNewLowercase = {{{0x1C89, 0x1C89, 0x1C8A},
                                                      {0xA7CB, 0xA7CB, 0x0264},
                                                      {0xA7CC, 0xA7CC, 0xA7CD},
                                                      {0xA7CE, 0xA7CE, 0xA7CF},
                                                      {0xA7D2, 0xA7D2, 0xA7D3},
                                                      {0xA7D4, 0xA7D4, 0xA7D5},
                                                      {0xA7DA, 0xA7DA, 0xA7DB},
                                                      {0xA7DC, 0xA7DC, 0x019B},
                                                      {0x10D50, 0x10D65, 0x10D70},
                                                      {0x16EA0, 0x16EB8, 0x16EBB}}};

bool IsNewerThan(char32_t c, int version) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > version;
}

// The general category in Unicode 8.0. Newer characters count as unassigned;
// the cases are those that changed category since.
int8_t CategoryOfUnicode8(char32_t c) {
  switch (c) {
    case 0x166D:
    case 0x111C9:
      return U_OTHER_PUNCTUATION;
    case 0x1885:
    case 0x1886:
      return U_OTHER_LETTER;
    case 0xA9BD:
      return U_COMBINING_SPACING_MARK;
    case 0x1734:
      return U_NON_SPACING_MARK;
    default:
      break;
  }
  if (IsNewerThan(c, kCategoriesVersion)) return U_UNASSIGNED;
  return u_charType(static_cast<UChar32>(c));
}

}  // namespace

bool IsBertWhitespace(char32_t c) {
  if (c < kFirstNonAscii) return c == ' ' || (c >= '\t' && c <= '\r');
  return u_isUWhiteSpace(static_cast<UChar32>(c));
}

bool IsBertRemoved(char32_t c) {
  if (c < kFirstNonAscii) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  if (c == 0xFFFD) return true;
  const int8_t category = CategoryOfUnicode8(c);
  return category == U_CONTROL_CHAR || category == U_FORMAT_CHAR || category == U_PRIVATE_USE_CHAR;
}

bool IsBertIdeograph(char32_t c) {
  return c >= kIdeographs.front().first &&
         std::any_of(kIdeographs.begin(), kIdeographs.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

bool IsBertPunctuation(char32_t c) {
  if (c < kFirstNonAscii) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  return (U_MASK(CategoryOfUnicode8(c)) & U_GC_P_MASK) != 0;
}

std::u32string StripAccents(const std::u32string& text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < kFirstWithAccent; })) return text;
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* decomposition = icu::Normalizer2::getNFDInstance(error);
  if (U_FAILURE(error)) return text;  // Does not happen: the table is compiled into ICU.

  std::u32string stripped;
  stripped.reserve(text.size());
  icu::UnicodeString run;
  const auto flush = [&] {
    const icu::UnicodeString decomposed = decomposition->normalize(run, error);
    for (int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1)) {
      const UChar32 c = decomposed.char32At(i);
      if (CategoryOfUnicode8(c) != U_NON_SPACING_MARK) stripped.push_back(c);
    }
    run.remove();
  };
  // To the reference a character newer than its tables neither decomposes nor
  // combines, so the runs between such characters are independent.
  for (const char32_t c : text) {
    if (c >= kFirstNonAscii && IsNewerThan(c, kDecompositionVersion)) {
      flush();
      stripped.push_back(c);
    } else {
      run.append(static_cast<UChar32>(c));
    }
  }
  flush();
  return stripped;
}

void AppendLowercase(char32_t c, std::u32string& out) {
  if (c < kFirstNonAscii) {
    out.push_back(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    return;
  }
  if (c == 0x130) {  // The one character whose full lower case is two.
    out.append({U'i', 0x307});
    return;
  }
  const char32_t lower = u_tolower(static_cast<UChar32>(c));
  if (lower == c) {
    for (const CaseRange& range : kNewLowercase) {
      if (c >= range.first && c <= range.last) {
        out.push_back(range.first_lower + (c - range.first));
        return;
      }
    }
  }
  out.push_back(lower);
}

}  // namespace eidetic::encoder
