#include <gtest/gtest.h>

#include <string>

#include "storage/library.h"

namespace eidetic::storage {
namespace {

TEST(DisplayPathTest, UnicodeStaysAsItIs) {
  const std::string path = "/photos/Ünïcode 漢字 👩‍👩‍👧 'quoted'.jpg";
  EXPECT_EQ(DisplayPath(path), path);
}

TEST(DisplayPathTest, ControlCharactersAndBadUtf8AreShown) {
  EXPECT_EQ(DisplayPath("/a\nb\x7f"), "/a\\x0ab\\x7f");
  EXPECT_EQ(DisplayPath("/\xff\xfe.jpg"), "/\\xff\\xfe.jpg");
  EXPECT_EQ(DisplayPath("/\xc3"), "/\\xc3");                             // cut off
  EXPECT_EQ(DisplayPath("/\xc0\xaf"), "/\\xc0\\xaf");                    // overlong
  EXPECT_EQ(DisplayPath("/\xed\xa0\x80"), "/\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(DisplayPath("/\xf4\x90\x80\x80"), "/\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
}

}  // namespace
}  // namespace eidetic::storage
