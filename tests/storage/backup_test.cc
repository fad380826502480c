// Backups as their owner uses them: made while others write, verified, restored,
// damaged, interrupted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/backup.h"
#include "storage/file_system.h"
#include "storage/library.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/fault_injection/simulated_disk.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string AssetName(uint32_t number) { return absl::StrCat("a", number); }

absl::Status Put(Library& library, uint32_t number, uint32_t version = 0) {
  PutAsset put;
  put.asset_id = AssetName(number);
  put.embedding = UnitVector(number + 1000 * version);
  put.path.emplace();
  put.path->path = absl::StrCat("/photos/", number, ".jpg");
  CaptionSet captions;
  captions.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
  captions.captions.push_back({absl::StrCat("caption ", number), UnitVector(number + 1)});
  put.caption_sets.push_back(std::move(captions));
  return CommitOne(library, std::move(put));
}

void PutMany(Library& library, uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; ++i) ASSERT_TRUE(Put(library, i).ok());
}

int CountFaults(const Library& library) {
  int faults = 0;
  const absl::Status verified = library.VerifyAll(
      [&faults](const Fault& fault) {
        ++faults;
        ADD_FAILURE() << fault.place << " " << fault.key << ": " << fault.message;
      },
      [](uint64_t, uint64_t) { return true; });
  EXPECT_TRUE(verified.ok()) << verified;
  return faults;
}

// The assets 0 … count - 1 are there, whole, and no other.
void ExpectHolds(const std::string& directory, uint32_t count) {
  auto library = Library::Open(directory, {});
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ(CountFaults(**library), 0);
  EXPECT_EQ((*library)->Counts()->assets, count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto asset = (*library)->GetAsset(AssetName(i));
    ASSERT_TRUE(asset.ok()) << asset.status();
    EXPECT_EQ(*(*library)->GetEmbedding(asset->record.ordinal()), UnitVector(i));
    EXPECT_EQ((*library)->GetCaptions(asset->record.ordinal())->front().record.text(),
              absl::StrCat("caption ", i));
  }
}

std::vector<std::string> FilesUnder(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && name != "LOCK" && name != "BACKUP") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

class BackupTest : public testing::Test {
 protected:
  absl::StatusOr<Backup> Restore(const std::string& target, uint32_t number = 0) {
    return RestoreBackup({.backup_directory = backups_, .library_directory = target, .number = number});
  }

  TestFolder folder_;
  const std::string directory_ = folder_ / "library";
  const std::string backups_ = folder_ / "backups";
  std::unique_ptr<Library> library_ = OpenTestLibrary(directory_);
};

TEST_F(BackupTest, RestoresWhatWasThereAndGoesOnInTheSameFolder) {
  PutMany(*library_, 0, 20);
  const auto first = library_->CreateBackup({.directory = backups_});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->number, 1U);
  EXPECT_EQ(first->record.state().asset_count(), 20U);
  EXPECT_EQ(first->record.generation().model_fingerprint(), "f00d");
  PutMany(*library_, 20, 5);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  library_ = nullptr;

  ASSERT_TRUE(Restore(folder_ / "old", 1).ok());
  ExpectHolds(folder_ / "old", 20);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 25);

  // What was restored is the same library.
  library_ = OpenTestLibrary(folder_ / "new");
  PutMany(*library_, 25, 5);
  const auto third = library_->CreateBackup({.directory = backups_});
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->number, 3U);
  ASSERT_TRUE(Restore(folder_ / "newest").ok());
  ExpectHolds(folder_ / "newest", 30);
}

TEST_F(BackupTest, AnEmptyLibraryToo) {
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 0);
}

