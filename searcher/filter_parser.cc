#include "searcher/filter_parser.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

// What is quoted back of a mistake.
constexpr size_t kMaxQuotedBytes = 40;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsQuote(char c) { return c == '"' || c == '\''; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Ends a word wherever it stands.
bool IsDelimiter(char c) {
  return IsSpace(c) || IsQuote(c) || c == '(' || c == ')' || c == ',' || c == '=' || c == '<' || c == '>' ||
         c == '!';
}

absl::Status CheckText(absl::string_view text) {
  if (text.size() > kMaxFilterBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", text.size(), " bytes; the most is ", kMaxFilterBytes));
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  size_t position = 1;
  for (int32_t i = 0; i < size; ++position) {
    UChar32 character = 0;
    U8_NEXT(bytes, i, size, character);
    if (character < 0) return FilterError(position, "bytes that are not UTF-8");
    if (character == 0) return FilterError(position, "a zero byte");
  }
  return absl::OkStatus();
}

class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<FilterNode> Parse() {
    SkipSpaces();
    if (AtEnd()) return FilterNode();
    EIDETIC_ASSIGN_OR_RETURN(FilterNode node, ParseExpression());
    if (!AtEnd()) return Unexpected("AND, OR, another term or the end");
    return node;
  }

 private:
  // expression = sequence, { "AND", sequence }. Ends before ")" or at the end.
  absl::StatusOr<FilterNode> ParseExpression() {
    if (++depth_ > kMaxFilterDepth) {
      return FilterError(Position(), absl::StrCat("nested deeper than ", kMaxFilterDepth, " levels"));
    }
    FilterNode all;
    all.position = Position();
    do {
      EIDETIC_RETURN_IF_ERROR(ParseSequence(all.children));
    } while (TakeKeyword("AND"));
    --depth_;
    return Unwrapped(std::move(all));
  }

  // sequence = factor, { factor }: the same as AND between them.
  absl::Status ParseSequence(std::vector<FilterNode>& all) {
    do {
      EIDETIC_ASSIGN_OR_RETURN(FilterNode factor, ParseFactor());
      all.push_back(std::move(factor));
    } while (!AtEnd() && Peek() != ')' && !AtKeyword("AND"));
    return absl::OkStatus();
  }

  // factor = term, { "OR", term }.
  absl::StatusOr<FilterNode> ParseFactor() {
    FilterNode any;
    any.kind = FilterNode::Kind::kOr;
    any.position = Position();
    do {
      EIDETIC_ASSIGN_OR_RETURN(FilterNode term, ParseTerm());
      any.children.push_back(std::move(term));
    } while (TakeKeyword("OR"));
    return Unwrapped(std::move(any));
  }

  // term = [ "NOT" | "-" ], ( restriction | "(", expression, ")" ).
  absl::StatusOr<FilterNode> ParseTerm() {
    if (++terms_ > kMaxFilterTerms) {
      return FilterError(Position(), absl::StrCat("more than ", kMaxFilterTerms, " terms"));
    }
    const size_t position = Position();
    bool negated = TakeKeyword("NOT");
    if (!negated && !AtEnd() && Peek() == '-') {
      ++at_;
      SkipSpaces();
      negated = true;
    }
    EIDETIC_ASSIGN_OR_RETURN(FilterNode simple, ParseSimple());
    if (!negated) return simple;
    FilterNode inverse;
    inverse.kind = FilterNode::Kind::kNot;
    inverse.position = position;
    inverse.children.push_back(std::move(simple));
    return inverse;
  }

  absl::StatusOr<FilterNode> ParseSimple() {
    if (AtEnd() || Peek() != '(') return ParseRestriction();
    const size_t opened = Position();
    ++at_;
    SkipSpaces();
    EIDETIC_ASSIGN_OR_RETURN(FilterNode inner, ParseExpression());
    if (AtEnd()) return FilterError(opened, "\"(\" is not closed, expected \")\"");
    if (Peek() != ')') return Unexpected("AND, OR, another term or \")\"");
    ++at_;
    SkipSpaces();
    return inner;
  }

  // restriction = field, { ".", field }, comparator, value
  //             | name, "(", [ value, { ",", value } ], ")".
  absl::StatusOr<FilterNode> ParseRestriction() {
    FilterNode node;
    node.kind = FilterNode::Kind::kRestriction;
    node.position = Position();
    const size_t began = at_;
    while (true) {
      EIDETIC_ASSIGN_OR_RETURN(std::string part, ParseNamePart(node.name.empty()));
      node.name.push_back(std::move(part));
      if (AtEnd() || Peek() != '.') break;
      ++at_;
    }
    const absl::string_view written = text_.substr(began, at_ - began);
    SkipSpaces();
    if (!AtEnd() && Peek() == '(' && node.name.size() == 1) return ParseArguments(std::move(node));
    EIDETIC_ASSIGN_OR_RETURN(node.comparator, ParseComparator(written));
    SkipSpaces();
    EIDETIC_ASSIGN_OR_RETURN(FilterLiteral value, ParseValue(/*is_argument=*/false));
    node.values.push_back(std::move(value));
    SkipSpaces();
    return node;
  }

  absl::StatusOr<FilterNode> ParseArguments(FilterNode node) {
    node.kind = FilterNode::Kind::kFunction;
    const size_t opened = Position();
    ++at_;
    SkipSpaces();
    if (!AtEnd() && Peek() == ')') {
      ++at_;
      SkipSpaces();
      return node;
    }
    while (true) {
      if (++terms_ > kMaxFilterTerms) {
        return FilterError(Position(), absl::StrCat("more than ", kMaxFilterTerms, " terms"));
      }
      EIDETIC_ASSIGN_OR_RETURN(FilterLiteral value, ParseValue(/*is_argument=*/true));
      node.values.push_back(std::move(value));
      SkipSpaces();
      if (AtEnd()) return FilterError(opened, "\"(\" is not closed, expected \",\" or \")\"");
      const char c = Peek();
      if (c != ',' && c != ')') return Unexpected("\",\" or \")\"");
      ++at_;
      SkipSpaces();
      if (c == ')') return node;
    }
  }

  absl::StatusOr<std::string> ParseNamePart(bool is_first) {
    if (!AtEnd() && IsQuote(Peek())) {
      if (is_first) return Unexpected("a field, as in tag:\"beach\"");
      EIDETIC_ASSIGN_OR_RETURN(const FilterLiteral quoted, ParseQuoted());
      return quoted.text;
    }
    const size_t began = at_;
    while (!AtEnd() && !IsDelimiter(Peek()) && Peek() != '.' && Peek() != ':') ++at_;
    const absl::string_view word = text_.substr(began, at_ - began);
    if (word.empty()) return Unexpected(is_first ? "a field, \"(\", NOT or \"-\"" : "a name after \".\"");
    if (is_first && (word[0] == '-' || word == "AND" || word == "OR" || word == "NOT")) {
      at_ = began;
      return Unexpected("a field, \"(\", NOT or \"-\"");
    }
    return std::string(word);
  }

  absl::StatusOr<Comparator> ParseComparator(absl::string_view field) {
    const auto take = [this](absl::string_view symbol) {
      if (!absl::StartsWith(Rest(), symbol)) return false;
      at_ += symbol.size();
      return true;
    };
    if (take("<=")) return Comparator::kLessOrEqual;
    if (take(">=")) return Comparator::kGreaterOrEqual;
    if (take("!=")) return Comparator::kNotEqual;
    if (take("=")) return Comparator::kEqual;
    if (take("<")) return Comparator::kLess;
    if (take(">")) return Comparator::kGreater;
    if (take(":")) return Comparator::kHas;
    std::string expected =
        absl::StrCat("=, !=, <, <=, >, >= or : after \"", field.substr(0, kMaxQuotedBytes), "\"");
    const std::string upper = absl::AsciiStrToUpper(field);
    if (upper == "AND" || upper == "OR" || upper == "NOT") {
      absl::StrAppend(&expected, " (the operator ", upper, " is written in capitals)");
    }
    return Unexpected(expected);
  }

  absl::StatusOr<FilterLiteral> ParseValue(bool is_argument) {
    if (!AtEnd() && IsQuote(Peek())) return ParseQuoted();
    FilterLiteral literal;
    literal.position = Position();
    const size_t began = at_;
    bool is_time = false;
    while (!AtEnd() && !IsDelimiter(Peek())) {
      // The colons of 2023-06-01T12:30:00Z belong to it.
      if (Peek() == ':' && !is_time) break;
      is_time |= Peek() == 'T' && IsDigit(text_[began]);
      // A backslash takes the next character for itself.
      if (Peek() == '\\' && !Escape(literal)) return FilterError(Position(), "a backslash at the end");
      literal.text.push_back(Peek());
      literal.pattern.push_back(Peek());
      ++at_;
    }
    if (at_ == began) return Unexpected(is_argument ? "a value" : "a value after the comparison");
    if (!AtEnd() && Peek() == ':') return Unexpected("a space (a value with a colon stands in quotes)");
    const absl::string_view word = text_.substr(began, at_ - began);
    if (word == "AND" || word == "OR" || word == "NOT") {
      at_ = began;
      return Unexpected("a value (the word itself stands in quotes)");
    }
    return literal;
  }

  absl::StatusOr<FilterLiteral> ParseQuoted() {
    FilterLiteral literal;
    literal.position = Position();
    const char quote = Peek();
    for (++at_; !AtEnd() && Peek() != quote; ++at_) {
      if (Peek() == '\\' && !Escape(literal)) break;
      literal.text.push_back(Peek());
      literal.pattern.push_back(Peek());
    }
    if (AtEnd()) {
      return FilterError(literal.position, absl::StrCat("a string that is not closed, expected ",
                                                        absl::string_view(&quote, 1), " at its end"));
    }
    ++at_;
    return literal;
  }

  // Passes over a backslash; false when nothing follows it.
  bool Escape(FilterLiteral& literal) {
    if (at_ + 1 == text_.size()) return false;
    ++at_;
    if (Peek() == '*' || Peek() == '?' || Peek() == '\\') literal.pattern.push_back('\\');
    return true;
  }

  // A lone child stands for itself; children of the same kind are taken in.
  static FilterNode Unwrapped(FilterNode node) {
    if (node.children.size() == 1) {
      FilterNode child = std::move(node.children[0]);
      return child;
    }
    return node;
  }

  bool AtKeyword(absl::string_view keyword) const {
    const absl::string_view rest = Rest();
    if (!absl::StartsWith(rest, keyword)) return false;
    if (rest.size() == keyword.size()) return true;
    const char next = rest[keyword.size()];
    return IsSpace(next) || next == '(' || next == ')';
  }

  bool TakeKeyword(absl::string_view keyword) {
    if (!AtKeyword(keyword)) return false;
    at_ += keyword.size();
    SkipSpaces();
    return true;
  }

  absl::Status Unexpected(absl::string_view expected) const {
    if (AtEnd()) return FilterError(Position(), absl::StrCat("the filter ends, expected ", expected));
    size_t size = at_ + 1;
    while (size < text_.size() && !IsDelimiter(text_[size]) && !IsDelimiter(text_[at_])) ++size;
    size = std::min(size, at_ + kMaxQuotedBytes);
    // Whole characters.
    while (size < text_.size() && U8_IS_TRAIL(static_cast<uint8_t>(text_[size]))) ++size;
    return FilterError(Position(),
                       absl::StrCat("\"", text_.substr(at_, size - at_), "\", expected ", expected));
  }

  // Character of the filter, from 1.
  size_t Position() const {
    size_t position = 1;
    for (size_t i = 0; i < at_; ++i) position += U8_IS_TRAIL(static_cast<uint8_t>(text_[i])) ? 0 : 1;
    return position;
  }

  bool AtEnd() const { return at_ == text_.size(); }
  char Peek() const { return text_[at_]; }
  absl::string_view Rest() const { return text_.substr(at_); }
  void SkipSpaces() {
    while (!AtEnd() && IsSpace(Peek())) ++at_;
  }

  absl::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  int terms_ = 0;
};

void Append(const FilterNode& node, std::string& out) {
  const auto word = [&out](absl::string_view text) {
    out.push_back(' ');
    for (const char c : text) {
      if (IsDelimiter(c)) out.push_back('\\');
      out.push_back(c);
    }
    if (text.empty()) out.append("\"\"");
  };
  out.push_back('(');
  switch (node.kind) {
    case FilterNode::Kind::kAnd:
    case FilterNode::Kind::kOr:
    case FilterNode::Kind::kNot:
      out.append(node.kind == FilterNode::Kind::kAnd  ? "AND"
                 : node.kind == FilterNode::Kind::kOr ? "OR"
                                                      : "NOT");
      for (const FilterNode& child : node.children) {
        out.push_back(' ');
        Append(child, out);
      }
      break;
    case FilterNode::Kind::kRestriction:
      out.append(ComparatorSymbol(node.comparator));
      word(absl::StrJoin(node.name, "."));
      word(node.values[0].pattern);
      break;
    case FilterNode::Kind::kFunction:
      out.append("call");
      word(node.name[0]);
      for (const FilterLiteral& argument : node.values) word(argument.pattern);
      break;
  }
  out.push_back(')');
}

}  // namespace

const char* ComparatorSymbol(Comparator comparator) {
  switch (comparator) {
    case Comparator::kEqual:
      return "=";
    case Comparator::kNotEqual:
      return "!=";
    case Comparator::kLess:
      return "<";
    case Comparator::kLessOrEqual:
      return "<=";
    case Comparator::kGreater:
      return ">";
    case Comparator::kGreaterOrEqual:
      return ">=";
    case Comparator::kHas:
      return ":";
  }
  return "";
}

absl::Status FilterError(size_t position, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("at character ", position, ": ", message));
}

absl::StatusOr<FilterNode> ParseFilter(absl::string_view text) {
  EIDETIC_RETURN_IF_ERROR(CheckText(text));
  return Parser(text).Parse();
}

std::string FilterToString(const FilterNode& node) {
  std::string out;
  Append(node, out);
  return out;
}

}  // namespace eidetic::searcher
