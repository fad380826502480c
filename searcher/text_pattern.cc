#include "searcher/text_pattern.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"

namespace eidetic::searcher {
namespace {

constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string FoldText(absl::string_view text) {
  if (IsAscii(text)) return absl::AsciiStrToLower(text);
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* fold = icu::Normalizer2::getNFKCCasefoldInstance(error);
  const icu::UnicodeString source =
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  const icu::UnicodeString folded = fold == nullptr ? source : fold->normalize(source, error);
  std::string out;
  // ICU's data is part of its library: it is never without the form.
  (U_SUCCESS(error) ? folded : source).toUTF8String(out);
  return out;
}

TextPattern TextPattern::ForText(absl::string_view pattern) { return Compile(pattern, /*is_path=*/false); }

TextPattern TextPattern::ForPath(absl::string_view glob) { return Compile(glob, /*is_path=*/true); }

TextPattern TextPattern::Compile(absl::string_view pattern, bool is_path) {
  TextPattern compiled;
  compiled.is_path_ = is_path;
  // Between wildcards text is folded a piece at a time.
  std::string piece;
  const auto end_piece = [&] {
    const std::string folded = FoldText(piece);
    for (const char byte : folded) compiled.steps_.push_back({Kind::kByte, byte});
    compiled.literal_ += folded;
    piece.clear();
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      piece.push_back(pattern[++i]);
    } else if (c == '*') {
      end_piece();
      const bool deep = is_path && i + 1 < pattern.size() && pattern[i + 1] == '*';
      while (i + 1 < pattern.size() && pattern[i + 1] == '*') ++i;
      compiled.steps_.push_back({deep ? Kind::kAnyDeep : Kind::kAnyRun, 0});
      compiled.is_literal_ = false;
    } else if (c == '?' && is_path) {
      end_piece();
      compiled.steps_.push_back({Kind::kAnyOne, 0});
      compiled.is_literal_ = false;
    } else {
      piece.push_back(c);
    }
  }
  end_piece();
  return compiled;
}

bool TextPattern::Matches(absl::string_view folded) const {
  if (is_literal_) return folded == absl::string_view(literal_);
  return Run(folded, /*part=*/false);
}

bool TextPattern::MatchesPart(absl::string_view folded) const {
  if (is_literal_) return folded.find(literal_) != absl::string_view::npos;
  return Run(folded, /*part=*/true);
}

// Takes each wildcard for as little as will do and, when a step fails, gives the
// last one more: the last "*" first, then the last "**" before it. Earlier ones
// need not be tried again.
bool TextPattern::Run(absl::string_view folded, bool part) const {
  size_t at = 0;
  size_t step = 0;
  size_t run_step = kNowhere;
  size_t run_at = 0;
  size_t deep_step = part ? 0 : kNowhere;  // a part may begin anywhere
  size_t deep_at = 0;
  while (true) {
    if (step == steps_.size() && (part || at == folded.size())) return true;
    if (step < steps_.size()) {
      const Step& next = steps_[step];
      if (next.kind == Kind::kAnyDeep) {
        deep_step = ++step;
        deep_at = at;
        run_step = kNowhere;
        continue;
      }
      if (next.kind == Kind::kAnyRun) {
        run_step = ++step;
        run_at = at;
        continue;
      }
      if (at < folded.size()) {
        if (next.kind == Kind::kByte && next.byte == folded[at]) {
          ++at;
          ++step;
          continue;
        }
        if (next.kind == Kind::kAnyOne && folded[at] != '/') {
          // One character, however many bytes.
          ++at;
          while (at < folded.size() && U8_IS_TRAIL(static_cast<uint8_t>(folded[at]))) ++at;
          ++step;
          continue;
        }
      }
    }
    if (run_step != kNowhere && run_at < folded.size() && !(is_path_ && folded[run_at] == '/')) {
      at = ++run_at;
      step = run_step;
    } else if (deep_step != kNowhere && deep_at < folded.size()) {
      at = ++deep_at;
      step = deep_step;
      run_step = kNowhere;
    } else {
      return false;
    }
  }
}

}  // namespace eidetic::searcher
