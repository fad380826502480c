#include "encoder/utf8.h"

#include <unicode/utf8.h>

#include <cstdint>

namespace eidetic::encoder {

std::u32string DecodeUtf8(absl::string_view text) {
  constexpr char32_t kReplacementCharacter = 0xFFFD;
  std::u32string characters;
  characters.reserve(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t position = 0; position < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, position, text.size(), c);
    characters.push_back(c < 0 ? kReplacementCharacter : static_cast<char32_t>(c));
  }
  return characters;
}

void AppendUtf8(char32_t c, std::string& out) {
  uint8_t bytes[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, c);
  out.append(bytes, bytes + length);
}

std::string EncodeUtf8(const std::u32string& text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t c : text) AppendUtf8(c, result);
  return result;
}

}  // namespace eidetic::encoder
