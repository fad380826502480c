// UTF-8 to code points and back. Stateless; any thread.
#ifndef EIDETIC_ENCODER_UTF8_H_
#define EIDETIC_ENCODER_UTF8_H_

#include <string>

#include "absl/strings/string_view.h"

namespace eidetic::encoder {

// Bytes that are not UTF-8 become U+FFFD, one for each longest sequence that
// could have begun a character.
std::u32string DecodeUtf8(absl::string_view text);

void AppendUtf8(char32_t c, std::string& out);
std::string EncodeUtf8(const std::u32string& text);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_UTF8_H_
