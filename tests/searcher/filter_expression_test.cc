#include "searcher/filter_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "searcher/text_pattern.h"

namespace eidetic::searcher {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Mistake(const std::string& text) {
  const auto compiled = CompileFilter(text);
  return compiled.ok() ? "none" : std::string(compiled.status().message());
}

TEST(FilterExpressionTest, UnknownNamesAndWrongTypesAreRefusedByTheirPosition) {
  EXPECT_THAT(
      Mistake("iso > 400 AND colour = red"),
      AllOf(StartsWith("at character 15: there is no field \"colour\""), HasSubstr("attributes.KEY")));
  EXPECT_THAT(Mistake("iso > many"), StartsWith("at character 7: \"many\" is not a number"));
  EXPECT_THAT(Mistake("iso > nan"), StartsWith("at character 7: \"nan\" is not a number"));
  EXPECT_THAT(Mistake("shutter > 1/0"), StartsWith("at character 11: \"1/0\" is not a number"));
  EXPECT_THAT(Mistake("taken > yesterday"), StartsWith("at character 9: \"yesterday\" is not a time"));
  EXPECT_THAT(Mistake("taken = \"2023-13\""), StartsWith("at character 9: \"2023-13\" is not a time"));
  EXPECT_THAT(Mistake("taken = \"2023-02-30\""), StartsWith("at character 9"));
  EXPECT_THAT(Mistake("camera > X100"), StartsWith("at character 1: camera is a text: compare it by"));
  EXPECT_THAT(Mistake("camera = \"\""),
              StartsWith("at character 10: an empty text; to find photos without camera"));
  EXPECT_THAT(Mistake("camera.make = X"), StartsWith("at character 1: camera has no field \"make\""));
  EXPECT_THAT(Mistake("attributes = X"), StartsWith("at character 1: attributes needs a key"));
  EXPECT_THAT(Mistake("has = caption"), StartsWith("at character 1: has is followed by"));
  EXPECT_THAT(Mistake("has:colour"), StartsWith("at character 5: has:colour is not known"));
  EXPECT_THAT(Mistake("orientation = diagonal"),
              StartsWith("at character 15: \"diagonal\" is no orientation"));
  EXPECT_THAT(Mistake("near(1, 2)"), StartsWith("at character 1: there is no function \"near\""));
  EXPECT_THAT(Mistake("within(1, 2)"), StartsWith("at character 1: within has 2 values, expected 3"));
  EXPECT_THAT(Mistake("within(lat, lon, km)"),
              StartsWith("at character 8: \"lat\", expected a latitude in degrees from -90 to 90"));
  EXPECT_THAT(Mistake("within(1, 181, 3)"), StartsWith("at character 11: \"181\", expected a longitude"));
  EXPECT_THAT(Mistake("within(1, 2, -3)"), StartsWith("at character 14: \"-3\", expected kilometres"));
  EXPECT_THAT(Mistake("box(10, 2, 5, 4)"), StartsWith("at character 12: the north, 5, is south of"));
}

TEST(FilterExpressionTest, WhatIsMeantIsAccepted) {
  for (const char* text : {"taken >= \"2023-06-01\" AND folder:\"Italy\" AND camera = \"X100V\" AND "
                           "within(45.4, 12.3, 20) AND NOT "
                           "tag:\"screenshot\"",
                           "taken = 2023",
                           "taken:2023-06",
                           "taken < \"2023-06-01 12:30\"",
                           "taken > 2023-06-01T12:30:00Z",
                           "taken <= \"2023-06-01T12:30:00.5+02:00\"",
                           "added > 2023-06-01T12",
                           "aperture <= f/2.8",
                           "focal_length = 35mm",
                           "shutter < 1/250s",
                           "shutter >= \"0.5 s\"",
                           "iso = \"400\"",
                           "lat > -33.8",
                           "box(-10, 170, 10, -170)",
                           "path = \"**/IMG_*.jpg\"",
                           "has:caption has:location has:album",
                           "rating = -1",
                           "orientation:PORTRAIT",
                           "extension = .JPG",
                           "attributes.score >= 0.5",
                           "tag != screenshot",
                           "lens:*"}) {
    EXPECT_EQ(Mistake(text), "none") << text;
  }
  EXPECT_TRUE(CompileFilter("  ")->is_trivial());
  EXPECT_FALSE(CompileFilter("iso > 1")->is_trivial());
  EXPECT_EQ(CompileFilter("iso>1 AND (tag:\"a\")")->canonical, CompileFilter(" iso > 1   tag:a ")->canonical);
}

TEST(FilterExpressionTest, ATimeIsAllThatItsLastUnitHolds) {
  const auto range = [](const std::string& text) {
    const auto compiled = CompileFilter(text);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    return std::make_pair(compiled->predicate.low, compiled->predicate.high);
  };
  constexpr double kDay = 86'400e6;
  // 2023-06-01T00:00:00Z.
  constexpr double kJune = 1'685'577'600e6;
  EXPECT_EQ(range("taken = 2023-06-01"), std::make_pair(kJune, kJune + kDay - 1));
  EXPECT_EQ(range("taken = 2023-06"), std::make_pair(kJune, kJune + 30 * kDay - 1));
  EXPECT_EQ(range("taken = 2023-06-01T10").second, kJune + 11 * 3'600e6 - 1);
  EXPECT_EQ(range("taken = 2023-06-01T02:00:00+02:00"), std::make_pair(kJune, kJune + 1e6 - 1));
  EXPECT_EQ(range("taken >= 2023-06-01").first, kJune);
  EXPECT_EQ(range("taken <= 2023-06-01").second, kJune + kDay - 1);
  EXPECT_GT(range("taken > 2023-06-01").first, kJune + kDay - 1);
  EXPECT_LT(range("taken < 2023-06-01").second, kJune);
  EXPECT_TRUE(std::isinf(range("taken > 2023").second));
}

TEST(FilterExpressionTest, HostileTextNeverCrashes) {
  const std::string words[] = {
      "iso",  "taken", "camera", "tag",  "path", "attributes.x", "has",     "within(",   "box(", ")", ",",
      " = ",  " : ",   " > ",    " != ", "1",    "1/2",          "2023-06", "\"a*b?c\"", "*",    "(", " AND ",
      " OR ", " NOT ", "-",      "\\",   "日本", "landscape",    "caption", "1e999"};
  std::mt19937 random(7);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t pieces = random() % 14; pieces > 0; --pieces) text += words[random() % std::size(words)];
    const auto compiled = CompileFilter(text);
    accepted += compiled.ok() ? 1 : 0;
    if (compiled.ok()) continue;
    ASSERT_THAT(std::string(compiled.status().message()), StartsWith("at character ")) << text;
  }
  EXPECT_GT(accepted, 100);
}