TEST_F(BackupTest, CopiesOnlyWhatIsNew) {
  PutMany(*library_, 0, 200);
  library_ = nullptr;
  // Opening again turns the write-ahead log into files that backups share.
  library_ = OpenTestLibrary(directory_);
  const auto read_by_a_backup = [&] {
    uint64_t copied = 0;
    const auto backup =
        library_->CreateBackup({.directory = backups_, .progress = [&](const BackupProgress& progress) {
                                  if (progress.stage == BackupProgress::Stage::kCopying)
                                    copied = progress.done_bytes;
                                  return true;
                                }});
    EXPECT_TRUE(backup.ok()) << backup.status();
    return copied;
  };
  const uint64_t first = read_by_a_backup();
  const uint64_t second = read_by_a_backup();
  EXPECT_GT(first, 10'000U);
  EXPECT_LT(second, first / 2) << "the second copied everything again";
  ASSERT_TRUE(Restore(folder_ / "new", 2).ok());
  ExpectHolds(folder_ / "new", 200);
}

TEST_F(BackupTest, KeepsAsManyAsAskedFor) {
  for (uint32_t i = 0; i < 4; ++i) {
    PutMany(*library_, i, 1);
    ASSERT_TRUE(library_->CreateBackup({.directory = backups_, .keep = 2}).ok());
  }
  const auto kept = ListBackups(backups_);
  ASSERT_TRUE(kept.ok());
  ASSERT_EQ(kept->size(), 2U);
  EXPECT_EQ(kept->front().number, 3U);
  ASSERT_TRUE(Restore(folder_ / "new", 3).ok());
  ExpectHolds(folder_ / "new", 3);
}

TEST_F(BackupTest, IsABeginningOfWhatIsWrittenMeanwhile) {
  std::atomic<bool> stop = false;
  std::atomic<uint32_t> acknowledged = 0;
  std::thread writer([&] {
    for (uint32_t i = 0; !stop; ++i) {
      ASSERT_TRUE(Put(*library_, i).ok());
      acknowledged = i + 1;
    }
  });
  while (acknowledged < 10) std::this_thread::yield();
  for (int round = 0; round < 5; ++round) {
    const uint32_t before = acknowledged;
    const auto backup = library_->CreateBackup({.directory = backups_});
    ASSERT_TRUE(backup.ok()) << backup.status();
    const uint32_t after = acknowledged;
    const std::string target = folder_ / absl::StrCat("new", round);
    ASSERT_TRUE(Restore(target).ok());
    uint64_t count = 0;
    {
      auto restored = Library::Open(target, {});
      ASSERT_TRUE(restored.ok()) << restored.status();
      count = (*restored)->Counts()->assets;
    }
    EXPECT_GE(count, before);
    EXPECT_LE(count, after + 1);
    ExpectHolds(target, static_cast<uint32_t>(count));
  }
  stop = true;
  writer.join();
}

TEST_F(BackupTest, RefusesFoldersOfOthers) {
  const auto code = [&](const std::string& directory) {
    return library_->CreateBackup({.directory = directory}).status().code();
  };
  EXPECT_EQ(code(directory_ + "/backups"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(directory_), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("relative/backups"), absl::StatusCode::kInvalidArgument);
  fs::create_directory_symlink(directory_, folder_ / "link");
  EXPECT_EQ(code(folder_ / "link/backups"), absl::StatusCode::kInvalidArgument);
  fs::create_directory(folder_ / "letters");
  WriteAll(folder_ / "letters/letter", "dear");
  EXPECT_EQ(code(folder_ / "letters"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code(folder_ / "letters/letter"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(FilesUnder(folder_ / "letters").size(), 1U);

  const auto other = OpenTestLibrary(folder_ / "other");
  ASSERT_TRUE(other->CreateBackup({.directory = backups_}).ok());
  const absl::Status mixed = library_->CreateBackup({.directory = backups_}).status();
  EXPECT_EQ(mixed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(mixed.message(), HasSubstr(folder_ / "other"));
  EXPECT_EQ(ListBackups(backups_)->size(), 1U);
}

TEST_F(BackupTest, RefusesANewerFormat) {
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  WriteAll(backups_ + "/BACKUP", "eidetic backup\nformat 2\n");
  for (const absl::Status& status : {library_->CreateBackup({.directory = backups_}).status(),
                                     ListBackups(backups_).status(), Restore(folder_ / "new").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(status.message(), HasSubstr("format 2"));
  }
  for (const char* text :
       {"", "eidetic backup", "eidetic backup\nformat x\n", "eidetic backup\nformat 0\n"}) {
    WriteAll(backups_ + "/BACKUP", text);
    EXPECT_EQ(ListBackups(backups_).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(BackupTest, RestoresOnlyIntoNewFolders) {
  PutMany(*library_, 0, 3);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  EXPECT_EQ(Restore(directory_).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Restore("relative").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Restore(backups_ + "/new").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Restore(folder_ / "new", 7).status().code(), absl::StatusCode::kNotFound);
  fs::create_directory(folder_ / "letters");
  WriteAll(folder_ / "letters/letter", "dear");
  EXPECT_EQ(Restore(folder_ / "letters").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadAll(folder_ / "letters/letter"), "dear");
  EXPECT_FALSE(fs::exists(folder_ / "new"));
  EXPECT_EQ(RestoreBackup({.backup_directory = folder_ / "nowhere", .library_directory = folder_ / "new"})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  fs::create_directory(folder_ / "empty");
  EXPECT_TRUE(Restore(folder_ / "empty").ok());
  ExpectHolds(folder_ / "empty", 3);
}

TEST_F(BackupTest, AFolderThatIsBeingRestoredIntoIsNoLibrary) {
  PutMany(*library_, 0, 50);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  int calls = 0;
  const absl::Status stopped =
      RestoreBackup({.backup_directory = backups_,
                     .library_directory = folder_ / "new",
                     .progress =
                         [&calls](const BackupProgress& progress) {
                           return progress.stage != BackupProgress::Stage::kRestoring || ++calls < 3;
                         }})
          .status();
  EXPECT_EQ(stopped.code(), absl::StatusCode::kCancelled) << stopped;
  ASSERT_TRUE(fs::exists(folder_ / "new/rocksdb"));
  EXPECT_EQ(Library::Open(folder_ / "new", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Library::Open(folder_ / "new", {.create = true}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 50);
  EXPECT_FALSE(fs::exists(folder_ / "new/RESTORING"));
}

TEST_F(BackupTest, StoppingHarmsNothing) {
  PutMany(*library_, 0, 50);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  PutMany(*library_, 50, 50);
  for (const auto stage : {BackupProgress::Stage::kCopying, BackupProgress::Stage::kVerifying}) {
    const absl::Status stopped =
        library_
            ->CreateBackup(
                {.directory = backups_,
                 .progress = [stage](const BackupProgress& progress) { return progress.stage != stage; }})
            .status();
    EXPECT_EQ(stopped.code(), absl::StatusCode::kCancelled) << stopped;
    EXPECT_EQ(ListBackups(backups_)->size(), 1U);
  }
  EXPECT_EQ(VerifyBackups(backups_, [](const BackupProgress&) { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 50);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  ASSERT_TRUE(Restore(folder_ / "newer").ok());
  ExpectHolds(folder_ / "newer", 100);
}

TEST_F(BackupTest, OneAtATimeInAFolder) {
  PutMany(*library_, 0, 3);
  absl::StatusCode second = absl::StatusCode::kOk;
  absl::StatusCode reader = absl::StatusCode::kOk;
  ASSERT_TRUE(library_
                  ->CreateBackup({.directory = backups_,
                                  .progress =
                                      [&](const BackupProgress&) {
                                        if (second == absl::StatusCode::kOk) {
                                          second =
                                              library_->CreateBackup({.directory = backups_}).status().code();
                                          reader = Restore(folder_ / "new").status().code();
                                        }
                                        return true;
                                      }})
                  .ok());
  EXPECT_EQ(second, absl::StatusCode::kUnavailable);
  EXPECT_EQ(reader, absl::StatusCode::kUnavailable);
}

// Every file of a backup, damaged in every way: found before the target is
// touched.
TEST_F(BackupTest, DamageIsFoundBeforeARestore) {
  PutMany(*library_, 0, 30);
  library_ = nullptr;
  library_ = OpenTestLibrary(directory_);
  PutMany(*library_, 30, 3);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  std::mt19937 random(20261125);
  int damages = 0;
  for (const std::string& path : FilesUnder(backups_)) {
    const std::string bytes = ReadAll(path);
    const bool is_list = absl::StrContains(path, "/meta/");
    const auto expect_found = [&](const std::string& how) {
      ++damages;
      const absl::StatusOr<Backup> restored = Restore(folder_ / "new");
      if (restored.ok()) {
        // A list of files holds numbers that nothing depends on (RocksDB's sequence
        // number and time); then what was restored is right.
        EXPECT_TRUE(is_list) << path << ", " << how << " went unnoticed";
        ExpectHolds(folder_ / "new", 33);
        fs::remove_all(folder_ / "new");
      } else {
        EXPECT_FALSE(fs::exists(folder_ / "new")) << path << ", " << how;
      }
      const auto verified = VerifyBackups(backups_);
      // Without its list of files a backup is one that never ended: not there.
      if (!restored.ok() && verified.ok() && !verified->empty()) {
        EXPECT_FALSE(verified->front().damage.ok()) << path << ", " << how;
      }
    };
    if (!bytes.empty()) {
      for (int flip = 0; flip < (is_list ? 300 : 10); ++flip) {
        std::string flipped = bytes;
        flipped[random() % bytes.size()] ^= static_cast<char>(1 << (random() % 8));
        WriteAll(path, flipped);
        expect_found("a flipped bit");
      }
      WriteAll(path, bytes.substr(0, bytes.size() / 2));
      expect_found("cut in half");
      WriteAll(path, "");
      expect_found("empty");
    }
    WriteAll(path, bytes + "x");
    expect_found("longer");
    fs::remove(path);
    expect_found("missing");
    fs::create_directory(path);
    expect_found("a directory");
    fs::remove(path);
    WriteAll(path, bytes);
  }
  EXPECT_GT(damages, 300);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 33);
}

// A file that backups share has rotted: a new backup must not lean on it.
TEST_F(BackupTest, ANewBackupDoesNotTakeOverARottenFile) {
  PutMany(*library_, 0, 30);
  library_ = nullptr;
  library_ = OpenTestLibrary(directory_);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  std::string rotten;
  for (const std::string& path : FilesUnder(backups_)) {
    if (absl::StrContains(path, "/shared_checksum/")) rotten = path;
  }
  ASSERT_FALSE(rotten.empty());
  std::string bytes = ReadAll(rotten);
  bytes[bytes.size() / 2] ^= 1;
  WriteAll(rotten, bytes);
  const absl::Status refused = library_->CreateBackup({.directory = backups_}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(refused.message(), HasSubstr(fs::path(rotten).filename().string()));
  EXPECT_EQ(ListBackups(backups_)->size(), 1U);
  // What the message says to do.
  fs::remove(rotten);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  const auto verified = VerifyBackups(backups_);
  ASSERT_TRUE(verified.ok());
  EXPECT_FALSE(verified->front().damage.ok());
  EXPECT_TRUE(verified->back().damage.ok()) << verified->back().damage;
  EXPECT_EQ(Restore(folder_ / "new", 1).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 30);
  // Damaged ones do not count as kept, and go when they are older than those.
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_, .keep = 2}).ok());
  EXPECT_EQ(ListBackups(backups_)->size(), 2U);
}

// kill -9 at random moments of backups.
TEST_F(BackupTest, AKillHarmsNothing) {
  PutMany(*library_, 0, 30);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  library_ = nullptr;
  std::mt19937 moments(20261125);
  uint32_t backups = 1;
  for (int round = 0; round < 15; ++round) {
    int acknowledged[2];
    ASSERT_EQ(pipe(acknowledged), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(acknowledged[0]);
      // A process of its own, as threads do not survive a fork.
      execl(EIDETIC_BINARY_DIR "/tests/backup_crash_writer", "backup_crash_writer", directory_.c_str(),
            backups_.c_str(), absl::StrCat(acknowledged[1]).c_str(), nullptr);
      _exit(127);
    }
    close(acknowledged[1]);
    char said = 0;
    ASSERT_EQ(read(acknowledged[0], &said, 1), 1) << "the child could not open the library";
    usleep(std::uniform_int_distribution<useconds_t>(1'000, 100'000)(moments));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    while (read(acknowledged[0], &said, 1) == 1) ++backups;
    close(acknowledged[0]);
    const auto verified = VerifyBackups(backups_);
    ASSERT_TRUE(verified.ok()) << verified.status();
    for (const Backup& backup : *verified) ASSERT_TRUE(backup.damage.ok()) << backup.damage;
    // The one that was at work when it was killed may be whole.
    ASSERT_GE(verified->size(), backups);
    ASSERT_LE(verified->size(), backups + 1);
    backups = static_cast<uint32_t>(verified->size());
  }
  EXPECT_GT(backups, 5U);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 30);
  // The next run clears away what was left.
  library_ = OpenTestLibrary(directory_);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_, .keep = 1}).ok());
  const auto left = ListBackups(backups_);
  ASSERT_EQ(left->size(), 1U);
  for (const std::string& path : FilesUnder(backups_)) EXPECT_FALSE(absl::EndsWith(path, ".tmp")) << path;
  EXPECT_EQ(std::distance(fs::directory_iterator(backups_ + "/private"), fs::directory_iterator()), 1);
}

TEST_F(BackupTest, AFullDiskHarmsNothing) {
  PutMany(*library_, 0, 30);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  PutMany(*library_, 30, 30);
  fault_injection::SimulatedDisk disk(folder_ / "trash", 1);
  const auto env = fault_injection::NewFaultyEnv(&disk);
  fault_injection::FaultyFileSystem files(&disk);
  int full = 0;
  for (uint64_t free_bytes = 0;; free_bytes += 1 + free_bytes / 2) {
    disk.SetFreeBytes(free_bytes);
    const auto backup =
        library_->CreateBackup({.directory = backups_, .env = env.get(), .file_system = &files});
    if (backup.ok()) break;
    ++full;
    EXPECT_EQ(backup.status().code(), absl::StatusCode::kResourceExhausted) << backup.status();
    ASSERT_EQ(ListBackups(backups_)->size(), 1U);
    ASSERT_TRUE(Put(*library_, 60).ok());
    ASSERT_TRUE(CommitOne(*library_, DeleteAsset{AssetName(60)}).ok());
  }
  EXPECT_GT(full, 5);
  ASSERT_TRUE(Restore(folder_ / "old", 1).ok());
  ExpectHolds(folder_ / "old", 30);
  ASSERT_TRUE(Restore(folder_ / "new").ok());
  ExpectHolds(folder_ / "new", 60);
}

TEST_F(BackupTest, AFullDiskWhileRestoringLeavesNoLibrary) {
  PutMany(*library_, 0, 30);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  fault_injection::SimulatedDisk disk(folder_ / "trash", 1);
  const auto env = fault_injection::NewFaultyEnv(&disk);
  fault_injection::FaultyFileSystem files(&disk);
  int full = 0;
  for (uint64_t free_bytes = 0;; free_bytes += 1 + free_bytes / 2) {
    disk.SetFreeBytes(free_bytes);
    const auto restored = RestoreBackup({.backup_directory = backups_,
                                         .library_directory = folder_ / "new",
                                         .env = env.get(),
                                         .file_system = &files});
    if (restored.ok()) break;
    ++full;
    EXPECT_EQ(restored.status().code(), absl::StatusCode::kResourceExhausted) << restored.status();
    ASSERT_FALSE(fs::exists(folder_ / "new/LIBRARY"));
  }
  EXPECT_GT(full, 5);
  ExpectHolds(folder_ / "new", 30);
}

// The power fails at each file operation of a backup, and of a restore.
TEST_F(BackupTest, APowerLossHarmsNothing) {
  PutMany(*library_, 0, 30);
  ASSERT_TRUE(library_->CreateBackup({.directory = backups_}).ok());
  PutMany(*library_, 30, 3);
  int losses = 0;
  bool whole = false;
  for (uint64_t nth = 1; !whole; nth += 1 + nth / 20) {
    fault_injection::SimulatedDisk disk(folder_ / "trash", nth);
    const auto env = fault_injection::NewFaultyEnv(&disk);
    fault_injection::FaultyFileSystem files(&disk);
    disk.AddFault({.nth = nth, .effect = fault_injection::FaultEffect::kPowerLoss});
    const auto backup =
        library_->CreateBackup({.directory = backups_, .env = env.get(), .file_system = &files});
    whole = disk.has_power();
    disk.LosePower();
    ASSERT_TRUE(disk.Restart().ok());
    const auto verified = VerifyBackups(backups_);
    ASSERT_TRUE(verified.ok()) << verified.status();
    ASSERT_TRUE(verified->front().damage.ok()) << verified->front().damage;
    if (backup.ok()) {
      ASSERT_TRUE(verified->back().damage.ok()) << "acknowledged backup, " << verified->back().damage;
      ASSERT_EQ(verified->back().number, backup->number);
      ASSERT_TRUE(Restore(folder_ / "new").ok());
      ExpectHolds(folder_ / "new", 33);
      fs::remove_all(folder_ / "new");
    }
    losses += whole ? 0 : 1;
  }
  EXPECT_GT(losses, 10);
  EXPECT_TRUE(library_->CreateBackup({.directory = backups_, .keep = 1}).ok());
  EXPECT_EQ(ListBackups(backups_)->size(), 1U);

  losses = 0;
  whole = false;
  for (uint64_t nth = 1; !whole; nth += 1 + nth / 20) {
    fault_injection::SimulatedDisk disk(folder_ / "trash", nth);
    const auto env = fault_injection::NewFaultyEnv(&disk);
    fault_injection::FaultyFileSystem files(&disk);
    disk.AddFault({.nth = nth, .effect = fault_injection::FaultEffect::kPowerLoss});
    const auto restored = RestoreBackup({.backup_directory = backups_,
                                         .library_directory = folder_ / "new",
                                         .env = env.get(),
                                         .file_system = &files});
    whole = disk.has_power();
    disk.LosePower();
    ASSERT_TRUE(disk.Restart().ok());
    if (restored.ok()) {
      ASSERT_TRUE(fs::exists(folder_ / "new/LIBRARY")) << "after operation " << nth;
    }
    if (fs::exists(folder_ / "new/LIBRARY")) {
      ExpectHolds(folder_ / "new", 33);
      fs::remove_all(folder_ / "new");
    }
    losses += whole ? 0 : 1;
  }
  EXPECT_GT(losses, 10);
}

}  // namespace
}  // namespace eidetic::storage
