// A disk that runs full, becomes read-only or fails, and then works again: writes
// are refused with what is wrong, reads go on, writes come back by themselves, and
// nothing acknowledged is lost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "storage/event_log.h"
#include "storage/library.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/fault_injection/simulated_disk.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

using fault_injection::DiskOperation;
using fault_injection::FaultEffect;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// So large that few hundred of them fill RocksDB's memtable.
constexpr int kDimension = 4096;

class DiskFailureTest : public testing::Test {
 protected:
  DiskFailureTest() : disk_(folder_ / "trash", 20261125), env_(NewFaultyEnv(&disk_)), files_(&disk_) {
    Open();
  }
  ~DiskFailureTest() override { disk_.ClearFaults(); }

  void Open() {
    library_ = nullptr;
    OpenOptions options;
    options.create = true;
    options.memory_budget_bytes = uint64_t{16} << 20;
    options.env = env_.get();
    options.file_system = &files_;
    options.write_health_observer = [this](const WriteHealth& health) {
      const absl::MutexLock lock(&mutex_);
      seen_.push_back(health.ok ? "ok" : health.reason);
    };
    auto opened = Library::Open(folder_ / "library", options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    library_ = *std::move(opened);
    ASSERT_TRUE(library_->UseModel(TestModel(kDimension)).ok());
  }

  absl::Status Put(const std::string& asset_id) {
    PutAsset put;
    put.asset_id = asset_id;
    put.embedding = vector_;
    const absl::Status status = CommitOne(*library_, put);
    if (status.ok()) acknowledged_.push_back(asset_id);
    return status;
  }

  bool WritesComeBack(absl::Duration within = absl::Seconds(20)) {
    const absl::Time deadline = absl::Now() + within;
    while (absl::Now() < deadline) {
      if (library_->write_health().ok) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }

  void ExpectAllThere() {
    for (const std::string& id : acknowledged_) {
      const auto asset = library_->GetAsset(id);
      ASSERT_TRUE(asset.ok()) << id << ": " << asset.status();
      EXPECT_TRUE(library_->GetEmbedding(asset->record.ordinal()).ok()) << id;
    }
    EXPECT_EQ(library_->Counts()->assets, acknowledged_.size());
    EXPECT_TRUE(
        library_
            ->VerifyAll(
                [](const storage::Fault& fault) { ADD_FAILURE() << fault.place << " " << fault.message; },
                [](uint64_t, uint64_t) { return true; })
            .ok());
  }

  std::vector<std::string> seen() {
    const absl::MutexLock lock(&mutex_);
    return seen_;
  }

  const TestFolder folder_;
  fault_injection::SimulatedDisk disk_;
  std::unique_ptr<rocksdb::Env> env_;
  fault_injection::FaultyFileSystem files_;
  const std::vector<float> vector_ = UnitVector(1, kDimension);
  std::vector<std::string> acknowledged_;
  absl::Mutex mutex_;
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Library> library_;
};

fault_injection::Fault Lasting(FaultEffect effect, DiskOperation operation = DiskOperation::kAnyChange,
                               const std::string& path_part = "") {
  return {.operation = operation, .nth = 1, .effect = effect, .lasting = true, .path_part = path_part};
}

TEST_F(DiskFailureTest, AFullDiskStopsWritesAloneUntilThereIsRoom) {
  ASSERT_TRUE(Put("before").ok());
  const absl::Time before = absl::Now();
  disk_.SetFreeBytes(0);
  const absl::Status refused = Put("refused");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_THAT(refused.message(), AllOf(HasSubstr(folder_ / "library"), HasSubstr("bytes free"),
                                       HasSubstr("No space left"), HasSubstr("free some space")));
  EXPECT_EQ(Put("refused-too").code(), absl::StatusCode::kResourceExhausted);
  const WriteHealth health = library_->write_health();
  EXPECT_FALSE(health.ok);
  EXPECT_EQ(health.reason, "disk_full");
  EXPECT_GE(health.since, before);
  EXPECT_TRUE(library_->GetAsset("before").ok());
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("refused").status()));

  disk_.SetFreeBytes(std::nullopt);
  ASSERT_TRUE(WritesComeBack());
  EXPECT_TRUE(Put("after").ok());
  EXPECT_THAT(seen(), ElementsAre("disk_full", "ok"));
  ExpectAllThere();
  Open();
  ExpectAllThere();
}

TEST_F(DiskFailureTest, AReadOnlyFileSystemStopsWritesAloneUntilItIsWritable) {
  ASSERT_TRUE(Put("before").ok());
  disk_.AddFault(Lasting(FaultEffect::kReadOnly));
  const absl::Status refused = Put("refused");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("read-only"));
  EXPECT_EQ(library_->write_health().reason, "read_only");
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("refused").status()));
  disk_.ClearFaults();
  ASSERT_TRUE(WritesComeBack());
  EXPECT_TRUE(Put("after").ok());
  ExpectAllThere();
  Open();
  ExpectAllThere();
}

