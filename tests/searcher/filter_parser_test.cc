#include "searcher/filter_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace eidetic::searcher {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Parsed(const std::string& text) {
  const auto tree = ParseFilter(text);
  return tree.ok() ? FilterToString(*tree) : std::string(tree.status().message());
}

struct Golden {
  const char* text;
  const char* tree;
};

TEST(FilterParserTest, TreesOfFilters) {
  const Golden goldens[] = {
      {"", "(AND)"},
      {"  \t\n ", "(AND)"},
      {"iso = 400", "(= iso 400)"},
      {"iso=400", "(= iso 400)"},
      {"iso<=400", "(<= iso 400)"},
      {"iso != 400", "(!= iso 400)"},
      {"a<1 b<=2 c>3 d>=4 e=5 f!=6 g:7", "(AND (< a 1) (<= b 2) (> c 3) (>= d 4) (= e 5) (!= f 6) (: g 7))"},
      {"tag:\"long beach\"", "(: tag long\\ beach)"},
      {"tag:'it\"s'", "(: tag it\\\"s)"},
      {"tag:\"a\\\"b\"", "(: tag a\\\"b)"},
      {"tag:\"\"", "(: tag \"\")"},
      {"tag:a\\*b*", "(: tag a\\*b*)"},
      {"tag:\"a\\*b*\\\\\"", "(: tag a\\*b*\\\\)"},
      // OR binds tighter than AND, and than the AND that is not written.
      {"a=1 AND b=2 OR c=3", "(AND (= a 1) (OR (= b 2) (= c 3)))"},
      {"a=1 OR b=2 AND c=3", "(AND (OR (= a 1) (= b 2)) (= c 3))"},
      {"a=1 b=2 OR c=3 d=4", "(AND (= a 1) (OR (= b 2) (= c 3)) (= d 4))"},
      {"(a=1 AND b=2) OR c=3", "(OR (AND (= a 1) (= b 2)) (= c 3))"},
      {"NOT a=1", "(NOT (= a 1))"},
      {"-a=1", "(NOT (= a 1))"},
      {"- a=1", "(NOT (= a 1))"},
      {"NOT (a=1 OR b=2)", "(NOT (OR (= a 1) (= b 2)))"},
      {"NOT(a=1)", "(NOT (= a 1))"},
      {"NOT a=1 OR b=2", "(OR (NOT (= a 1)) (= b 2))"},
      {"((((a=1))))", "(= a 1)"},
      {"(a=1)(b=2)", "(AND (= a 1) (= b 2))"},
      {"a=-1", "(= a -1)"},
      {"ANDROID=1 ORANGE=2 NOTE=3", "(AND (= ANDROID 1) (= ORANGE 2) (= NOTE 3))"},
      {"a=\"AND\"", "(= a AND)"},
      {"attributes.shelf = A3", "(= attributes.shelf A3)"},
      {"attributes.\"my shelf\" = A3", "(= attributes.my\\ shelf A3)"},
      {"attributes.a.b:*", "(: attributes.a.b *)"},
      {"aperture<=2.8", "(<= aperture 2.8)"},
      {"shutter <= 1/250", "(<= shutter 1/250)"},
      {"taken >= 2023-06-01T12:30:00+02:00", "(>= taken 2023-06-01T12:30:00+02:00)"},
      {"within(41.9, -12.5, 10)", "(call within 41.9 -12.5 10)"},
      {"within( 41.9,12.5 ,10 )iso>3", "(AND (call within 41.9 12.5 10) (> iso 3))"},
      {"f()", "(call f)"},
      {"tag:straße", "(: tag straße)"},
      // The contract's example, with numbers for its names.
      {"taken >= \"2023-06-01\" AND folder:\"Italy\" AND camera = \"X100V\" AND within(45.4, 12.3, 20) "
       "AND NOT tag:\"screenshot\"",
       "(AND (>= taken 2023-06-01) (: folder Italy) (= camera X100V) (call within 45.4 12.3 20) "
       "(NOT (: tag screenshot)))"},
  };
  for (const Golden& golden : goldens) EXPECT_EQ(Parsed(golden.text), golden.tree) << golden.text;
}

