#include "indexer/indexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/storage/test_library.h"

namespace eidetic::indexer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A small picture of its own for each number.
std::string Picture(uint32_t number) {
  std::mt19937 generator(number);
  std::string bytes = "P6 20 16 255\n";
  for (int i = 0; i < 20 * 16 * 3; ++i) bytes.push_back(static_cast<char>(generator()));
  return bytes;
}

class IndexerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = encoder::DualEncoder::Load(
        std::string(EIDETIC_SOURCE_DIR) + "/tests/encoder/testdata/models/tiny", {.threads = 1});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    encoder_ = loaded->release();
  }
  static void TearDownTestSuite() {
    delete encoder_;
    encoder_ = nullptr;
  }

  void SetUp() override {
    fs::create_directory(folder_ / "photos");
    Open();
  }
  void Open() {
    library_.reset();
    auto opened = storage::Library::Open(folder_ / "library", {.create = true});
    ASSERT_TRUE(opened.ok()) << opened.status();
    library_ = *std::move(opened);
    storage::v1::GenerationRecord model;
    model.set_model_fingerprint(encoder_->info().fingerprint);
    model.set_dimension(static_cast<uint32_t>(encoder_->dimension()));
    ASSERT_TRUE(library_->UseModel(model).ok());
  }

  std::string Photo(const std::string& name) const { return folder_ / ("photos/" + name); }
  void Write(const std::string& name, const std::string& content) {
    fs::create_directories(fs::path(Photo(name)).parent_path());
    std::ofstream(Photo(name), std::ios::binary) << content;
  }

  IndexSummary Run(
      IndexRequest request = {}, const std::function<bool()>& cancelled = [] { return false; }) {
    if (request.roots.empty()) request.roots = {folder_ / "photos"};
    failures_.clear();
    Indexer indexer(library_.get(), encoder_, {.workers = 2});
    const auto summary =
        indexer.Run(request, {.progress = [this](const IndexProgress& progress) { last_ = progress; },
                              .failure =
                                  [this](const IndexFailure& failure) {
                                    failures_[failure.path] = std::string(failure.status.message());
                                  },
                              .cancelled = cancelled});
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.value_or(IndexSummary());
  }

  std::vector<std::string> Captions(const std::string& name) {
    const auto path = library_->GetPath(Photo(name));
    EXPECT_TRUE(path.ok()) << path.status();
    std::vector<std::string> texts;
    const auto asset = library_->GetAsset(path->asset_id());
    const auto captions = library_->GetCaptions(asset->record.ordinal());
    for (const auto& entry : *captions) texts.push_back(entry.record.text());
    return texts;
  }

  void ExpectWhole() {
    EXPECT_TRUE(
        library_
            ->VerifyAll(
                [](const storage::Fault& fault) { ADD_FAILURE() << fault.place << " " << fault.message; },
                [](uint64_t, uint64_t) { return true; })
            .ok());
  }

  static encoder::DualEncoder* encoder_;
  storage::TestFolder folder_;
  std::unique_ptr<storage::Library> library_;
  std::map<std::string, std::string> failures_;
  IndexProgress last_;
};
encoder::DualEncoder* IndexerTest::encoder_ = nullptr;

