#include "encoder/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encoder/bert_characters.h"
#include "encoder/tokenizer_json.h"
#include "encoder/tokenizer_pattern.h"
#include "encoder/utf8.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr int kMostNesting = 8;
constexpr size_t kByteValues = 256;

// What ByteLevel cuts at before it writes bytes as characters (GPT-2's pattern).
constexpr char kByteLevelPattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Part {
  size_t begin = 0;
  size_t end = 0;
  bool is_match = false;
};

// The matches and what is between them, in order.
std::vector<Part> PartsOf(absl::string_view text, const TokenizerPattern& pattern, bool invert) {
  std::vector<Part> parts;
  size_t done = 0;
  for (const TokenizerPattern::Match& match : pattern.FindAll(text)) {
    if (match.begin > done) parts.push_back({.begin = done, .end = match.begin, .is_match = invert});
    parts.push_back({.begin = match.begin, .end = match.end, .is_match = !invert});
    done = match.end;
  }
  if (done < text.size()) parts.push_back({.begin = done, .end = text.size(), .is_match = invert});
  return parts;
}

// Joins each match with its neighbour; the second of two matches stands alone.
std::vector<Part> MergeMatches(const std::vector<Part>& parts, Behavior behavior) {
  std::vector<Part> merged;
  bool previous_match = false;
  const auto add = [&](const Part& part) {
    const bool joins = behavior == Behavior::kContiguous ? part.is_match == previous_match
                                                         : part.is_match && !previous_match;
    if (joins && !merged.empty()) {
      merged.back().begin = std::min(merged.back().begin, part.begin);
      merged.back().end = std::max(merged.back().end, part.end);
    } else {
      merged.push_back(part);
    }
    previous_match = part.is_match;
  };
  if (behavior == Behavior::kMergedWithNext) {
    std::for_each(parts.rbegin(), parts.rend(), add);
    std::reverse(merged.begin(), merged.end());
  } else {
    std::for_each(parts.begin(), parts.end(), add);
  }
  return merged;
}

std::vector<std::string> SplitBy(absl::string_view text, const TokenizerPattern& pattern, Behavior behavior,
                                 bool invert) {
  std::vector<Part> parts = PartsOf(text, pattern, invert);
  if (behavior == Behavior::kRemoved) {
    std::erase_if(parts, [](const Part& part) { return part.is_match; });
  } else if (behavior != Behavior::kIsolated) {
    parts = MergeMatches(parts, behavior);
  }
  std::vector<std::string> pieces;
  pieces.reserve(parts.size());
  for (const Part& part : parts) pieces.emplace_back(text.substr(part.begin, part.end - part.begin));
  return pieces;
}

std::vector<std::string> SplitAtWhitespace(absl::string_view text) {
  std::vector<std::string> pieces(1);
  for (const char32_t c : DecodeUtf8(text)) {
    if (!IsBertWhitespace(c)) {
      AppendUtf8(c, pieces.back());
    } else if (!pieces.back().empty()) {
      pieces.emplace_back();
    }
  }
  return pieces;
}

// Each byte as a printable character: itself where it is one in Latin-1,
// otherwise the next of U+0100 and up.
const std::array<std::string, kByteValues>& ByteCharacters() {
  static const std::array<std::string, kByteValues> characters = [] {
    std::array<std::string, kByteValues> table;
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < kByteValues; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      AppendUtf8(printable ? byte : next++, table[byte]);
    }
    return table;
  }();
  return characters;
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::FromJson(const JsonReader& root) {
  PreTokenizer pre_tokenizer;
  if (!root.Has("pre_tokenizer")) return pre_tokenizer;
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader step, root.Object("pre_tokenizer"));
  EIDETIC_RETURN_IF_ERROR(pre_tokenizer.Add(step, 0));
  return pre_tokenizer;
}

absl::Status PreTokenizer::Add(const JsonReader& step, int nesting) {
  if (nesting > kMostNesting) return step.Error("is nested too deeply");
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, step.String("type"));
  if (type == "Sequence") {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader parts, step.Array("pretokenizers"));
    for (const nlohmann::json& part : parts.value()) {
      EIDETIC_RETURN_IF_ERROR(Add(JsonReader(part, parts.path()), nesting + 1));
    }
    return absl::OkStatus();
  }
  if (type == "WhitespaceSplit") {
    steps_.emplace_back(SplitAtWhitespace);
    return absl::OkStatus();
  }
  if (type == "Split") return AddSplit(step);
  if (type == "Metaspace") return AddMetaspace(step);
  if (type == "ByteLevel") return AddByteLevel(step);
  return UnsupportedComponent(step, absl::StrCat("the pre-tokenizer ", type));
}

