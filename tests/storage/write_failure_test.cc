// A disk that refuses a commit: nobody else ever gets its place, and what became
// of it is certain before anything else is written (docs/storage.md).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/library.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/fault_injection/simulated_disk.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

using fault_injection::DiskOperation;
using fault_injection::FaultEffect;

PutAsset Put(const std::string& id, uint32_t seed) {
  PutAsset put;
  put.asset_id = id;
  put.embedding = UnitVector(seed);
  return put;
}

class WriteFailureTest : public ::testing::Test {
 protected:
  WriteFailureTest() { Open(); }

  void Open() {
    library_.reset();
    auto library =
        Library::Open(folder_ / "library", {.create = true, .env = env_.get(), .file_system = &files_});
    ASSERT_TRUE(library.ok()) << library.status();
    library_ = *std::move(library);
    const absl::Status used = library_->UseModel(TestModel());
    ASSERT_TRUE(used.ok()) << used;
  }
  void LosePowerAndOpen() {
    disk_.LosePower();
    library_.reset();
    const absl::Status restarted = disk_.Restart();
    ASSERT_TRUE(restarted.ok()) << restarted;
    Open();
  }
  // All that writes to the log fails from now on.
  void FailLog(DiskOperation operation, FaultEffect effect) {
    disk_.AddFault({.operation = operation, .effect = effect, .lasting = true, .path_part = ".log"});
  }
  void ExpectSound() {
    const absl::Status verified = library_->VerifyAll(
        [](const Fault& fault) { ADD_FAILURE() << fault.place << " " << fault.key << " " << fault.message; },
        [](uint64_t, uint64_t) { return true; });
    EXPECT_TRUE(verified.ok()) << verified;
  }

  TestFolder folder_;
  fault_injection::SimulatedDisk disk_{folder_ / "trash", 1};
  std::unique_ptr<rocksdb::Env> env_ = fault_injection::NewFaultyEnv(&disk_);
  fault_injection::FaultyFileSystem files_{&disk_};
  std::unique_ptr<Library> library_;
};

TEST_F(WriteFailureTest, AFullDiskIsNoReasonToStartAgain) {
  Open();  // nothing is in memory: there is nothing to flush
  disk_.SetFreeBytes(0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(absl::IsResourceExhausted(CommitOne(*library_, Put("refused", 1))));
  }
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("refused").status()));
  disk_.SetFreeBytes(std::nullopt);
  EXPECT_EQ(CommitOne(*library_, Put("kept", 2)), absl::OkStatus());
  LosePowerAndOpen();
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("refused").status()));
  EXPECT_EQ(library_->GetAsset("kept")->record.ordinal(), 0U);
  EXPECT_EQ(*library_->GetEmbedding(0), UnitVector(2));
  ExpectSound();
}

// The refused commit is whole in the log, only its sync failed.
TEST_F(WriteFailureTest, ARefusedCommitNeverComesBackAfterALaterOne) {
  ASSERT_EQ(CommitOne(*library_, Put("first", 1)), absl::OkStatus());
  FailLog(DiskOperation::kSync, FaultEffect::kNoSpace);
  const absl::Status refused = CommitOne(*library_, Put("refused", 2));
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_TRUE(MayBeKept(refused)) << refused;
  disk_.ClearFaults();
  ASSERT_EQ(CommitOne(*library_, Put("later", 3)), absl::OkStatus());
  library_.reset();  // the power stays: all that was written is there
  Open();
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("refused").status()));
  const uint32_t ordinal = library_->GetAsset("later")->record.ordinal();
  EXPECT_EQ(*library_->GetAssetId(ordinal), "later");
  EXPECT_EQ(*library_->GetEmbedding(ordinal), UnitVector(3));
  ExpectSound();
}

TEST_F(WriteFailureTest, AfterAFailedSyncNothingIsWrittenUntilOpenedAgain) {
  ASSERT_EQ(CommitOne(*library_, Put("first", 1)), absl::OkStatus());
  disk_.AddFault({.operation = DiskOperation::kSync, .path_part = ".log"});
  const absl::Status in_doubt = CommitOne(*library_, Put("in-doubt", 2));
  EXPECT_TRUE(absl::IsUnavailable(in_doubt)) << in_doubt;
  EXPECT_TRUE(MayBeKept(in_doubt));
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("in-doubt").status()));
  for (const Mutation& mutation : {Mutation(Put("refused", 3)), Mutation(DeleteAsset{"absent"})}) {
    const absl::Status refused = CommitOne(*library_, mutation);
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_THAT(refused.message(), testing::HasSubstr("open it again"));
    EXPECT_FALSE(MayBeKept(refused));
  }
  EXPECT_EQ(library_->TrimChanges(1).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(*library_->GetEmbedding(0), UnitVector(1));
  // The power stays, so the log holds the commit that was in doubt.
  Open();
  EXPECT_EQ(library_->GetAsset("in-doubt")->record.ordinal(), 1U);
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("refused").status()));
  EXPECT_EQ(CommitOne(*library_, Put("later", 4)), absl::OkStatus());
  EXPECT_EQ(library_->GetAsset("later")->record.ordinal(), 2U);
  LosePowerAndOpen();
  EXPECT_EQ(*library_->GetEmbedding(2), UnitVector(4));
  ExpectSound();
}

TEST_F(WriteFailureTest, AShortWriteIsNotMistakenForACommit) {
  ASSERT_EQ(CommitOne(*library_, Put("first", 1)), absl::OkStatus());
  disk_.AddFault({.operation = DiskOperation::kWrite, .effect = FaultEffect::kShort, .path_part = ".log"});
  EXPECT_TRUE(MayBeKept(CommitOne(*library_, Put("torn", 2))));
  Open();
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("torn").status()));
  EXPECT_EQ(CommitOne(*library_, Put("later", 3)), absl::OkStatus());
  EXPECT_EQ(*library_->GetEmbedding(1), UnitVector(3));
  ExpectSound();
}

}  // namespace
}  // namespace eidetic::storage