TEST_F(IndexerTest, IndexesOnceAndThenOnlyLooks) {
  for (uint32_t i = 0; i < 30; ++i) Write(absl::StrCat("f", i % 3, "/", i, ".ppm"), Picture(i));
  IndexSummary summary = Run();
  EXPECT_EQ(summary.indexed, 30U);
  EXPECT_EQ(summary.failed, 0U);
  EXPECT_EQ(last_.done, 30U);
  EXPECT_EQ(last_.total, 30U);
  const uint64_t sequence = library_->last_sequence();
  Open();
  summary = Run();
  EXPECT_EQ(summary.indexed, 0U);
  EXPECT_EQ(summary.unchanged, 30U);
  EXPECT_EQ(library_->last_sequence(), sequence);
  // What is stored is what the encoder gives for this very file.
  const auto asset = library_->GetAsset(library_->GetPath(Photo("f1/1.ppm"))->asset_id());
  const std::string bytes = Picture(1);
  const auto prepared =
      encoder_->PreparePicture({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, {});
  const auto expected = encoder_->EncodePictures({&*prepared, 1});
  EXPECT_EQ(*library_->GetEmbedding(asset->record.ordinal()), expected->values);
  EXPECT_EQ(asset->record.width(), 20U);
  EXPECT_EQ(asset->record.media_type().substr(0, 6), "image/");
  ExpectWhole();
}

TEST_F(IndexerTest, MovedCopiedTouchedChangedAndRemoved) {
  for (uint32_t i = 0; i < 6; ++i) Write(absl::StrCat(i, ".ppm"), Picture(i));
  ASSERT_EQ(Run().indexed, 6U);
  const std::string id = library_->GetPath(Photo("0.ppm"))->asset_id();
  fs::rename(Photo("0.ppm"), Photo("moved ü.ppm"));
  fs::copy_file(Photo("1.ppm"), Photo("copy.ppm"));
  Write("2.ppm", Picture(2));  // touched: same content, new time
  fs::last_write_time(Photo("2.ppm"), fs::file_time_type::clock::now() + std::chrono::hours(1));
  Write("3.ppm", Picture(99));
  fs::remove(Photo("4.ppm"));
  const IndexSummary summary = Run();
  EXPECT_EQ(summary.indexed, 1U);
  EXPECT_EQ(summary.moved, 2U);
  EXPECT_EQ(summary.unchanged, 3U);
  EXPECT_EQ(summary.removed, 2U);
  EXPECT_EQ(library_->GetPath(Photo("moved ü.ppm"))->asset_id(), id);
  EXPECT_EQ(library_->Counts()->assets, 5U);
  EXPECT_EQ(library_->Counts()->paths, 6U);
  ExpectWhole();
}

TEST_F(IndexerTest, TwinsInOneRunAreEncodedOnce) {
  for (int i = 0; i < 40; ++i) Write(absl::StrCat("twin", i, ".ppm"), Picture(7));
  for (int i = 0; i < 5; ++i) Write(absl::StrCat("bad", i, ".ppm"), "P6 20 16 255\nshort");
  const IndexSummary summary = Run();
  EXPECT_EQ(summary.indexed, 1U);
  EXPECT_EQ(summary.moved, 39U);
  EXPECT_EQ(summary.failed, 5U);
  EXPECT_EQ(library_->Counts()->assets, 1U);
  EXPECT_EQ(library_->Counts()->paths, 40U);
  ExpectWhole();
}

TEST_F(IndexerTest, BadFilesAreListedAndTheRestIsIndexed) {
  Write("good.ppm", Picture(1));
  Write("empty.jpg", "");
  Write("text.png", "no picture");
  Write("huge.ppm", "P6 60000 60000 255\n");
  fs::create_symlink("nowhere", Photo("dangling.jpg"));
  ASSERT_EQ(mkfifo(Photo("fifo.jpg").c_str(), 0600), 0);
  IndexSummary summary = Run();
  EXPECT_EQ(summary.indexed, 1U);
  EXPECT_EQ(summary.failed, 5U);
  for (const char* name : {"empty.jpg", "text.png", "huge.ppm", "dangling.jpg", "fifo.jpg"}) {
    EXPECT_FALSE(failures_[Photo(name)].empty()) << name;
  }
  summary = Run();
  EXPECT_EQ(summary.unchanged, 1U);
  EXPECT_EQ(summary.failed, 5U) << "bad files are tried again";
  // A known file that went bad keeps its record until it is good again or gone.
  Write("good.ppm", "broken now");
  EXPECT_EQ(Run().removed, 0U);
  EXPECT_TRUE(library_->GetPath(Photo("good.ppm")).ok());
}

TEST_F(IndexerTest, WhatCannotBeLookedAtIsNotRemoved) {
  Write("a.ppm", Picture(1));
  ASSERT_EQ(Run().indexed, 1U);
  fs::rename(folder_ / "photos", folder_ / "away");
  const IndexSummary summary = Run();
  EXPECT_EQ(summary.removed, 0U);
  EXPECT_EQ(summary.failed, 1U);
  EXPECT_EQ(library_->Counts()->assets, 1U);
}

TEST_F(IndexerTest, NestedAndRepeatedRootsAreOne) {
  Write("in/a.ppm", Picture(1));
  Write("b.ppm", Picture(2));
  const std::string root = folder_ / "photos";
  EXPECT_EQ(Run({.roots = {root + "/in", root, root + "/", root + "/in/a.ppm"}}).indexed, 2U);
  // One root does not remove what lies under another.
  EXPECT_EQ(Run({.roots = {root + "/in"}}).removed, 0U);
  EXPECT_EQ(library_->Counts()->assets, 2U);
}

TEST_F(IndexerTest, SidecarsComeChangeAndGo) {
  Write("a.ppm", Picture(1));
  Write("a.ppm.txt", "one\n\n two \n");
  Run();
  EXPECT_THAT(Captions("a.ppm"), ElementsAre("one", "two"));
  Write("a.ppm.txt", "three lines now\n");
  IndexSummary summary = Run();
  EXPECT_EQ(summary.indexed, 0U);
  EXPECT_EQ(summary.unchanged, 1U);
  EXPECT_THAT(Captions("a.ppm"), ElementsAre("three lines now"));
  fs::remove(Photo("a.ppm.txt"));
  Run();
  EXPECT_THAT(Captions("a.ppm"), IsEmpty());
  Write("a.ppm.txt", std::string(100'000, 'x'));
  summary = Run();
  EXPECT_EQ(summary.failed, 1U);
  EXPECT_TRUE(failures_.count(Photo("a.ppm.txt")));
}

TEST_F(IndexerTest, CaptionsFilesAttachReplaceAndCostNothingTwice) {
  for (uint32_t i = 0; i < 4; ++i) Write(absl::StrCat("d/", i, ".ppm"), Picture(i));
  std::ofstream(folder_ / "captions.tsv")
      << "0.ppm\ta dog\n0.ppm\ta brown dog\nd/1.ppm\ta cat\nnone.ppm\tlost\n"
      << Photo("d/2.ppm") << "\t0\tby its whole path\n";
  const IndexRequest request = {.roots = {folder_ / "photos"}, .captions_path = folder_ / "captions.tsv"};
  IndexSummary summary = Run(request);
  EXPECT_EQ(summary.captions, 4U);
  EXPECT_THAT(failures_, SizeIs(1)) << "the stranger is told once";
  EXPECT_THAT(failures_[folder_ / "captions.tsv"], ::testing::HasSubstr("none.ppm"));
  EXPECT_THAT(Captions("d/0.ppm"), UnorderedElementsAre("a dog", "a brown dog"));
  EXPECT_THAT(Captions("d/1.ppm"), ElementsAre("a cat"));
  EXPECT_THAT(Captions("d/2.ppm"), ElementsAre("by its whole path"));
  const uint64_t sequence = library_->last_sequence();
  EXPECT_EQ(Run(request).captions, 0U);
  EXPECT_EQ(library_->last_sequence(), sequence);
  std::ofstream(folder_ / "captions.tsv") << "0.ppm\ta wolf\n";
  EXPECT_EQ(Run(request).captions, 1U);
  EXPECT_THAT(Captions("d/0.ppm"), ElementsAre("a wolf"));
  EXPECT_THAT(Captions("d/1.ppm"), ElementsAre("a cat")) << "not named, not touched";
  ExpectWhole();
}

TEST_F(IndexerTest, AnUnreadableCaptionsFileIsAnErrorBeforeAnyWork) {
  Write("a.ppm", Picture(1));
  Indexer indexer(library_.get(), encoder_, {});
  const auto summary =
      indexer.Run({.roots = {folder_ / "photos"}, .captions_path = folder_ / "none.tsv"}, {});
  EXPECT_TRUE(absl::IsNotFound(summary.status()));
  EXPECT_EQ(library_->Counts()->assets, 0U);
}

TEST_F(IndexerTest, ACancelledRunStopsSoonAndTheNextGoesOn) {
  for (uint32_t i = 0; i < 400; ++i) Write(absl::StrCat(i, ".ppm"), Picture(i));
  IndexSummary summary = Run({}, [this] { return library_->last_sequence() > 20; });
  EXPECT_TRUE(summary.cancelled);
  const uint64_t kept = library_->Counts()->assets;
  EXPECT_EQ(summary.indexed, kept);
  ExpectWhole();
  Open();
  summary = Run();
  EXPECT_FALSE(summary.cancelled);
  EXPECT_EQ(summary.unchanged, kept);
  EXPECT_EQ(summary.indexed, 400 - kept);
}

TEST_F(IndexerTest, RunsOfAnEmptyFolderAndOfNothing) {
  EXPECT_EQ(Run().indexed, 0U);
  Indexer indexer(library_.get(), encoder_, {});
  EXPECT_TRUE(indexer.Run({}, {}).ok());
}

}  // namespace
}  // namespace eidetic::indexer
