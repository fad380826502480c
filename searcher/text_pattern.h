// Text as filters compare it: case never matters, in any script, and a pattern
// may have wildcards. In a text "*" stands for any run of characters; in a glob
// of paths "*" and "?" stop at "/", and "**" does not. A backslash before one of
// them takes it for itself. Stateless or immutable; any thread.
//
//   const TextPattern pattern = TextPattern::ForText("X100*");
//   pattern.Matches(FoldText("X100V"));      // true
//   pattern.MatchesPart(FoldText("the X100 of 2011"));  // true
#ifndef EIDETIC_SEARCHER_TEXT_PATTERN_H_
#define EIDETIC_SEARCHER_TEXT_PATTERN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eidetic::searcher {

// Case and compatibility forms folded (Unicode's NFKC_Casefold). What is not
// UTF-8 becomes U+FFFD.
std::string FoldText(absl::string_view text);

class TextPattern {
 public:
  TextPattern() = default;
  static TextPattern ForText(absl::string_view pattern);
  static TextPattern ForPath(absl::string_view glob);

  // Without wildcards: matches literal() alone.
  bool is_literal() const { return is_literal_; }
  const std::string& literal() const { return literal_; }

  // The whole of `folded`, and any part of it.
  bool Matches(absl::string_view folded) const;
  bool MatchesPart(absl::string_view folded) const;

 private:
  enum class Kind : char { kByte, kAnyOne, kAnyRun, kAnyDeep };
  struct Step {
    Kind kind = Kind::kByte;
    char byte = 0;
  };

  static TextPattern Compile(absl::string_view pattern, bool is_path);
  bool Run(absl::string_view folded, bool part) const;

  std::vector<Step> steps_;
  std::string literal_;
  bool is_literal_ = true;
  // "*" and "?" stop at "/".
  bool is_path_ = false;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_TEXT_PATTERN_H_
