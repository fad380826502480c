#include "cli/input_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace eidetic::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InputLinesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / "eidetic_input_lines_test";
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

TEST_F(InputLinesTest, AMissingFileIsNamed) {
  const auto missing = ReadInputLines(Path("none"));
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("none"));
}

TEST_F(InputLinesTest, LinesComeWithoutEndsAndEmptyOnes) {
  Write("lines", "one\r\n\ntwo words\nlast");
  const auto lines = ReadInputLines(Path("lines"));
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, ElementsAre("one", "two words", "last"));
}

}  // namespace
}  // namespace eidetic::cli