TEST(TextPatternTest, CaseNeverMattersInAnyScript) {
  EXPECT_EQ(FoldText("X100V"), "x100v");
  EXPECT_EQ(FoldText("STRASSE"), FoldText("straße"));
  EXPECT_EQ(FoldText("ÄÖÜ"), FoldText("äöü"));
  EXPECT_EQ(FoldText("A\u0308"), FoldText("ä"));  // composed and not
  EXPECT_EQ(FoldText("ΣΊΣΥΦΟΣ"), FoldText("σίσυφος"));
  EXPECT_EQ(FoldText("МОСКВА"), FoldText("москва"));
  EXPECT_EQ(FoldText("ｆｕｌｌ"), "full");
  EXPECT_EQ(FoldText("日本"), "日本");
  EXPECT_EQ(FoldText("a\xff"), "a\xef\xbf\xbd");
}

TEST(TextPatternTest, WildcardsOfTexts) {
  const auto matches = [](const char* pattern, const char* text) {
    return TextPattern::ForText(pattern).Matches(FoldText(text));
  };
  EXPECT_TRUE(matches("beach", "Beach"));
  EXPECT_FALSE(matches("beach", "beaches"));
  EXPECT_TRUE(matches("beach*", "beaches"));
  EXPECT_TRUE(matches("*each", "BEACH"));
  EXPECT_TRUE(matches("b*c*", "beach"));
  EXPECT_TRUE(matches("*ab", "aab"));
  EXPECT_TRUE(matches("a*ab*b", "aaabbb"));
  EXPECT_FALSE(matches("a*c*b", "aab"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("why?", "why?"));
  EXPECT_FALSE(matches("why?", "whyx"));
  EXPECT_TRUE(matches("5\\*", "5*"));
  EXPECT_FALSE(matches("5\\*", "55"));
  EXPECT_TRUE(matches("*/b", "a/c/b")) << "\"*\" of a text passes \"/\"";
  EXPECT_TRUE(TextPattern::ForText("100").MatchesPart("x100v"));
  EXPECT_TRUE(TextPattern::ForText("x*v").MatchesPart("the x100v of"));
  EXPECT_FALSE(TextPattern::ForText("v*x").MatchesPart("x100v"));
}

TEST(TextPatternTest, GlobsOfPaths) {
  const auto matches = [](const char* glob, const char* path) {
    return TextPattern::ForPath(glob).Matches(FoldText(path));
  };
  EXPECT_TRUE(matches("/photos/*/img_?.jpg", "/photos/2023/IMG_1.JPG"));
  EXPECT_FALSE(matches("/photos/*/img_?.jpg", "/photos/2023/06/img_1.jpg"));
  EXPECT_TRUE(matches("/photos/**/img_?.jpg", "/photos/2023/06/img_1.jpg"));
  EXPECT_FALSE(matches("/photos/img?1.jpg", "/photos/img/1.jpg"));
  EXPECT_TRUE(matches("**/a/*/b", "/x/a/a/y/b"));
  EXPECT_FALSE(matches("**/a/*/b", "/x/a/y/z/b"));
  EXPECT_TRUE(matches("/a?c", "/a日c"));
  EXPECT_TRUE(matches("**", "/anything/at all"));
}

// Against a matcher that tries everything.
bool Naive(const std::string& pattern, const std::string& text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    const bool deep = pattern.size() > 1 && pattern[1] == '*';
    const std::string rest = pattern.substr(deep ? 2 : 1);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (Naive(rest, text.substr(i))) return true;
      if (i < text.size() && text[i] == '/' && !deep) return false;
    }
    return false;
  }
  if (text.empty()) return false;
  if (pattern[0] == '?') return text[0] != '/' && Naive(pattern.substr(1), text.substr(1));
  return pattern[0] == text[0] && Naive(pattern.substr(1), text.substr(1));
}

