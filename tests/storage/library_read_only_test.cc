// A library that its user may not write to. tests/end_to_end/read_only_test.py
// has the whole program on a read-only file system.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "storage/library.h"
#include "tests/storage/test_library.h"
#include "tests/storage/without_write_permission.h"

namespace eidetic::storage {
namespace {

using ::testing::HasSubstr;

PutAsset Put(const std::string& id, uint32_t seed) {
  PutAsset put;
  put.asset_id = id;
  put.embedding = UnitVector(seed);
  return put;
}

// Sizes and times of all files.
std::map<std::string, std::pair<uintmax_t, std::filesystem::file_time_type>> Files(
    const std::string& folder) {
  std::map<std::string, std::pair<uintmax_t, std::filesystem::file_time_type>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    files[entry.path()] = {entry.is_regular_file() ? entry.file_size() : 0, entry.last_write_time()};
  }
  return files;
}

TEST(LibraryReadOnlyTest, ReadsEverythingAndRefusesEveryWrite) {
  const TestFolder folder;
  const std::string path = folder / "library";
  { ASSERT_TRUE(CommitOne(*OpenTestLibrary(path), Put("in-a-table", 1)).ok()); }
  // Opening it again flushes the log; what comes now is in the log alone.
  { ASSERT_TRUE(CommitOne(*OpenTestLibrary(path), Put("in-the-log", 2)).ok()); }
  const auto files = Files(path);
  WithoutWritePermission(path, [&] {
    const auto refused = Library::Open(path, {});
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("may not write to the folder"));

    const auto library = Library::Open(path, {.allow_read_only = true});
    ASSERT_TRUE(library.ok()) << library.status();
    EXPECT_EQ((*library)->Counts()->assets, 2U);
    for (const auto& [id, seed] : {std::pair("in-a-table", 1U), std::pair("in-the-log", 2U)}) {
      const auto asset = (*library)->GetAsset(id);
      ASSERT_TRUE(asset.ok()) << asset.status();
      EXPECT_EQ((*library)->GetEmbedding(asset->record.ordinal()).value(), UnitVector(seed));
    }
    int vectors = 0;
    EXPECT_TRUE((*library)
                    ->NewView()
                    ->ForEachEmbedding([&](Ordinal, std::span<const float>) {
                      ++vectors;
                      return absl::OkStatus();
                    })
                    .ok());
    EXPECT_EQ(vectors, 2);
    EXPECT_EQ((*library)->ReadChanges(0, 10)->size(), 2U);
    const absl::Status verified = (*library)->VerifyAll(
        [](const Fault& fault) { ADD_FAILURE() << fault.place << " " << fault.key << " " << fault.message; },
        [](uint64_t, uint64_t) { return true; });
    EXPECT_TRUE(verified.ok()) << verified;

    EXPECT_THAT(std::string((*library)->CheckWritable().message()), HasSubstr("reading alone"));
    for (const absl::Status& status :
         {CommitOne(**library, Put("new", 3)), CommitOne(**library, DeleteAsset{"in-the-log"}),
          (*library)->TrimChanges(1), (*library)->UseModel(TestModel(8, "other"))}) {
      EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    }
    // The model it has may be used on.
    EXPECT_TRUE((*library)->UseModel(TestModel()).ok());
    EXPECT_TRUE((*library)->SetHolderAddress("127.0.0.1:1").ok());
    // Readers do not mind each other.
    EXPECT_TRUE(Library::Open(path, {.allow_read_only = true}).ok());
  });
  EXPECT_EQ(Files(path), files);
  EXPECT_EQ(OpenTestLibrary(path)->Counts()->assets, 2U);
}

TEST(LibraryReadOnlyTest, NoneIsMadeWhereNothingMayBeWritten) {
  const TestFolder folder;
  const std::string path = folder / "library";
  std::filesystem::create_directory(path);
  WithoutWritePermission(path, [&] {
    const absl::Status refused = Library::Open(path, {.create = true, .allow_read_only = true}).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("cannot make a library"));
  });
}

TEST(LibraryReadOnlyTest, AWriterKeepsReadersOut) {
  const TestFolder folder;
  const std::string path = folder / "library";
  const auto writer = OpenTestLibrary(path);
  WithoutWritePermission(path, [&] {
    const auto reader = Library::Open(path, {.allow_read_only = true});
    EXPECT_TRUE(absl::IsUnavailable(reader.status())) << reader.status();
    EXPECT_THAT(std::string(reader.status().message()), HasSubstr("is held by process"));
  });
}

}  // namespace
}  // namespace eidetic::storage
