#include "indexer/caption_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/storage/test_library.h"

namespace eidetic::indexer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(CaptionFileTest, TwoColumnsOrThree) {
  const CaptionFile file = ParseCaptionFile("a.jpg\tone\na.jpg\t1\ttwo\nb c.jpg\tthree\n");
  ASSERT_THAT(file.images, SizeIs(2));
  EXPECT_EQ(file.images[0].name, "a.jpg");
  EXPECT_THAT(file.images[0].captions, ElementsAre("one", "two"));
  EXPECT_EQ(file.images[1].name, "b c.jpg");
  EXPECT_EQ(file.caption_count, 3U);
  EXPECT_THAT(file.bad_lines, IsEmpty());
}

TEST(CaptionFileTest, HeaderMarkLineEndsAndBlankLines) {
  const CaptionFile file =
      ParseCaptionFile("\xEF\xBB\xBFimage\tcaption\r\n\r\n  \r\na.jpg\t 0 \tx\r\nb.jpg\ty");
  ASSERT_THAT(file.images, SizeIs(2));
  EXPECT_THAT(file.images[0].captions, ElementsAre("0 \tx")) << "\" 0 \" is no index";
  EXPECT_THAT(file.images[1].captions, ElementsAre("y"));
  EXPECT_THAT(file.bad_lines, IsEmpty());
}

TEST(CaptionFileTest, BadLinesAreNumbered) {
  const CaptionFile file = ParseCaptionFile("a.jpg\tgood\nno tab\n\tno image\nb.jpg\t\nc.jpg\tbad \xff\n");
  EXPECT_EQ(file.caption_count, 1U);
  ASSERT_THAT(file.bad_lines, SizeIs(4));
  EXPECT_THAT(std::string(file.bad_lines[0].message()), HasSubstr("line 2"));
  EXPECT_THAT(std::string(file.bad_lines[3].message()), HasSubstr("line 5"));
}

TEST(CaptionFileTest, AFileThatIsNoCaptionFileIsAnError) {
  const storage::TestFolder folder;
  EXPECT_TRUE(absl::IsNotFound(ReadCaptionFile(folder / "none.tsv").status()));
  EXPECT_FALSE(ReadCaptionFile(folder.path()).ok());
  std::ofstream(folder / "prose.txt") << "This is\nno caption file\n";
  const auto prose = ReadCaptionFile(folder / "prose.txt");
  EXPECT_TRUE(absl::IsInvalidArgument(prose.status())) << prose.status();
  EXPECT_THAT(std::string(prose.status().message()), HasSubstr("TAB"));
  std::ofstream(folder / "empty.tsv") << "";
  EXPECT_TRUE(ReadCaptionFile(folder / "empty.tsv").ok());
}

TEST(CleanCaptionTest, TrimsAndCutsAtACharacter) {
  EXPECT_EQ(CleanCaption("  a dog \n"), "a dog");
  EXPECT_EQ(CleanCaption(" \t"), "");
  EXPECT_EQ(CleanCaption("\xc3("), "");
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "ü";
  EXPECT_EQ(CleanCaption("x" + text).size(), 4095U);
  EXPECT_EQ(CleanCaption(text).size(), 4096U);
}

}  // namespace
}  // namespace eidetic::indexer
