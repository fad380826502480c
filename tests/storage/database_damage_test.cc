// Damage of the database that RocksDB by itself takes for a crash's usual trace.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "absl/strings/str_cat.h"
#include "storage/library.h"
#include "storage/write_ahead_log.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteAll(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The log with something in it.
fs::path LogOf(const std::string& library) {
  for (const auto& entry : fs::directory_iterator(library + "/rocksdb")) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) return entry.path();
  }
  ADD_FAILURE() << "no log in " << library;
  return {};
}

absl::Status TryToOpen(const std::string& directory) { return Library::Open(directory, {}).status(); }

class DatabaseDamageTest : public ::testing::Test {
 protected:
  // Puts `count` assets, and copies the library as a kill would leave it.
  void SetUp() override {
    auto library = OpenTestLibrary(closed_);
    for (uint32_t i = 0; i < 200; ++i) {
      PutAsset put;
      put.asset_id = absl::StrCat("a", i);
      put.embedding = UnitVector(i);
      put.path.emplace();
      put.path->path = absl::StrCat("/", i);
      ASSERT_TRUE(CommitOne(*library, put).ok());
    }
    fs::copy(closed_, killed_, fs::copy_options::recursive);
    library.reset();
  }

  void ExpectDamage(const std::string& directory, const std::string& what) {
    // Opening twice: the first must not have made the loss final.
    for (int i = 0; i < 2; ++i) {
      const absl::Status status = TryToOpen(directory);
      EXPECT_TRUE(absl::IsDataLoss(status)) << what << ": " << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("eidetic verify --repair")) << what;
    }
  }

  const TestFolder folder_;
  const std::string closed_ = folder_ / "closed";
  const std::string killed_ = folder_ / "killed";
};

TEST_F(DatabaseDamageTest, WholeOnesOpenAgainAndAgain) {
  for (const std::string& directory : {closed_, killed_}) {
    for (int i = 0; i < 3; ++i) {
      auto library = Library::Open(directory, {});
      ASSERT_TRUE(library.ok()) << library.status();
      EXPECT_EQ((*library)->last_sequence(), 200U);
      EXPECT_EQ((*library)->Counts()->assets, 200U);
    }
  }
}

TEST_F(DatabaseDamageTest, AClosedLibraryThatLostTheEndOfItsLogDoesNotOpen) {
  const fs::path log = LogOf(closed_);
  const std::string good = ReadAll(log);
  for (const size_t size : {size_t{0}, good.size() / 2, good.size() - 1}) {
    WriteAll(log, good.substr(0, size));
    ExpectDamage(closed_, absl::StrCat("log cut to ", size));
  }
  fs::remove(log);
  ExpectDamage(closed_, "log missing");
  WriteAll(log, good);
  EXPECT_TRUE(TryToOpen(closed_).ok()) << "nothing was changed meanwhile";
}

TEST_F(DatabaseDamageTest, AfterAKillATornTailIsNoDamage) {
  const fs::path log = LogOf(killed_);
  WriteAll(log, ReadAll(log).substr(0, fs::file_size(log) - 10));
  auto library = Library::Open(killed_, {});
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ((*library)->last_sequence(), 199U);
}

TEST_F(DatabaseDamageTest, AfterAKillDamageInTheMidstOfTheLogIsNotTakenForATornTail) {
  const fs::path log = LogOf(killed_);
  const std::string good = ReadAll(log);
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::string bad = good;
    bad[random() % (good.size() * 9 / 10)] ^= static_cast<char>(1 << (random() % 8));
    WriteAll(log, bad);
    const absl::Status status = TryToOpen(killed_);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  }
  WriteAll(log, good);
  EXPECT_TRUE(TryToOpen(killed_).ok());
}

TEST_F(DatabaseDamageTest, APipeDoesNotBlock) {
  const fs::path log = LogOf(closed_);
  fs::remove(log);
  ASSERT_EQ(mkfifo(log.c_str(), 0600), 0);
  ExpectDamage(closed_, "a pipe");
}

TEST_F(DatabaseDamageTest, AnOlderDatabaseIsNotServedForTheNewerOne) {
  const std::string older = folder_ / "older";
  fs::copy(closed_ + "/rocksdb", older, fs::copy_options::recursive);
  ASSERT_TRUE(CommitOne(*OpenTestLibrary(closed_), DeleteAsset{"a7"}).ok());
  fs::remove_all(closed_ + "/rocksdb");
  fs::copy(older, closed_ + "/rocksdb", fs::copy_options::recursive);
  ExpectDamage(closed_, "older");
}

TEST_F(DatabaseDamageTest, ADamagedSealIsDamage) {
  const std::string seal = closed_ + "/SEAL";
  std::string bytes = ReadAll(seal);
  bytes[bytes.size() / 2] ^= 1;
  WriteAll(seal, bytes);
  ExpectDamage(closed_, "seal");
}

TEST(WriteAheadLogTest, FindsWholeWritesBehindDamage) {
  const TestFolder folder;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, folder / "db", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  // Small ones and ones of several blocks.
  for (int i = 0; i < 60; ++i) {
    const std::string value(static_cast<size_t>(i % 10 == 0 ? 100'000 : 200 * i),
                            static_cast<char>('a' + i % 26));
    rocksdb::WriteBatch batch;
    ASSERT_TRUE(batch.Put(absl::StrCat(i), value).ok());
    ASSERT_TRUE(batch.Put(absl::StrCat(i, "b"), "x").ok());
    ASSERT_TRUE(db->Write({}, &batch).ok());
  }
  ASSERT_TRUE(db->FlushWAL(true).ok());
  std::string log;
  for (const auto& entry : fs::directory_iterator(folder / "db")) {
    if (entry.path().extension() == ".log") log = ReadAll(entry.path());
  }
  const uint64_t last = db->GetLatestSequenceNumber();
  ASSERT_EQ(LastWholeWrite(log), last);
  EXPECT_EQ(LastWholeWrite(""), 0U);
  EXPECT_EQ(LastWholeWrite(std::string(100'000, '\0')), 0U);
  EXPECT_EQ(LastWholeWrite(log.substr(0, log.size() - 1)), last - 2) << "the last one is torn";
  EXPECT_EQ(LastWholeWrite(log + std::string(40'000, '\0')), last);
  std::mt19937 random(2);
  for (int i = 0; i < 50; ++i) {
    std::string bad = log;
    const size_t from = random() % (log.size() - 100'000);
    bad.replace(from, 100, std::string(100, static_cast<char>(random())));
    EXPECT_EQ(LastWholeWrite(bad), last) << "damage at " << from;
  }
}

}  // namespace
}  // namespace eidetic::storage
