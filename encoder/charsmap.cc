#include "encoder/charsmap.h"

#include <unicode/brkiter.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace eidetic::encoder {
namespace {

// A grapheme of at least so many bytes is not looked up as a whole.
constexpr size_t kLongGrapheme = 6;

uint32_t LoadLittleEndian(const char* from) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(from[i])} << (8 * i);
  return value;
}

// A unit of the trie (darts-clone's layout).
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) == 1; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t Label(uint32_t unit) { return unit & (0x80000000 | 0xFF); }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Create(absl::string_view table) {
  constexpr size_t kUnit = sizeof(uint32_t);
  const uint64_t trie_bytes = table.size() < kUnit ? 0 : LoadLittleEndian(table.data());
  if (trie_bytes == 0 || trie_bytes % kUnit != 0 || trie_bytes > table.size() - kUnit) {
    return absl::InvalidArgumentError("the table is damaged: its trie does not fit into it");
  }
  Charsmap result;
  result.trie_.resize(trie_bytes / kUnit);
  for (size_t i = 0; i < result.trie_.size(); ++i) {
    result.trie_[i] = LoadLittleEndian(table.data() + kUnit * (i + 1));
  }
  result.replacements_ = std::string(table.substr(kUnit + trie_bytes));
  return result;
}

std::optional<absl::string_view> Charsmap::Find(absl::string_view chunk) const {
  size_t node = Offset(trie_[0]);
  for (const char c : chunk) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= trie_.size() || Label(trie_[node]) != byte) return std::nullopt;
    const uint32_t unit = trie_[node];
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    const size_t start = node < trie_.size() ? Value(trie_[node]) : replacements_.size();
    if (start > replacements_.size()) return std::nullopt;
    const absl::string_view rest = absl::string_view(replacements_).substr(start);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string Charsmap::Apply(absl::string_view text) const {
  std::string result;
  result.reserve(text.size());
  const auto append_characters = [&](absl::string_view grapheme) {
    for (size_t start = 0; start < grapheme.size();) {
      size_t end = start + 1;
      while (end < grapheme.size() && U8_IS_TRAIL(static_cast<uint8_t>(grapheme[end]))) ++end;
      const absl::string_view character = grapheme.substr(start, end - start);
      absl::StrAppend(&result, Find(character).value_or(character));
      start = end;
    }
  };
  UErrorCode error = U_ZERO_ERROR;
  UText* utf8 = utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &error);
  const absl::Cleanup closer = [utf8] { utext_close(utf8); };
  const std::unique_ptr<icu::BreakIterator> graphemes(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), error));
  if (U_SUCCESS(error)) graphemes->setText(utf8, error);
  if (U_FAILURE(error)) {  // Does not happen: the rules are compiled into ICU.
    append_characters(text);
    return result;
  }
  int32_t start = graphemes->first();
  for (int32_t end = graphemes->next(); end != icu::BreakIterator::DONE;
       start = end, end = graphemes->next()) {
    const absl::string_view grapheme = text.substr(start, end - start);
    const std::optional<absl::string_view> whole =
        grapheme.size() < kLongGrapheme ? Find(grapheme) : std::nullopt;
    if (whole) {
      absl::StrAppend(&result, *whole);
    } else {
      append_characters(grapheme);
    }
  }
  return result;
}

}  // namespace eidetic::encoder
