// The test equipment itself: what it must lose, and what it must not.
#include "tests/fault_injection/simulated_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/file_system.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/storage/test_library.h"

namespace eidetic::fault_injection {
namespace {

namespace fs = std::filesystem;
using storage::CreateDirectoriesDurably;
using storage::TestFolder;
using storage::WriteFileDurably;

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class SimulatedDiskTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  SimulatedDiskTest() { fs::create_directory(folder_ / "d"); }

  std::unique_ptr<SimulatedFile> Open(const std::string& name) {
    std::unique_ptr<SimulatedFile> file;
    EXPECT_EQ(disk_.Open(folder_ / name, false, file), 0);
    return file;
  }
  void LosePowerAndRestart() {
    disk_.LosePower();
    const absl::Status restarted = disk_.Restart();
    ASSERT_TRUE(restarted.ok()) << restarted;
  }

  TestFolder folder_;
  SimulatedDisk disk_{folder_ / "trash", GetParam()};
  FaultyFileSystem files_{&disk_};
};

TEST_P(SimulatedDiskTest, WhatWasWrittenDurablyOutlivesThePower) {
  const std::string path = folder_ / "d/new/file";
  ASSERT_TRUE(CreateDirectoriesDurably(files_, folder_ / "d/new").ok());
  ASSERT_TRUE(WriteFileDurably(files_, path, "first").ok());
  ASSERT_TRUE(WriteFileDurably(files_, path, "second").ok());
  LosePowerAndRestart();
  EXPECT_EQ(Content(path), "second");
  EXPECT_FALSE(fs::exists(path + ".tmp"));
}

TEST_P(SimulatedDiskTest, SyncedBytesStayAndUnsyncedOnesMayGo) {
  {
    const auto file = Open("d/file");
    ASSERT_EQ(disk_.Append(*file, "synced"), 0);
    ASSERT_EQ(disk_.Sync(*file), 0);
    ASSERT_EQ(disk_.SyncDirectory(folder_ / "d"), 0);
    ASSERT_EQ(disk_.Append(*file, "unsynced"), 0);
  }
  LosePowerAndRestart();
  const std::string content = Content(folder_ / "d/file");
  EXPECT_THAT(content, testing::StartsWith("synced"));
  EXPECT_LE(content.size(), 14U);
}

TEST_P(SimulatedDiskTest, AFailedSyncIsNotMadeGoodByALaterOne) {
  {
    const auto file = Open("d/file");
    ASSERT_EQ(disk_.SyncDirectory(folder_ / "d"), 0);
    ASSERT_EQ(disk_.Append(*file, std::string(100'000, 'x')), 0);
    disk_.AddFault({.operation = DiskOperation::kSync});
    ASSERT_EQ(disk_.Sync(*file), EIO);
    ASSERT_EQ(disk_.Sync(*file), 0);
  }
  LosePowerAndRestart();
  // 100,000 whole bytes are there only by the chance that all were kept.
  EXPECT_LE(Content(folder_ / "d/file").size(), 100'000U);
}

TEST_P(SimulatedDiskTest, NeitherOldNorNewNameIsEverMissing) {
  ASSERT_TRUE(WriteFileDurably(files_, folder_ / "d/file", "old").ok());
  {
    const auto file = Open("d/next");
    ASSERT_EQ(disk_.Append(*file, "new"), 0);
    ASSERT_EQ(disk_.Sync(*file), 0);
  }
  ASSERT_EQ(disk_.Rename(folder_ / "d/next", folder_ / "d/file"), 0);
  LosePowerAndRestart();
  EXPECT_THAT(Content(folder_ / "d/file"), testing::AnyOf("old", "new"));
}

TEST_P(SimulatedDiskTest, ARemovedFileMayComeBack) {
  ASSERT_TRUE(WriteFileDurably(files_, folder_ / "d/file", "old").ok());
  ASSERT_TRUE(files_.RemoveAll(folder_ / "d/file").ok());
  EXPECT_FALSE(fs::exists(folder_ / "d/file"));
  LosePowerAndRestart();
  EXPECT_THAT(Content(folder_ / "d/file"), testing::AnyOf("old", ""));
  ASSERT_TRUE(files_.RemoveAll(folder_ / "d/file").ok());
  ASSERT_TRUE(files_.SyncDirectory(folder_ / "d").ok());
  LosePowerAndRestart();
  EXPECT_FALSE(fs::exists(folder_ / "d/file"));
}

TEST_P(SimulatedDiskTest, NothingWorksWithoutPower) {
  const auto file = Open("d/file");
  disk_.LosePower();
  size_t bytes = 8;
  EXPECT_EQ(disk_.Append(*file, "x"), EIO);
  EXPECT_EQ(disk_.Sync(*file), EIO);
  EXPECT_EQ(disk_.BeforeRead(folder_ / "d/file", bytes), EIO);
  EXPECT_EQ(disk_.Rename(folder_ / "d/file", folder_ / "d/other"), EIO);
  EXPECT_EQ(Content(folder_ / "d/file"), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulatedDiskTest, ::testing::Range<uint64_t>(1, 21));

class UnsyncedTest : public ::testing::Test {
 protected:
  TestFolder folder_;
};

// Of many power losses some must hurt, or the disk is too kind to find anything.
TEST_F(UnsyncedTest, IsLostOftenEnough) {
  int lost_bytes = 0;
  int lost_names = 0;
  int spoiled = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::string directory = folder_ / absl::StrCat(seed);
    fs::create_directory(directory);
    SimulatedDisk disk(directory + "/trash", seed);
    for (const bool synced_name : {true, false}) {
      std::unique_ptr<SimulatedFile> file;
      ASSERT_EQ(disk.Open(directory + (synced_name ? "/kept" : "/unkept"), false, file), 0);
      if (synced_name) {
        ASSERT_EQ(disk.SyncDirectory(directory), 0);
      }
      ASSERT_EQ(disk.Append(*file, std::string(1000, 'x')), 0);
    }
    disk.LosePower();
    ASSERT_TRUE(disk.Restart().ok());
    const std::string content = Content(directory + "/kept");
    if (content.size() < 1000) lost_bytes += 1;
    if (content != std::string(content.size(), 'x')) spoiled += 1;
    if (!fs::exists(directory + "/unkept")) lost_names += 1;
  }
  EXPECT_GT(lost_bytes, 50);
  EXPECT_GT(lost_names, 50);
  EXPECT_GT(spoiled, 10);
}

TEST_F(UnsyncedTest, TheSameSeedLosesTheSame) {
  std::vector<std::string> contents;
  for (const char* name : {"a", "b"}) {
    const std::string directory = folder_ / name;
    fs::create_directory(directory);
    SimulatedDisk disk(directory + "/trash", 77);
    {
      std::unique_ptr<SimulatedFile> file;
      ASSERT_EQ(disk.Open(directory + "/file", false, file), 0);
      ASSERT_EQ(disk.SyncDirectory(directory), 0);
      ASSERT_EQ(disk.Append(*file, std::string(1000, 'x')), 0);
    }
    disk.LosePower();
    ASSERT_TRUE(disk.Restart().ok());
    contents.push_back(Content(directory + "/file"));
  }
  EXPECT_EQ(contents[0], contents[1]);
}

TEST_F(UnsyncedTest, FaultsHitTheNthOperationOfTheirKindAndPath) {
  SimulatedDisk disk(folder_ / "trash", 1);
  disk.AddFault({.operation = DiskOperation::kWrite, .nth = 2, .path_part = "/a"});
  std::unique_ptr<SimulatedFile> a;
  std::unique_ptr<SimulatedFile> b;
  ASSERT_EQ(disk.Open(folder_ / "a", false, a), 0);
  ASSERT_EQ(disk.Open(folder_ / "b", false, b), 0);
  EXPECT_EQ(disk.Append(*a, "1"), 0);
  EXPECT_EQ(disk.Append(*b, "1"), 0);
  EXPECT_EQ(disk.Append(*a, "2"), EIO);
  EXPECT_EQ(disk.Append(*a, "3"), 0);
  EXPECT_EQ(Content(folder_ / "a"), "13");
  disk.AddFault({.operation = DiskOperation::kWrite, .effect = FaultEffect::kShort, .lasting = true});
  EXPECT_EQ(disk.Append(*b, "2222"), EIO);
  EXPECT_EQ(Content(folder_ / "b"), "122");
  EXPECT_EQ(disk.Append(*b, "3"), EIO);
  disk.ClearFaults();
  EXPECT_EQ(disk.Append(*b, "4"), 0);
  EXPECT_EQ(disk.count(DiskOperation::kWrite), 7U);
}

TEST_F(UnsyncedTest, RunsFullAndHasRoomAgainAfterADelete) {
  SimulatedDisk disk(folder_ / "trash", 1);
  std::unique_ptr<SimulatedFile> file;
  ASSERT_EQ(disk.Open(folder_ / "a", false, file), 0);
  disk.SetFreeBytes(5);
  EXPECT_EQ(disk.Append(*file, "1234"), 0);
  EXPECT_EQ(disk.Append(*file, "5678"), ENOSPC);
  EXPECT_EQ(Content(folder_ / "a"), "12345");
  ASSERT_EQ(disk.Delete(folder_ / "a"), 0);
  ASSERT_EQ(disk.Open(folder_ / "b", false, file), 0);
  EXPECT_EQ(disk.Append(*file, "12345"), 0);
}

TEST_F(UnsyncedTest, IsAsSlowAsItWasTold) {
  SimulatedDisk disk(folder_ / "trash", 1);
  std::unique_ptr<SimulatedFile> file;
  ASSERT_EQ(disk.Open(folder_ / "a", false, file), 0);
  disk.SetLatency(absl::Milliseconds(20));
  const absl::Time start = absl::Now();
  ASSERT_EQ(disk.Append(*file, "1"), 0);
  ASSERT_EQ(disk.Sync(*file), 0);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(40));
}

// What RocksDB is told must be what the disk did.
TEST_F(UnsyncedTest, RocksDbSeesTheFaults) {
  SimulatedDisk disk(folder_ / "trash", 1);
  const auto env = NewFaultyEnv(&disk);
  std::unique_ptr<rocksdb::WritableFile> file;
  ASSERT_TRUE(env->NewWritableFile(folder_ / "a", &file, rocksdb::EnvOptions()).ok());
  ASSERT_TRUE(file->Append("12345678").ok());
  disk.AddFault({.operation = DiskOperation::kSync});
  EXPECT_TRUE(file->Sync().IsIOError());
  disk.SetFreeBytes(0);
  EXPECT_TRUE(file->Append("9").IsNoSpace());
  std::unique_ptr<rocksdb::RandomAccessFile> reader;
  ASSERT_TRUE(env->NewRandomAccessFile(folder_ / "a", &reader, rocksdb::EnvOptions()).ok());
  disk.AddFault({.operation = DiskOperation::kRead, .effect = FaultEffect::kShort});
  char scratch[8];
  rocksdb::Slice got;
  ASSERT_TRUE(reader->Read(0, 8, &got, scratch).ok());
  EXPECT_EQ(got, "1234");
  ASSERT_TRUE(reader->Read(0, 8, &got, scratch).ok());
  EXPECT_EQ(got, "12345678");
}

}  // namespace
}  // namespace eidetic::fault_injection