// RocksDB 7.8 alone ends the process here: see DurableWriter::TryToWrite.
TEST_F(DiskFailureTest, ComesBackWhenNothingWasInMemory) {
  ASSERT_TRUE(Put("before").ok());
  Open();  // recovery has written everything to files
  disk_.SetFreeBytes(0);
  ASSERT_FALSE(Put("refused").ok());
  disk_.SetFreeBytes(std::nullopt);
  ASSERT_TRUE(WritesComeBack());
  ASSERT_TRUE(Put("after").ok());
  ExpectAllThere();
}

// The log that a change of memtables begins fails at its first byte, and by then
// the old memtables are on disk: again nothing would be in memory.
TEST_F(DiskFailureTest, ComesBackWhenTheLogFailsRightAfterAChangeOfMemtables) {
  const auto newest_log = [this] {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "library/rocksdb")) {
      if (entry.path().extension() == ".log") newest = std::max(newest, entry.path().filename().string());
    }
    return newest;
  };
  // After how many commits are memtables changed?
  Open();
  int commits = 0;
  for (const std::string first = newest_log(); newest_log() == first; ++commits) {
    ASSERT_TRUE(Put(absl::StrCat("first-", commits)).ok());
    ASSERT_LT(commits, 10'000);
  }
  for (int round = 0; round < 6; ++round) {
    Open();
    for (int i = 0; i < commits - 4 + round; ++i) ASSERT_TRUE(Put(absl::StrCat("a-", round, "-", i)).ok());
    disk_.AddFault(Lasting(FaultEffect::kNoSpace, DiskOperation::kWrite, ".log"));
    ASSERT_FALSE(Put(absl::StrCat("refused-", round)).ok());
    // What was in memory before reaches its files.
    absl::SleepFor(absl::Milliseconds(300));
    disk_.ClearFaults();
    ASSERT_TRUE(WritesComeBack());
    ASSERT_TRUE(Put(absl::StrCat("after-", round)).ok());
  }
  ExpectAllThere();
  Open();
  ExpectAllThere();
}

TEST_F(DiskFailureTest, ALibraryThatFailsIsClosedAndOpensAgain) {
  ASSERT_TRUE(Put("before").ok());
  disk_.AddFault(Lasting(FaultEffect::kError));
  ASSERT_FALSE(Put("refused").ok());
  EXPECT_EQ(library_->write_health().reason, "io_error");
  EXPECT_TRUE(library_->GetAsset("before").ok());
  library_ = nullptr;
  disk_.ClearFaults();
  Open();
  EXPECT_TRUE(library_->write_health().ok);
  EXPECT_TRUE(library_->GetAsset("before").ok());
  EXPECT_TRUE(Put("after").ok());
}

TEST_F(DiskFailureTest, EventsTellOfItOnce) {
  class Listener final : public EventLog {
   public:
    void Report(EventSeverity, absl::string_view event, std::span<const EventField>) override {
      // RocksDB's own words come as they please.
      if (event == "database_message") return;
      const absl::MutexLock lock(&mutex);
      events.emplace_back(event);
    }
    absl::Mutex mutex;
    std::vector<std::string> events;
  };
  Listener listener;
  OpenOptions options;
  options.create = true;
  options.env = env_.get();
  options.event_log = &listener;
  library_ = nullptr;
  library_ = *Library::Open(folder_ / "library", options);
  disk_.SetFreeBytes(0);
  EXPECT_FALSE(Put("refused").ok());
  EXPECT_FALSE(Put("refused").ok());
  absl::SleepFor(absl::Milliseconds(400));  // several attempts of the library's own
  disk_.SetFreeBytes(std::nullopt);
  ASSERT_TRUE(WritesComeBack());
  library_ = nullptr;
  EXPECT_THAT(listener.events,
              ElementsAre("library_opened", "writes_failed", "writes_recovered", "library_closed"));
}

// Every kind of trouble, beginning at every one of the operations of a life with
// changes of memtables, lasting until a write was refused, then gone.
class EveryOperationTest : public DiskFailureTest, public testing::WithParamInterface<FaultEffect> {};

TEST_P(EveryOperationTest, ComesBackWhereverTheTroubleBegins) {
  int refusals = 0;
  int number = 0;
  for (uint64_t nth = 1; nth <= 24; ++nth) {
    disk_.AddFault({.operation = DiskOperation::kAnyChange,
                    .nth = nth,
                    .effect = GetParam(),
                    .lasting = true,
                    .path_part = "/rocksdb/"});
    for (int i = 0; i < 200; ++i) {
      if (Put(absl::StrCat("a", ++number)).ok()) continue;
      ++refusals;
      break;
    }
    disk_.ClearFaults();
    ASSERT_TRUE(WritesComeBack()) << "trouble from operation " << nth;
    ASSERT_TRUE(Put(absl::StrCat("a", ++number)).ok());
    if (nth % 10 == 0) ExpectAllThere();
    if (nth % 4 == 0) Open();
  }
  EXPECT_EQ(refusals, 24);
  Open();
  ExpectAllThere();
}

INSTANTIATE_TEST_SUITE_P(Troubles, EveryOperationTest,
                         testing::Values(FaultEffect::kNoSpace, FaultEffect::kReadOnly));

}  // namespace
}  // namespace eidetic::storage
