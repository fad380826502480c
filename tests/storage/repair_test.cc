// A repair restores what can be read, says what is lost, and can be interrupted.

#include "storage/repair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "absl/strings/str_cat.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kAssets = 2'000;

std::vector<fs::path> Tables(const std::string& library) {
  std::vector<fs::path> tables;
  for (const auto& entry : fs::directory_iterator(library + "/rocksdb")) {
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  }
  std::sort(tables.begin(), tables.end(),
            [](const fs::path& a, const fs::path& b) { return fs::file_size(a) > fs::file_size(b); });
  return tables;
}

void Overwrite(const fs::path& path, uint64_t from, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(from));
  file << bytes;
}

// Remembers the vectors it is made of.
class RememberedVectors final : public VectorSource {
 public:
  explicit RememberedVectors(const Library& library)
      : database_id_(library.database_id()), last_sequence_(library.last_sequence()) {
    const auto view = library.NewView();
    EXPECT_TRUE(view->ForEachEmbedding([&](Ordinal ordinal, std::span<const float> vector) {
                      images_[ordinal].assign(vector.begin(), vector.end());
                      return absl::OkStatus();
                    })
                    .ok());
  }
  std::string database_id() const override { return database_id_; }
  std::string model_fingerprint() const override { return "f00d"; }
  uint64_t generation() const override { return 1; }
  uint32_t dimension() const override { return 8; }
  uint64_t last_sequence() const override { return last_sequence_; }
  std::optional<std::vector<float>> Image(Ordinal ordinal) const override {
    const auto found = images_.find(ordinal);
    return found == images_.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::vector<float>> Caption(CaptionId) const override { return std::nullopt; }

 private:
  const std::string database_id_;
  const uint64_t last_sequence_;
  std::map<Ordinal, std::vector<float>> images_;
};

class RepairTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto library = OpenTestLibrary(directory_);
    std::vector<Mutation> mutations;
    for (uint32_t i = 0; i < kAssets; ++i) {
      PutAsset put;
      put.asset_id = absl::StrCat("a", i);
      put.record.set_width(i);
      put.embedding = UnitVector(i);
      put.path.emplace();
      put.path->path = absl::StrCat("/photos/", i);
      put.path->record.set_mtime_nanos(5);
      CaptionSet captions;
      captions.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
      captions.captions.push_back({absl::StrCat("caption ", i), UnitVector(i + 1)});
      put.caption_sets.push_back(std::move(captions));
      mutations.emplace_back(std::move(put));
    }
    ASSERT_TRUE(library->Commit(std::move(mutations)).ok());
    // Of three that were deleted nothing may come back.
    for (const char* id : {"a3", "a700", "a1999"}) {
      ASSERT_TRUE(CommitOne(*library, DeleteAsset{id}).ok());
    }
    vectors_ = std::make_unique<RememberedVectors>(*library);
    last_sequence_ = library->last_sequence();
    library.reset();
    // The log becomes tables.
    ASSERT_TRUE(Library::Open(directory_, {}).ok());
    vectors_id_ = Library::Open(directory_, {}).value()->database_id();
  }

  RepairReport Repair(const RepairOptions& options = {}) {
    const auto report = RepairLibrary(directory_, options);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : RepairReport();
  }

  // Everything there is is right, verify finds nothing; returns how many are there.
  uint64_t CheckWhatIsThere() {
    auto library = Library::Open(directory_, {});
    EXPECT_TRUE(library.ok()) << library.status();
    if (!library.ok()) return 0;
    EXPECT_TRUE(
        (*library)
            ->VerifyAll([](const Fault& fault) { ADD_FAILURE() << fault.place << " " << fault.message; },
                        [](uint64_t, uint64_t) { return true; })
            .ok());
    for (const char* id : {"a3", "a700", "a1999"}) EXPECT_FALSE((*library)->GetAsset(id).ok());
    uint64_t there = 0;
    for (uint32_t i = 0; i < kAssets; ++i) {
      const auto asset = (*library)->GetAsset(absl::StrCat("a", i));
      if (!asset.ok()) continue;
      ++there;
      EXPECT_EQ(asset->record.width(), i);
      EXPECT_EQ(*(*library)->GetEmbedding(asset->record.ordinal()), UnitVector(i));
      EXPECT_EQ(asset->record.paths(0), absl::StrCat("/photos/", i));
    }
    EXPECT_GT((*library)->last_sequence(), last_sequence_);
    EXPECT_TRUE(absl::IsOutOfRange((*library)->ReadChanges(last_sequence_, 1).status()))
        << "readers of the change log must start again";
    EXPECT_TRUE((*library)->UseModel(TestModel()).ok());
    PutAsset put;
    put.asset_id = "new";
    put.embedding = UnitVector(77);
    EXPECT_TRUE(CommitOne(**library, put).ok());
    EXPECT_GE((*library)->GetAsset("new")->record.ordinal(), kAssets) << "no row is given twice";
    return there;
  }

  const TestFolder folder_;
  const std::string directory_ = folder_ / "library";
  std::unique_ptr<RememberedVectors> vectors_;
  std::string vectors_id_;
  uint64_t last_sequence_ = 0;
};