TEST(TextPatternTest, GlobsMatchAsTryingEverythingDoes) {
  std::mt19937 random(3);
  const char* pieces[] = {"a", "b", "/", "*", "**", "?"};
  int matched = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string pattern;
    for (size_t i = random() % 8; i > 0; --i) {
      const std::string piece = pieces[random() % 6];
      // "***" would be read as "**".
      if (piece[0] == '*' && !pattern.empty() && pattern.back() == '*') continue;
      pattern += piece;
    }
    std::string text;
    for (size_t i = random() % 9; i > 0; --i) text += pieces[random() % 3];
    const bool expected = Naive(pattern, text);
    ASSERT_EQ(TextPattern::ForPath(pattern).Matches(text), expected) << pattern << " on " << text;
    matched += expected ? 1 : 0;
  }
  EXPECT_GT(matched, 500);
}

TEST(DistanceTest, KnownDistances) {
  EXPECT_NEAR(DistanceKm(52.52, 13.405, 48.137, 11.575), 504, 2);       // Berlin, Munich
  EXPECT_NEAR(DistanceKm(-36.85, 174.76, 37.77, -122.42), 10'480, 30);  // across the date line
  EXPECT_NEAR(DistanceKm(0, 0, 0, 180), 20'015, 1);
  EXPECT_EQ(DistanceKm(1, 2, 1, 2), 0);
}

}  // namespace
}  // namespace eidetic::searcher
