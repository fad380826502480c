#include "cli/model_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace eidetic::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class ModelFoldersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / "eidetic_model_folders_test";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "mine");
    std::ofstream(folder_ / "mine" / "config.json") << "{}";
    std::filesystem::create_directories(folder_ / "not_a_model");
    setenv("EIDETIC_MODELS", folder_.c_str(), 1);
    unsetenv("EIDETIC_MODEL");
  }
  void TearDown() override {
    unsetenv("EIDETIC_MODELS");
    unsetenv("EIDETIC_MODEL");
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
};

TEST_F(ModelFoldersTest, FindsByNameByFolderAndByVariable) {
  const std::string expected = (folder_ / "mine").string();
  EXPECT_EQ(FindModelFolder("mine").value(), expected);
  EXPECT_EQ(FindModelFolder(expected).value(), expected);
  setenv("EIDETIC_MODEL", "mine", 1);
  EXPECT_EQ(FindModelFolder("").value(), expected);
}

TEST_F(ModelFoldersTest, ListsOnlyFoldersWithAConfig) {
  EXPECT_THAT(ListModelFolders(), Contains((folder_ / "mine").string()));
  EXPECT_THAT(ListModelFolders(), ::testing::Not(Contains((folder_ / "not_a_model").string())));
  std::filesystem::copy(folder_ / "mine", folder_ / "half.partial");
  EXPECT_THAT(ListModelFolders(), ::testing::Not(Contains((folder_ / "half.partial").string())));
}

TEST_F(ModelFoldersTest, TheUsersOwnFolder) {
  EXPECT_EQ(UserModelFolder(), folder_.string());
  unsetenv("EIDETIC_MODELS");
  setenv("XDG_DATA_HOME", (folder_ / "data").c_str(), 1);
  EXPECT_EQ(UserModelFolder(), (folder_ / "data" / "eidetic-models").string());
  std::filesystem::create_directories(folder_ / "data" / "eidetic-models");
  std::filesystem::copy(folder_ / "mine", folder_ / "data" / "eidetic-models" / "pulled");
  EXPECT_TRUE(FindModelFolder("pulled").ok());
  unsetenv("XDG_DATA_HOME");
}

TEST_F(ModelFoldersTest, SaysWhereItLooked) {
  const auto missing = FindModelFolder("no_such_model");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr(folder_.string()));
  EXPECT_EQ(FindModelFolder("/no/such/folder").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace eidetic::cli