TEST(FilterParserTest, MistakesAreNamedByTheirPositionAndWhatWasExpected) {
  const Golden goldens[] = {
      {"iso", "at character 4: the filter ends, expected =, !=, <, <=, >, >= or : after \"iso\""},
      {"iso =", "at character 6: the filter ends, expected a value after the comparison"},
      {"iso = )", "at character 7: \")\", expected a value after the comparison"},
      {"iso == 4", "at character 6: \"=\", expected a value after the comparison"},
      {"= 4", "at character 1: \"=\", expected a field, \"(\", NOT or \"-\""},
      {"a=1 AND", "at character 8: the filter ends, expected a field, \"(\", NOT or \"-\""},
      {"a=1 OR OR b=2", "at character 8: \"OR\", expected a field, \"(\", NOT or \"-\""},
      {"AND a=1", "at character 1: \"AND\", expected a field, \"(\", NOT or \"-\""},
      {"(a=1", "at character 1: \"(\" is not closed, expected \")\""},
      {"a=1)", "at character 4: \")\", expected AND, OR, another term or the end"},
      {"()", "at character 2: \")\", expected a field, \"(\", NOT or \"-\""},
      {"tag:\"beach", "at character 5: a string that is not closed, expected \" at its end"},
      {"\"beach\"", "at character 1: \"\"\", expected a field, as in tag:\"beach\""},
      {"tag:a:b", "at character 6: \":b\", expected a space (a value with a colon stands in quotes)"},
      {"a. = 1", "at character 3: \" \", expected a name after \".\""},
      {"within(1, 2", "at character 7: \"(\" is not closed, expected \",\" or \")\""},
      {"within(1 2)", "at character 10: \"2\", expected \",\" or \")\""},
      {"within(,)", "at character 8: \",\", expected a value"},
      {"NOT NOT a=1", "at character 5: \"NOT\", expected a field, \"(\", NOT or \"-\""},
      {"a=1 and b=2",
       "at character 9: \"b\", expected =, !=, <, <=, >, >= or : after \"and\" (the operator AND is written "
       "in "
       "capitals)"},
      // Characters, not bytes.
      {"tag:größe AND iso",
       "at character 18: the filter ends, expected =, !=, <, <=, >, >= or : after \"iso\""},
      {"tag:x\\", "at character 6: a backslash at the end"},
      {"tag:\xff", "at character 5: bytes that are not UTF-8"},
  };
  for (const Golden& golden : goldens) EXPECT_EQ(Parsed(golden.text), golden.tree) << golden.text;
  EXPECT_EQ(Parsed(std::string("a=1\0", 4)), "at character 4: a zero byte");
}

TEST(FilterParserTest, LimitsAreKept) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '(') + "a=1" +
           std::string(static_cast<size_t>(depth), ')');
  };
  EXPECT_TRUE(ParseFilter(nested(kMaxFilterDepth - 1)).ok());
  EXPECT_THAT(Parsed(nested(kMaxFilterDepth)), HasSubstr("nested deeper than 50 levels"));
  EXPECT_THAT(Parsed(nested(4'000)), HasSubstr("nested deeper"));
  std::string many;
  for (int i = 0; i < kMaxFilterTerms; ++i) many += "a=1 ";
  EXPECT_TRUE(ParseFilter(many).ok());
  EXPECT_THAT(Parsed(many + "a=1"), HasSubstr("more than 500 terms"));
  EXPECT_THAT(Parsed(std::string(kMaxFilterBytes + 1, 'a')), HasSubstr("has 8193 bytes; the most is 8192"));
  EXPECT_THAT(Parsed(std::string(kMaxFilterBytes, '-')), StartsWith("at character 2: \"-"));
}

// Random and mutated text: an answer in no time, and a position inside the text
// when it is refused; what is accepted is accepted again as it is spelt.
TEST(FilterParserTest, HostileTextIsRefusedWithItsPosition) {
  const std::string alphabet[] = {
      "a",       "iso",  "tag",  " ",  " AND ", " OR ", "NOT ", "-",  "(",
      ")",       "\"",   "'",    "\\", "=",     "!=",   "<",    ">=", ":",
      ".",       ",",    "*",    "?",  "1.5",   "ß",    "日",   "\n", "2023-06-01T10:00:00Z",
      "within(", "\xc3", "\x80", "A"};
  const std::string seeds[] = {
      "taken >= \"2023-06-01\" AND folder:\"Italy\" AND camera = \"X100V\" AND NOT tag:\"screenshot\"",
      "(iso > 400 OR iso < 100) -lens:\"23mm\" within(41.9, 12.5, 10) attributes.\"my key\" != 'x y'"};
  std::mt19937 random(42);
  const absl::Time began = absl::Now();
  int accepted = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string text;
    if (round % 2 == 0) {
      for (size_t pieces = random() % 30; pieces > 0; --pieces)
        text += alphabet[random() % std::size(alphabet)];
    } else {
      text = seeds[random() % 2];
      for (size_t edits = 1 + random() % 4; edits > 0; --edits) {
        const size_t at = random() % text.size();
        switch (random() % 4) {
          case 0:
            text[at] = static_cast<char>(random() % 256);
            break;
          case 1:
            text.erase(at, 1 + random() % 5);
            text += " ";
            break;
          case 2:
            text.insert(at, alphabet[random() % std::size(alphabet)]);
            break;
          default:
            text = text.substr(0, at) + " ";
        }
      }
    }
    const auto tree = ParseFilter(text);
    if (tree.ok()) {
      ++accepted;
      EXPECT_FALSE(FilterToString(*tree).empty());
      continue;
    }
    ASSERT_EQ(tree.status().code(), absl::StatusCode::kInvalidArgument) << text;
    const std::string message(tree.status().message());
    ASSERT_THAT(message, StartsWith("at character ")) << text;
    int position = 0;
    ASSERT_TRUE(absl::SimpleAtoi(message.substr(13, message.find(':') - 13), &position)) << message;
    ASSERT_GE(position, 1) << text;
    ASSERT_LE(position, static_cast<int>(text.size()) + 1) << text;
  }
  EXPECT_GT(accepted, 1'000);
  EXPECT_LT(accepted, 30'000);
  EXPECT_LT(absl::Now() - began, absl::Seconds(30));
}

}  // namespace
}  // namespace eidetic::searcher
