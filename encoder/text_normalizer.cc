#include "encoder/text_normalizer.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "encoder/bert_characters.h"
#include "encoder/charsmap.h"
#include "encoder/tokenizer_json.h"
#include "encoder/tokenizer_pattern.h"
#include "encoder/utf8.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr int kMostNesting = 8;
// The reference's tables of decompositions and compositions.
constexpr int kNormalizationVersion = 9;
constexpr char32_t kFirstNonAscii = 0x80;

std::string Lowercase(absl::string_view text) {
  std::u32string lower;
  for (const char32_t c : DecodeUtf8(text)) AppendLowercase(c, lower);
  return EncodeUtf8(lower);
}

std::string Strip(absl::string_view text, bool left, bool right) {
  const std::u32string characters = DecodeUtf8(text);
  size_t begin = 0;
  size_t end = characters.size();
  while (left && begin < end && IsBertWhitespace(characters[begin])) ++begin;
  while (right && end > begin && IsBertWhitespace(characters[end - 1])) --end;
  return EncodeUtf8(characters.substr(begin, end - begin));
}

// To the reference a character newer than its tables neither decomposes nor
// combines, so the runs between such characters are independent.
std::string NormalizeUnicode(absl::string_view text, const icu::Normalizer2& form) {
  std::string result;
  icu::UnicodeString run;
  UErrorCode error = U_ZERO_ERROR;
  const auto flush = [&] {
    form.normalize(run, error).toUTF8String(result);
    run.remove();
  };
  for (const char32_t c : DecodeUtf8(text)) {
    UVersionInfo age{};
    if (c >= kFirstNonAscii) u_charAge(static_cast<UChar32>(c), age);
    if (age[0] <= kNormalizationVersion) {
      run.append(static_cast<UChar32>(c));
      continue;
    }
    flush();
    AppendUtf8(c, result);
  }
  flush();
  return result;
}

const icu::Normalizer2* FormOf(absl::string_view type) {
  UErrorCode error = U_ZERO_ERROR;
  if (type == "NFC") return icu::Normalizer2::getNFCInstance(error);
  if (type == "NFD") return icu::Normalizer2::getNFDInstance(error);
  if (type == "NFKC") return icu::Normalizer2::getNFKCInstance(error);
  if (type == "NFKD") return icu::Normalizer2::getNFKDInstance(error);
  return nullptr;
}

}  // namespace

absl::StatusOr<TextNormalizer> TextNormalizer::FromJson(const JsonReader& root) {
  TextNormalizer normalizer;
  if (!root.Has("normalizer")) return normalizer;
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader step, root.Object("normalizer"));
  EIDETIC_RETURN_IF_ERROR(normalizer.Add(step, 0));
  return normalizer;
}

absl::Status TextNormalizer::Add(const JsonReader& step, int nesting) {
  if (nesting > kMostNesting) return step.Error("is nested too deeply");
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, step.String("type"));
  if (type == "Sequence") {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader parts, step.Array("normalizers"));
    for (const nlohmann::json& part : parts.value()) {
      EIDETIC_RETURN_IF_ERROR(Add(JsonReader(part, parts.path()), nesting + 1));
    }
    return absl::OkStatus();
  }
  if (type == "Lowercase") {
    lowercases_ = true;
    steps_.emplace_back(Lowercase);
    return absl::OkStatus();
  }
  if (type == "Strip") {
    EIDETIC_ASSIGN_OR_RETURN(const bool left, step.Bool("strip_left", true));
    EIDETIC_ASSIGN_OR_RETURN(const bool right, step.Bool("strip_right", true));
    steps_.emplace_back([left, right](absl::string_view text) { return Strip(text, left, right); });
    return absl::OkStatus();
  }
  if (type == "Prepend") {
    EIDETIC_ASSIGN_OR_RETURN(const std::string prefix, step.String("prepend"));
    steps_.emplace_back([prefix](absl::string_view text) {
      return text.empty() ? std::string() : absl::StrCat(prefix, text);
    });
    return absl::OkStatus();
  }
  if (type == "Replace") {
    EIDETIC_ASSIGN_OR_RETURN(TokenizerPattern pattern, TokenizerPattern::FromJson(step, "pattern"));
    EIDETIC_ASSIGN_OR_RETURN(const std::string content, step.String("content"));
    steps_.emplace_back([pattern = std::move(pattern), content](absl::string_view text) {
      return pattern.ReplaceAll(text, content);
    });
    return absl::OkStatus();
  }
  if (type == "Precompiled") {
    EIDETIC_ASSIGN_OR_RETURN(const std::string base64, step.StringOr("precompiled_charsmap", ""));
    if (base64.empty()) return absl::OkStatus();  // Changes nothing.
    std::string table;
    if (!absl::Base64Unescape(base64, &table)) return step.Error("precompiled_charsmap is not base64");
    absl::StatusOr<Charsmap> charsmap = Charsmap::Create(table);
    if (!charsmap.ok()) return step.Error(charsmap.status().message());
    steps_.emplace_back([shared = std::make_shared<const Charsmap>(*std::move(charsmap))](
                            absl::string_view text) { return shared->Apply(text); });
    return absl::OkStatus();
  }
  const icu::Normalizer2* form = FormOf(type);
  if (form == nullptr) return UnsupportedComponent(step, absl::StrCat("the normalizer ", type));
  steps_.emplace_back([form](absl::string_view text) { return NormalizeUnicode(text, *form); });
  return absl::OkStatus();
}

void TextNormalizer::LowercaseFirst() {
  lowercases_ = true;
  steps_.insert(steps_.begin(), Lowercase);
}

std::string TextNormalizer::Apply(absl::string_view text) const {
  std::string result(text);
  for (const Step& step : steps_) result = step(result);
  return result;
}

}  // namespace eidetic::encoder
