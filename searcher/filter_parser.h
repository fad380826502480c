// A filter's text (AIP-160, grammar in docs/filters.md) → a tree of names and
// literals. Knows no field: filter_expression.h gives the tree its meaning. By
// recursive descent, bounded in length, depth and terms, so that hostile text
// costs nothing. Stateless; any thread.
//
//   ASSIGN_OR_RETURN(FilterNode tree, ParseFilter("iso > 400 AND -tag:blurred"));
//   std::string text = FilterToString(tree);  // (AND (> iso 400) (NOT (: tag blurred)))
#ifndef EIDETIC_SEARCHER_FILTER_PARSER_H_
#define EIDETIC_SEARCHER_FILTER_PARSER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::searcher {

inline constexpr size_t kMaxFilterBytes = 8'192;
inline constexpr int kMaxFilterDepth = 50;
inline constexpr int kMaxFilterTerms = 500;

enum class Comparator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kHas };

// "=", "!=", "<", "<=", ">", ">=", ":".
const char* ComparatorSymbol(Comparator comparator);

struct FilterLiteral {
  // As meant: quotes gone, escapes resolved.
  std::string text;
  // The same with a backslash before each *, ? and \ that was escaped and so
  // stands for itself (text_pattern.h).
  std::string pattern;
  // Character of the filter, from 1.
  size_t position = 0;
};

struct FilterNode {
  enum class Kind {
    kAnd,          // all of `children`; without any: true
    kOr,           // one of `children`
    kNot,          // not children[0]
    kRestriction,  // `name` `comparator` values[0]
    kFunction,     // name[0](values…)
  };
  Kind kind = Kind::kAnd;
  std::vector<FilterNode> children;
  // {"iso"}, {"attributes", "shelf"}.
  std::vector<std::string> name;
  Comparator comparator = Comparator::kEqual;
  std::vector<FilterLiteral> values;
  // Where its name begins: character of the filter, from 1.
  size_t position = 0;
};

// kInvalidArgument "at character N: …, expected …". Text of nothing but spaces
// is true for all.
absl::StatusOr<FilterNode> ParseFilter(absl::string_view text);

// kInvalidArgument with the position in front.
absl::Status FilterError(size_t position, absl::string_view message);

// One spelling for filters that mean the same but for spaces, quotes and
// parentheses; for tests and as the key of caches.
std::string FilterToString(const FilterNode& node);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_FILTER_PARSER_H_
