#include "searcher/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eidetic::searcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Split(absl::string_view text) { return SplitWords(text, 100); }

TEST(WordsTest, NamesOfFilesAndFoldersComeApart) {
  EXPECT_THAT(Split("IMG_2041"), ElementsAre("img", "2041"));
  EXPECT_THAT(Split("Grandma's 80th"), ElementsAre("grandmas", "80th"));
  EXPECT_THAT(Split("2023.06.01-rome,trevi;x:y"), ElementsAre("2023", "06", "01", "rome", "trevi", "x", "y"));
  EXPECT_THAT(Split("  --__..  "), IsEmpty());
  EXPECT_THAT(Split(""), IsEmpty());
}

TEST(WordsTest, CaseAccentsAndApostrophesDoNotCount) {
  EXPECT_THAT(Split("Café Zürich"), ElementsAre("cafe", "zurich"));
  EXPECT_THAT(Split("ÉTÉ l\u2019Été"), ElementsAre("ete", "lete"));
  EXPECT_THAT(Split("ＩＭＧ＿２０４１ é"), ElementsAre("img", "2041", "e"));
  EXPECT_THAT(Split("Ёлка"), ElementsAre("елка"));
}

TEST(WordsTest, AsciiAndOtherTextComeApartAlike) {
  for (const char* text : {"a.b", "1,000", "x:y;z", "IMG_2041", "it's", "80th", "DSC02041 (2)"}) {
    std::vector<std::string> with = Split(std::string(text) + " é");
    ASSERT_FALSE(with.empty());
    with.pop_back();
    EXPECT_EQ(Split(text), with) << text;
  }
}

TEST(WordsTest, ScriptsWithoutSpacesComeApartByDictionary) {
  EXPECT_THAT(Split("日本語の文章"), ElementsAre("日本語", "の", "文章"));
  // A voiced kana is another letter, not an accent.
  EXPECT_THAT(Split("ガ"), ElementsAre("ガ"));
}

TEST(WordsTest, LimitsHold) {
  EXPECT_THAT(SplitWords("a b c d", 2), ElementsAre("a", "b"));
  EXPECT_THAT(SplitWords("é b c d", 2), ElementsAre("e", "b"));
  EXPECT_EQ(Split(std::string(1'000, 'x')).front().size(), 64U);
  EXPECT_LE(Split(std::string(100'000, ' ') + "far").size(), 0U);
  EXPECT_THAT(Split("one \xff\xfe two"), ElementsAre("one", "two"));
}

TEST(WordsTest, FunctionWordsNameNothing) {
  EXPECT_TRUE(IsFunctionWord("the"));
  EXPECT_TRUE(IsFunctionWord("photos"));
  EXPECT_FALSE(IsFunctionWord("beach"));
}

}  // namespace
}  // namespace eidetic::searcher
