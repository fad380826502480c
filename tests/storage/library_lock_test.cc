#include "storage/library_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(LibraryLockTest, TheSecondOneLearnsWhoHoldsIt) {
  const TestFolder folder;
  auto first = LibraryLock::Acquire(folder.path(), "serve", "127.0.0.1:1");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = LibraryLock::Acquire(folder.path(), "index", "");
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat("process ", getpid())));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("127.0.0.1:1"));
  ASSERT_TRUE((*first)->SetAddress("unix:/x").ok());
  const auto holder = LibraryLock::ReadHolder(folder.path());
  ASSERT_TRUE(holder.ok() && holder->has_value());
  EXPECT_EQ((*holder)->pid, getpid());
  EXPECT_EQ((*holder)->command, "serve");
  EXPECT_EQ((*holder)->address, "unix:/x");
}

TEST(LibraryLockTest, NobodyHoldsAnAbandonedFile) {
  const TestFolder folder;
  EXPECT_FALSE(LibraryLock::ReadHolder(folder.path())->has_value());
  std::ofstream(folder / "LOCK") << R"({"pid":1,"command":"serve","address":"x"})";
  EXPECT_FALSE(LibraryLock::ReadHolder(folder.path())->has_value());
  EXPECT_TRUE(LibraryLock::Acquire(folder.path(), "index", "").ok());
}

TEST(LibraryLockTest, AKilledHolderLetsGo) {
  const TestFolder folder;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = LibraryLock::Acquire(folder.path(), "serve", "");
    const char byte = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(LibraryLock::ReadHolder(folder.path()).value()->pid, child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(LibraryLock::Acquire(folder.path(), "index", "").ok());
  close(ready[0]);
  close(ready[1]);
}

TEST(LibraryLockTest, ReadersShareItAndKeepAWriterOut) {
  const TestFolder folder;
  // Nothing to lock, and nothing is made.
  auto none = LibraryLock::AcquireShared(folder.path());
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(*none, nullptr);
  EXPECT_FALSE(std::filesystem::exists(folder / "LOCK"));

  std::ofstream(folder / "LOCK") << R"({"pid":1,"command":"serve","address":"x"})";
  auto first = LibraryLock::AcquireShared(folder.path());
  auto second = LibraryLock::AcquireShared(folder.path());
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  ASSERT_NE(*first, nullptr);
  EXPECT_FALSE(LibraryLock::ReadHolder(folder.path())->has_value());
  const auto writer = LibraryLock::Acquire(folder.path(), "index", "");
  EXPECT_TRUE(absl::IsUnavailable(writer.status()));
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr("is being read by another process"));
  EXPECT_THAT(std::string(writer.status().message()), Not(HasSubstr("serve")));
  first->reset();
  second->reset();
  auto alone = LibraryLock::Acquire(folder.path(), "index", "");
  ASSERT_TRUE(alone.ok()) << alone.status();
  const auto reader = LibraryLock::AcquireShared(folder.path());
  EXPECT_TRUE(absl::IsUnavailable(reader.status()));
  EXPECT_THAT(std::string(reader.status().message()), HasSubstr(absl::StrCat("process ", getpid())));
}

TEST(LibraryLockTest, WhoEndsLeavesNoName) {
  const TestFolder folder;
  { ASSERT_TRUE(LibraryLock::Acquire(folder.path(), "serve", "127.0.0.1:1").ok()); }
  EXPECT_EQ(std::filesystem::file_size(folder / "LOCK"), 0U);
}

TEST(LibraryLockTest, ADeletedFileIsNotTheLock) {
  const TestFolder folder;
  const auto first = LibraryLock::Acquire(folder.path(), "serve", "");
  ASSERT_TRUE(first.ok());
  std::filesystem::remove(folder / "LOCK");
  // Whoever comes now has the new file; RocksDB's own lock keeps it out.
  EXPECT_TRUE(LibraryLock::Acquire(folder.path(), "index", "").ok());
}

TEST(LibraryLockTest, WhatIsInItsPlaceIsNamed) {
  const TestFolder folder;
  std::filesystem::create_directory(folder / "LOCK");
  EXPECT_FALSE(LibraryLock::ReadHolder(folder.path())->has_value());
  EXPECT_TRUE(LibraryLock::Acquire(folder.path(), "index", "").ok());
  std::filesystem::remove(folder / "LOCK");
  std::filesystem::create_directories(folder / "LOCK/something");
  const auto folder_in_place = LibraryLock::Acquire(folder.path(), "index", "");
  EXPECT_TRUE(absl::IsFailedPrecondition(folder_in_place.status())) << folder_in_place.status();
  std::filesystem::remove_all(folder / "LOCK");
  ASSERT_EQ(mkfifo((folder / "LOCK").c_str(), 0600), 0);
  const auto pipe_in_place = LibraryLock::Acquire(folder.path(), "index", "");
  EXPECT_TRUE(absl::IsFailedPrecondition(pipe_in_place.status())) << pipe_in_place.status();
  EXPECT_FALSE(LibraryLock::ReadHolder(folder.path())->has_value());
}

TEST(LibraryLockTest, AMissingFolderIsAnError) {
  const TestFolder folder;
  EXPECT_TRUE(absl::IsNotFound(LibraryLock::Acquire(folder / "none", "index", "").status()));
}

}  // namespace
}  // namespace eidetic::storage
