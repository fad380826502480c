#include "encoder/tokenizer_pattern.h"

#include <unicode/unistr.h>
#include <unicode/utext.h>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// About a millisecond each.
constexpr int32_t kMostSteps = 2000;
constexpr size_t kLongestPattern = 4096;

// Letters and numbers that came with Unicode 15.1 and 16, which the reference's
// engine knows and ICU 72 does not. To a newer ICU they are no news.
constexpr struct {
  absl::string_view written;
  absl::string_view meant;
} kNewCharacters[] = {
    {R"(\p{L})",
     R"([\p{L}\u1C89\u1C8A\uA7CB-\uA7CD\uA7DA-\uA7DC\U000105C0-\U000105F3\U00010D4A-\U00010D65)"
     R"(\U00010D6F-\U00010D85\U00010EC2-\U00010EC4\U00011380-\U00011389\U0001138B\U0001138E)"
     R"(\U00011390-\U000113B5\U000113B7\U000113D1\U000113D3\U00011BC0-\U00011BE0\U00013460-\U000143FA)"
     R"(\U00016100-\U0001611D\U00016D40-\U00016D6C\U00018CFF\U0001E5D0-\U0001E5ED\U0001E5F0)"
     R"(\U0002EBF0-\U0002EE5D])"},
    {R"(\p{N})",
     R"([\p{N}\U00010D40-\U00010D49\U000116D0-\U000116E3\U00011BF0-\U00011BF9\U00016130-\U00016139)"
     R"(\U00016D70-\U00016D79\U0001CCF0-\U0001CCF9\U0001E5F1-\U0001E5FA])"},
};

}  // namespace

TokenizerPattern TokenizerPattern::Literal(absl::string_view text) {
  TokenizerPattern result;
  result.literal_ = std::string(text);
  return result;
}

absl::StatusOr<TokenizerPattern> TokenizerPattern::Regex(absl::string_view pattern) {
  if (pattern.size() > kLongestPattern) {
    return absl::InvalidArgumentError(
        absl::StrCat("a regular expression of ", pattern.size(), " bytes; at most ", kLongestPattern));
  }
  UErrorCode error = U_ZERO_ERROR;
  UParseError place;
  std::string meant(pattern);
  for (const auto& characters : kNewCharacters) {
    absl::StrReplaceAll({{characters.written, characters.meant}}, &meant);
  }
  const icu::UnicodeString text =
      icu::UnicodeString::fromUTF8(icu::StringPiece(meant.data(), static_cast<int32_t>(meant.size())));
  TokenizerPattern result;
  result.regex_.reset(icu::RegexPattern::compile(text, 0, place, error));
  if (U_FAILURE(error)) {
    return absl::InvalidArgumentError(absl::StrCat("the regular expression \"", pattern,
                                                   "\" is not understood: ", u_errorName(error),
                                                   " at character ", place.offset));
  }
  return result;
}

absl::StatusOr<TokenizerPattern> TokenizerPattern::FromJson(const JsonReader& owner, const char* key) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader pattern, owner.Object(key));
  if (pattern.Has("String")) {
    EIDETIC_ASSIGN_OR_RETURN(const std::string text, pattern.String("String"));
    if (text.empty()) return pattern.Error("must not be empty");
    return Literal(text);
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::string expression, pattern.String("Regex"));
  absl::StatusOr<TokenizerPattern> regex = Regex(expression);
  if (!regex.ok()) return pattern.Error(regex.status().message());
  return regex;
}

std::vector<TokenizerPattern::Match> TokenizerPattern::FindAll(absl::string_view text) const {
  std::vector<Match> matches;
  if (regex_ == nullptr) {
    for (size_t at = text.find(literal_); at != absl::string_view::npos;
         at = text.find(literal_, at + literal_.size())) {
      matches.push_back({.begin = at, .end = at + literal_.size()});
    }
    return matches;
  }
  UErrorCode error = U_ZERO_ERROR;
  UText* utf8 = utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &error);
  const absl::Cleanup closer = [utf8] { utext_close(utf8); };
  const std::unique_ptr<icu::RegexMatcher> matcher(regex_->matcher(error));
  if (U_FAILURE(error)) return matches;
  matcher->reset(utf8);
  matcher->setTimeLimit(kMostSteps, error);
  while (U_SUCCESS(error) && matcher->find(error)) {
    matches.push_back({.begin = static_cast<size_t>(matcher->start64(error)),
                       .end = static_cast<size_t>(matcher->end64(error))});
  }
  return matches;
}

std::string TokenizerPattern::ReplaceAll(absl::string_view text, absl::string_view replacement) const {
  std::string result;
  result.reserve(text.size());
  size_t done = 0;
  for (const Match& match : FindAll(text)) {
    absl::StrAppend(&result, text.substr(done, match.begin - done), replacement);
    done = match.end;
  }
  absl::StrAppend(&result, text.substr(done));
  return result;
}

}  // namespace eidetic::encoder