TEST_F(RepairTest, AWholeLibraryStaysWhole) {
  const RepairReport report = Repair();
  EXPECT_EQ(report.assets, kAssets - 3);
  EXPECT_EQ(report.captions, kAssets - 3);
  EXPECT_THAT(report.lost_assets, IsEmpty());
  EXPECT_EQ(report.dropped_links, 0U);
  EXPECT_EQ(report.kept_aside, directory_ + "/rocksdb.damaged-1");
  EXPECT_TRUE(fs::exists(directory_ + "/rocksdb.damaged-1/CURRENT"));
  EXPECT_EQ(CheckWhatIsThere(), kAssets - 3);
}

TEST_F(RepairTest, ADamagedBlockCostsNoMoreThanItsRecords) {
  for (const fs::path& table : Tables(directory_)) {
    if (fs::file_size(table) > 20'000) Overwrite(table, 5'000, std::string(300, 'x'));
  }
  const RepairReport report = Repair();
  EXPECT_FALSE(report.damage.empty());
  const uint64_t there = CheckWhatIsThere();
  EXPECT_EQ(report.assets, there);
  EXPECT_EQ(report.lost_assets.size() + report.lost_unnamed, kAssets - 3 - there)
      << "all that is lost is told";
  EXPECT_LT(report.lost_assets.size(), kAssets / 2);
  for (const LostAsset& lost : report.lost_assets) EXPECT_FALSE(lost.asset_id.empty());
}

TEST_F(RepairTest, VectorsComeFromTheSnapshot) {
  ASSERT_EQ(vectors_->database_id(), vectors_id_);
  // The largest table of the photos' vectors: every block of it.
  const fs::path table = Tables(directory_).front();
  for (uint64_t at = 1'000; at + 20'000 < fs::file_size(table); at += 8'000) {
    Overwrite(table, at, std::string(50, 'x'));
  }
  const std::string copy = folder_ / "copy";
  fs::copy(directory_, copy, fs::copy_options::recursive);
  const auto without = RepairLibrary(copy, {});
  ASSERT_TRUE(without.ok()) << without.status();
  const RepairReport with = Repair({.snapshot = vectors_.get(), .progress = {}});
  EXPECT_GE(with.assets, without->assets);
  EXPECT_EQ(CheckWhatIsThere(), with.assets);
  EXPECT_GT(with.vectors_from_snapshot + without->lost_captions, 0U);
}

TEST_F(RepairTest, ALostManifestCostsNothing) {
  for (const auto& entry : fs::directory_iterator(directory_ + "/rocksdb")) {
    const std::string name = entry.path().filename();
    if (name == "CURRENT" || name.rfind("MANIFEST", 0) == 0) fs::remove(entry.path());
  }
  ASSERT_TRUE(absl::IsDataLoss(Library::Open(directory_, {}).status()));
  const RepairReport report = Repair();
  EXPECT_EQ(report.assets, kAssets - 3);
  EXPECT_EQ(CheckWhatIsThere(), kAssets - 3);
}

TEST_F(RepairTest, AMissingTableIsFilledFromABackup) {
  const std::string backup = folder_ / "backup";
  fs::copy(directory_, backup, fs::copy_options::recursive);
  for (const fs::path& table : Tables(directory_)) {
    if (fs::file_size(table) > 20'000) fs::remove(table);
  }
  ASSERT_TRUE(absl::IsDataLoss(Library::Open(directory_, {}).status()));
  const auto opened = Library::Open(backup, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const RepairReport report = Repair({.snapshot = vectors_.get(), .backup = opened->get(), .progress = {}});
  EXPECT_EQ(CheckWhatIsThere(), report.assets);
  EXPECT_EQ(report.assets, kAssets - 3);
  EXPECT_THAT(report.lost_assets, IsEmpty());
  EXPECT_EQ(report.captions, kAssets - 3);
}

TEST_F(RepairTest, AnInterruptedRepairCanBeginAgain) {
  const auto stopped = RepairLibrary(directory_, {.progress = [](uint64_t, uint64_t) { return false; }});
  ASSERT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  EXPECT_TRUE(Library::Open(directory_, {}).ok()) << "nothing was changed";
  // Killed between the two renames.
  ASSERT_TRUE(RepairLibrary(directory_, {}).ok());
  fs::rename(directory_ + "/rocksdb", directory_ + "/rocksdb.repaired");
  EXPECT_TRUE(absl::IsDataLoss(Library::Open(directory_, {}).status()));
  last_sequence_ += 1;
  Repair();
  EXPECT_EQ(CheckWhatIsThere(), kAssets - 3);
}

TEST_F(RepairTest, NobodyElseMayHaveItOpen) {
  const auto library = Library::Open(directory_, {});
  ASSERT_TRUE(library.ok());
  EXPECT_TRUE(absl::IsUnavailable(RepairLibrary(directory_, {}).status()));
  EXPECT_TRUE(absl::IsNotFound(RepairLibrary(folder_ / "none", {}).status()));
}

}  // namespace
}  // namespace eidetic::storage
