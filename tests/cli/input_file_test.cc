#include "cli/input_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace eidetic::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InputFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / "eidetic_input_file_test";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
  }

  std::filesystem::path folder_;
};

TEST_F(InputFileTest, ReadsAllBytes) {
  const std::string content("a\0b\n", 4);
  Write("ü f.bin", content);
  const auto read = ReadInputFile(Path("ü f.bin"), 100);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, content);
}

TEST_F(InputFileTest, RefusesWhatIsNotAFileAndNamesIt) {
  const auto missing = ReadInputFile(Path("none"), 100);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("none"));
  EXPECT_EQ(ReadInputFile(folder_.string(), 100).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadInputFile(Path("fifo"), 100).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(InputFileTest, RefusesWhatIsTooLarge) {
  Write("big", std::string(101, 'x'));
  EXPECT_EQ(ReadInputFile(Path("big"), 100).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(InputFileTest, LinesComeWithoutEndsAndEmptyOnes) {
  Write("lines", "one\r\n\ntwo words\nlast");
  const auto lines = ReadInputLines(Path("lines"));
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, ElementsAre("one", "two words", "last"));
}

}  // namespace
}  // namespace eidetic::cli
