#include "indexer/folder_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "tests/storage/test_library.h"

namespace eidetic::indexer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FolderScannerTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content = "x") {
    fs::create_directories(fs::path(folder_ / name).parent_path());
    std::ofstream(folder_ / name) << content;
  }

  void Scan(const std::string& root) {
    found_.clear();
    failures_.clear();
    ScanFolder(root, {.file =
                          [this](FoundPicture picture) {
                            found_.push_back(std::move(picture));
                            return true;
                          },
                      .failure =
                          [this](const std::string& path, const absl::Status& status, bool is_folder) {
                            EXPECT_FALSE(status.message().empty());
                            failures_[path.substr(std::min(path.size(), folder_.path().size() + 1))] =
                                is_folder;
                          },
                      .stopped = [] { return false; }});
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const FoundPicture& picture : found_)
      names.push_back(picture.path.substr(folder_.path().size() + 1));
    return names;
  }

  storage::TestFolder folder_;
  std::vector<FoundPicture> found_;
  std::map<std::string, bool> failures_;
};

TEST_F(FolderScannerTest, FindsPicturesAtAnyDepthAndPassesOverTheRest) {
  for (const char* name :
       {"a.jpg", "B.JPEG", "notes.txt", "deep/er/c d ü.png", ".hidden.jpg", ".thumbs/t.jpg",
        "library/LIBRARY", "library/rocksdb/x", "library/inside.jpg", "noextension"}) {
    Write(name);
  }
  Scan(folder_.path());
  EXPECT_THAT(Names(), UnorderedElementsAre("a.jpg", "B.JPEG", "deep/er/c d ü.png"));
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(FolderScannerTest, AFileNamedIsTakenWhateverItsName) {
  Write("noextension", "12345");
  Scan(folder_ / "noextension");
  ASSERT_EQ(found_.size(), 1U);
  EXPECT_EQ(found_[0].stamp.size_bytes, 5U);
  EXPECT_GT(found_[0].stamp.mtime_nanos, 0);
}

TEST_F(FolderScannerTest, LinksToFilesCountAndLinksToFoldersDoNot) {
  Write("real/a.jpg");
  fs::create_symlink(folder_ / "real/a.jpg", folder_ / "link.jpg");
  fs::create_directory_symlink(folder_.path(), folder_ / "real/up");
  Scan(folder_.path());
  EXPECT_THAT(Names(), UnorderedElementsAre("real/a.jpg", "link.jpg"));
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(FolderScannerTest, WhatOnlyLooksLikeAPictureIsReported) {
  fs::create_symlink("nowhere", folder_ / "dangling.jpg");
  fs::create_symlink("loop.jpg", folder_ / "loop.jpg");
  fs::create_symlink("/dev/zero", folder_ / "device.jpg");
  fs::create_directory_symlink(folder_.path(), folder_ / "up.jpg");
  ASSERT_EQ(mkfifo((folder_ / "fifo.jpg").c_str(), 0600), 0);
  Write("folder.jpg/inside.jpg");
  Scan(folder_.path());
  EXPECT_THAT(Names(), ElementsAre("folder.jpg/inside.jpg"));
  EXPECT_THAT(failures_, ElementsAre(std::pair("dangling.jpg", false), std::pair("device.jpg", false),
                                     std::pair("fifo.jpg", false), std::pair("folder.jpg", false),
                                     std::pair("loop.jpg", false), std::pair("up.jpg", false)));
}

TEST_F(FolderScannerTest, AMissingRootIsAFailureOfAFolder) {
  Scan(folder_ / "none");
  EXPECT_THAT(failures_, ElementsAre(std::pair("none", true)));
}

TEST_F(FolderScannerTest, NamesAreBytes) {
  const std::string odd = std::string("not utf-8 \xff") + ".jpg";
  const std::string longest = std::string(251, 'n') + ".jpg";
  Write(odd);
  Write(longest);
  Scan(folder_.path());
  EXPECT_THAT(Names(), UnorderedElementsAre(odd, longest));
}

TEST_F(FolderScannerTest, SidecarsAreFound) {
  for (const char* name : {"a.jpg", "a.jpg.txt", "a.txt", "b.png", "b.txt", "c.jpg"}) Write(name);
  Scan(folder_.path());
  std::map<std::string, std::string> sidecars;
  for (const FoundPicture& picture : found_) {
    sidecars[fs::path(picture.path).filename()] = fs::path(picture.sidecar_path).filename();
    EXPECT_EQ(picture.sidecar_stamp.has_value(), !picture.sidecar_path.empty());
  }
  EXPECT_THAT(sidecars, ElementsAre(std::pair("a.jpg", "a.jpg.txt"), std::pair("b.png", "b.txt"),
                                    std::pair("c.jpg", "")));
}

TEST_F(FolderScannerTest, StopsWhenTold) {
  for (int i = 0; i < 50; ++i) Write(std::to_string(i) + ".jpg");
  int seen = 0;
  ScanFolder(folder_.path(), {.file = [&](FoundPicture) { return ++seen < 5; },
                              .failure = [](const std::string&, const absl::Status&, bool) { FAIL(); },
                              .stopped = [] { return false; }});
  EXPECT_EQ(seen, 5);
}

}  // namespace
}  // namespace eidetic::indexer
