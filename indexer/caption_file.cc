#include "indexer/caption_file.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "encoder/file_contents.h"
#include "proto/status_macros.h"

namespace eidetic::indexer {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;
constexpr size_t kMaxCaptionBytes = 4096;

bool IsUtf8(absl::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    UChar32 character = 0;
    U8_NEXT(bytes, i, size, character);
    if (character < 0) return false;
  }
  return true;
}

bool IsNumber(absl::string_view field) {
  return !field.empty() &&
         std::all_of(field.begin(), field.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
}

absl::Status BadLine(size_t number, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", why));
}

}  // namespace

std::string CleanCaption(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() > kMaxCaptionBytes) {
    size_t end = kMaxCaptionBytes;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
    text = absl::StripTrailingAsciiWhitespace(text.substr(0, end));
  }
  return IsUtf8(text) ? std::string(text) : std::string();
}

CaptionFile ParseCaptionFile(absl::string_view text) {
  CaptionFile file;
  absl::flat_hash_map<std::string, size_t> place;
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits('\t', 2));
    if (fields.size() < 2 || fields[0].empty()) {
      file.bad_lines.push_back(BadLine(number, "not an image, a TAB and a caption"));
      continue;
    }
    const bool indexed = fields.size() == 3 && IsNumber(fields[1]);
    if (number == 1 &&
        (absl::EqualsIgnoreCase(fields[0], "image") || absl::EqualsIgnoreCase(fields[0], "file"))) {
      continue;  // a header
    }
    const std::string caption = CleanCaption(indexed ? fields[2] : line.substr(fields[0].size() + 1));
    if (caption.empty()) {
      file.bad_lines.push_back(BadLine(number, "the caption is empty or not UTF-8"));
      continue;
    }
    const auto [found, added] = place.emplace(std::string(fields[0]), file.images.size());
    if (added) file.images.push_back({std::string(fields[0]), {}});
    file.images[found->second].captions.push_back(caption);
    ++file.caption_count;
  }
  return file;
}

absl::StatusOr<CaptionFile> ReadCaptionFile(const std::string& path) {
  EIDETIC_ASSIGN_OR_RETURN(const std::string text, encoder::ReadFileContents(path, kMaxFileBytes));
  CaptionFile file = ParseCaptionFile(text);
  if (file.caption_count == 0 && !file.bad_lines.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no line is a caption (", file.bad_lines.front().message(),
                     "); expected: image TAB caption, or image TAB index TAB caption"));
  }
  return file;
}

}  // namespace eidetic::indexer
