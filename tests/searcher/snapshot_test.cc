#include "searcher/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteAll(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class SnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 generator(1);
    images_.resize(10'000);
    for (char& byte : images_) byte = static_cast<char>(generator());
    parts_ = {{"images", SnapshotPart(images_)}, {"captions", SnapshotPart("short")}};
    Write(1);
  }
  void Write(uint64_t epoch) {
    const auto written = WriteSnapshot(folder_.path(),
                                       {.database_id = "d",
                                        .generation = 2,
                                        .epoch = epoch,
                                        .last_sequence = 7,
                                        .dimension = 3,
                                        .model_fingerprint = "f"},
                                       parts_);
    ASSERT_TRUE(written.ok()) << written.status();
  }

  storage::TestFolder folder_;
  std::string images_;
  std::map<std::string, SnapshotPart> parts_;
};

TEST_F(SnapshotTest, ComesBackAsItWas) {
  const auto snapshot = ReadSnapshot(folder_.path());
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->parts.size(), 2U);
  EXPECT_EQ(snapshot->parts.at("images").view(), images_);
  EXPECT_EQ(snapshot->parts.at("captions").view(), "short");
  EXPECT_EQ(snapshot->info.last_sequence, 7U);
  EXPECT_EQ(snapshot->info.model_fingerprint, "f");
  EXPECT_EQ(snapshot->total_bytes, 10'005U);
}

TEST_F(SnapshotTest, APartCanBeVerifiedAndLeftOnDisk) {
  auto snapshot = ReadSnapshot(folder_.path(), storage::PosixFileSystem(), "ages");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->parts.size(), 1U);
  // Also after the next one has replaced it.
  Write(2);
  std::string read(100, '\0');
  ASSERT_TRUE(
      snapshot->files.at("images")->ReadAt(500, {reinterpret_cast<uint8_t*>(read.data()), read.size()}).ok());
  EXPECT_EQ(read, images_.substr(500, 100));
  std::string flipped = images_;
  flipped[9'000] ^= 1;
  WriteAll(folder_ / "2-2.images", flipped);
  EXPECT_TRUE(absl::IsDataLoss(ReadSnapshot(folder_.path(), storage::PosixFileSystem(), "ages").status()));
}

TEST_F(SnapshotTest, PiecesFollowEachOther) {
  SnapshotPart part("a");
  part.Borrow("bc");
  const auto snapshot = ReadSnapshot(folder_.path(), storage::PosixFileSystem(), "images");
  part.BorrowFromFile(snapshot->files.at("images"), 1, 9'999);
  ASSERT_TRUE(WriteSnapshot(folder_.path(), {.epoch = 5}, {{"x", part}}).ok());
  EXPECT_EQ(ReadSnapshot(folder_.path())->parts.at("x").view(), "abc" + images_.substr(1));
}

TEST_F(SnapshotTest, ANewOneReplacesTheOldAndStrayFiles) {
  WriteAll(folder_ / "2-9.images.tmp", "stray");
  Write(2);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_.path())) names.push_back(entry.path().filename());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("MANIFEST", "2-2.images", "2-2.captions"));
}

TEST_F(SnapshotTest, APipeInTheWayOfATemporaryFileDoesNotBlock) {
  ASSERT_EQ(mkfifo((folder_ / "MANIFEST.tmp").c_str(), 0600), 0);
  Write(2);
  EXPECT_TRUE(ReadSnapshot(folder_.path()).ok());
}

TEST_F(SnapshotTest, WhateverStandsInTheFoldersPlaceMakesRoom) {
  const std::string folder = folder_ / "index";
  WriteAll(folder, "a file");
  EXPECT_FALSE(ReadSnapshot(folder).ok());
  ASSERT_TRUE(WriteSnapshot(folder, {.database_id = "d", .epoch = 1, .model_fingerprint = "f"}, parts_).ok());
  EXPECT_EQ(ReadSnapshot(folder)->parts.at("images").view(), images_);
}

TEST_F(SnapshotTest, NoneIsNotDamage) {
  const storage::TestFolder empty;
  EXPECT_TRUE(absl::IsNotFound(ReadSnapshot(empty.path()).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadSnapshot(empty / "none").status()));
}

TEST_F(SnapshotTest, EveryKindOfDamageIsFound) {
  const fs::path images = folder_ / "2-1.images";
  const fs::path manifest = folder_ / "MANIFEST";
  const std::string good_images = ReadAll(images);
  const std::string good_manifest = ReadAll(manifest);
  std::mt19937 generator(2);
  const auto expect_damage = [&](const std::string& what) {
    const auto read = ReadSnapshot(folder_.path());
    EXPECT_FALSE(read.ok()) << what;
    EXPECT_FALSE(absl::IsNotFound(read.status())) << what;
  };
  for (int i = 0; i < 64; ++i) {
    const size_t cut = generator() % good_images.size();
    WriteAll(images, good_images.substr(0, cut));
    expect_damage("truncated");
    std::string zeroed = good_images;
    std::fill(zeroed.begin() + static_cast<std::ptrdiff_t>(cut), zeroed.end(), '\0');
    WriteAll(images, zeroed);
    expect_damage("zeroed suffix");
    WriteAll(images, good_images);
    WriteAll(manifest, good_manifest.substr(0, generator() % good_manifest.size()));
    expect_damage("manifest truncated");
    WriteAll(manifest, good_manifest);
  }
  for (int i = 0; i < 200; ++i) {
    std::string flipped = good_images;
    flipped[generator() % flipped.size()] ^= static_cast<char>(1 << (generator() % 8));
    WriteAll(images, flipped);
    expect_damage("bit flip");
    WriteAll(images, good_images);
    std::string manifest_flipped = good_manifest;
    manifest_flipped[generator() % manifest_flipped.size()] ^= static_cast<char>(1 << (generator() % 8));
    WriteAll(manifest, manifest_flipped);
    expect_damage("manifest bit flip");
    WriteAll(manifest, good_manifest);
  }
  ASSERT_TRUE(ReadSnapshot(folder_.path()).ok());
  WriteAll(images, good_images + "x");
  expect_damage("longer");
  WriteAll(images, ReadAll(folder_ / "2-1.captions"));
  expect_damage("swapped files");
  fs::remove(images);
  expect_damage("missing");
  fs::create_directory(images);
  expect_damage("folder in place of a file");
  fs::remove(images);
  fs::create_symlink("/dev/zero", images);
  expect_damage("device in place of a file");
  fs::remove(images);
  WriteAll(images, good_images);
  WriteAll(manifest, "");
  expect_damage("empty manifest");
  // The next snapshot puts all right, whatever lies there.
  fs::remove(manifest);
  fs::create_directory(manifest);
  expect_damage("folder in place of the manifest");
  Write(2);
  EXPECT_TRUE(ReadSnapshot(folder_.path()).ok());
}

}  // namespace
}  // namespace eidetic::searcher