absl::Status PreTokenizer::AddSplit(const JsonReader& step) {
  static constexpr std::pair<absl::string_view, Behavior> kBehaviors[] = {
      {"Removed", Behavior::kRemoved},
      {"Isolated", Behavior::kIsolated},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext},
      {"Contiguous", Behavior::kContiguous},
  };
  EIDETIC_ASSIGN_OR_RETURN(TokenizerPattern pattern, TokenizerPattern::FromJson(step, "pattern"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string name, step.String("behavior"));
  EIDETIC_ASSIGN_OR_RETURN(const bool invert, step.Bool("invert", false));
  const auto* behavior = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                      [&](const auto& entry) { return entry.first == name; });
  if (behavior == std::end(kBehaviors))
    return UnsupportedComponent(step, absl::StrCat("the behavior ", name));
  steps_.emplace_back([pattern = std::move(pattern), behavior = behavior->second,
                       invert](absl::string_view text) { return SplitBy(text, pattern, behavior, invert); });
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddMetaspace(const JsonReader& step) {
  EIDETIC_ASSIGN_OR_RETURN(const std::string mark, step.StringOr("replacement", "\u2581"));
  EIDETIC_ASSIGN_OR_RETURN(const bool add_prefix_space, step.Bool("add_prefix_space", true));
  EIDETIC_ASSIGN_OR_RETURN(const std::string scheme,
                           step.StringOr("prepend_scheme", add_prefix_space ? "always" : "never"));
  EIDETIC_ASSIGN_OR_RETURN(const bool split, step.Bool("split", true));
  if (mark.empty()) return step.Error("replacement must not be empty");
  if (scheme != "always" && scheme != "never") {
    return UnsupportedComponent(step, absl::StrCat("Metaspace with prepend_scheme \"", scheme, "\""));
  }
  steps_.emplace_back([space = TokenizerPattern::Literal(" "), pattern = TokenizerPattern::Literal(mark),
                       mark, prepend = scheme == "always", split](absl::string_view text) {
    std::string marked = space.ReplaceAll(text, mark);
    if (prepend && !absl::StartsWith(marked, mark)) marked.insert(0, mark);
    if (!split) return std::vector<std::string>{marked};
    return SplitBy(marked, pattern, Behavior::kMergedWithNext, /*invert=*/false);
  });
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddByteLevel(const JsonReader& step) {
  EIDETIC_ASSIGN_OR_RETURN(const bool add_prefix_space, step.Bool("add_prefix_space", true));
  EIDETIC_ASSIGN_OR_RETURN(const bool use_regex, step.Bool("use_regex", true));
  EIDETIC_ASSIGN_OR_RETURN(TokenizerPattern pattern, TokenizerPattern::Regex(kByteLevelPattern));
  steps_.emplace_back([pattern = std::move(pattern), add_prefix_space, use_regex](absl::string_view text) {
    std::string spaced(text);
    if (add_prefix_space && !absl::StartsWith(spaced, " ")) spaced.insert(0, " ");
    std::vector<std::string> pieces{spaced};
    if (use_regex) pieces = SplitBy(spaced, pattern, Behavior::kIsolated, /*invert=*/false);
    for (std::string& piece : pieces) {
      std::string written;
      for (const char c : piece) written += ByteCharacters()[static_cast<uint8_t>(c)];
      piece = std::move(written);
    }
    return pieces;
  });
  return absl::OkStatus();
}

std::vector<std::string> PreTokenizer::Split(absl::string_view text) const {
  std::vector<std::string> pieces{std::string(text)};
  std::erase(pieces, "");
  for (const Step& step : steps_) {
    std::vector<std::string> next;
    for (const std::string& piece : pieces) {
      for (std::string& part : step(piece)) {
        if (!part.empty()) next.push_back(std::move(part));
      }
    }
    pieces = std::move(next);
  }
  return pieces;
}

}  // namespace eidetic::encoder
