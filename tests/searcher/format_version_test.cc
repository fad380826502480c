// Caches of a newer format are told apart from damaged ones, with both versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "searcher/score_calibration.h"
#include "searcher/snapshot.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(FormatVersionTest, ANewerSnapshotIsSaidToBeOne) {
  const storage::TestFolder folder;
  ASSERT_TRUE(WriteSnapshot(
                  folder.path(),
                  {.generation = 1, .epoch = 1, .last_sequence = 7, .dimension = 3, .model_fingerprint = "f"},
                  {{"images", SnapshotPart("bytes")}})
                  .ok());
  std::ostringstream text;
  text << std::ifstream(folder / "MANIFEST").rdbuf();
  std::string manifest = text.str();
  manifest = absl::StrReplaceAll(manifest.substr(0, manifest.find('\n')), {{"\"format\":2", "\"format\":9"}});
  const XXH128_hash_t hash = XXH3_128bits(manifest.data(), manifest.size());
  std::ofstream(folder / "MANIFEST", std::ios::trunc)
      << manifest << absl::StrFormat("\n%016x%016x\n", hash.high64, hash.low64);
  const absl::Status status = ReadSnapshot(folder.path()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("format 9"), HasSubstr("reads format 2"), HasSubstr("built anew")));
}

TEST(FormatVersionTest, ANewerCalibrationIsSaidToBeOne) {
  std::string bytes = "eideticC";
  bytes.push_back(9);
  bytes.append(100, 'x');
  const absl::Status status = ScoreCalibration::Parse(bytes).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("version 9"), HasSubstr("reads version 1"), HasSubstr("made anew")));
}

}  // namespace
}  // namespace eidetic::searcher
