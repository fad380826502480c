// Libraries that released formats left behind open in this version, whole.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "storage/library.h"
#include "tests/storage/library_dump.h"
#include "tests/storage/test_library.h"
#include "tests/storage/without_write_permission.h"

namespace eidetic::storage {
namespace {

class FormatFixtureTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string fixture =
        std::string(EIDETIC_SOURCE_DIR) + "/tests/storage/testdata/library_format_" + GetParam();
    path_ = folder_ / "library";
    std::filesystem::copy(fixture + "/library", path_, std::filesystem::copy_options::recursive);
    std::ifstream file(fixture + "/expected.txt", std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    expected_ = text.str();
    ASSERT_FALSE(expected_.empty());
  }

  void Check(const Library& library) {
    const auto dump = DumpLibrary(library);
    ASSERT_TRUE(dump.ok()) << dump.status();
    EXPECT_EQ(*dump, expected_);
    const absl::Status verified = library.VerifyAll(
        [](const Fault& fault) { ADD_FAILURE() << fault.place << " " << fault.key << " " << fault.message; },
        [](uint64_t, uint64_t) { return true; });
    EXPECT_TRUE(verified.ok()) << verified;
  }

  TestFolder folder_;
  std::string path_;
  std::string expected_;
};

TEST_P(FormatFixtureTest, OpensForWriting) {
  {
    const auto library = Library::Open(path_, {});
    ASSERT_TRUE(library.ok()) << library.status();
    Check(**library);
  }
  // What this version made of it opens again, and takes new photos.
  const auto library = Library::Open(path_, {});
  ASSERT_TRUE(library.ok()) << library.status();
  Check(**library);
  PutAsset put;
  put.asset_id = "new";
  put.embedding = UnitVector(50);
  const auto committed = (*library)->Commit({put}, TestModel().model_fingerprint());
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_TRUE(committed->front().ok()) << committed->front();
  EXPECT_TRUE((*library)->GetAsset("new").ok());
}

TEST_P(FormatFixtureTest, OpensForReading) {
  WithoutWritePermission(path_, [this] {
    const auto library = Library::Open(path_, {.allow_read_only = true});
    ASSERT_TRUE(library.ok()) << library.status();
    EXPECT_FALSE((*library)->CheckWritable().ok());
    Check(**library);
  });
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatFixtureTest, ::testing::Values("1", "1_sealed"));

}  // namespace
}  // namespace eidetic::storage
