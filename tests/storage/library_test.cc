#include "storage/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/keys.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

PathInput Path(const std::string& path, int64_t mtime = 1) {
  PathInput input;
  input.path = path;
  input.record.set_mtime_nanos(mtime);
  input.record.set_size_bytes(10);
  return input;
}

PutAsset Put(const std::string& id, uint32_t seed, const std::string& path = "") {
  PutAsset put;
  put.asset_id = id;
  put.embedding = UnitVector(seed);
  put.record.set_width(4);
  put.record.set_height(3);
  if (!path.empty()) put.path = Path(path);
  return put;
}

CaptionSet Captions(eidetic::v1::CaptionSource source, const std::vector<std::string>& texts,
                    bool embed = true) {
  CaptionSet set;
  set.source = source;
  for (const std::string& text : texts) {
    set.captions.push_back({text, embed ? UnitVector(static_cast<uint32_t>(std::hash<std::string>()(text)))
                                        : std::vector<float>()});
  }
  return set;
}

std::vector<std::string> Texts(const Library& library, Ordinal ordinal) {
  std::vector<std::string> texts;
  const auto captions = library.GetCaptions(ordinal);
  EXPECT_TRUE(captions.ok()) << captions.status();
  for (const CaptionEntry& entry : *captions) texts.push_back(entry.record.text());
  return texts;
}

std::vector<std::string> Faults(const Library& library) {
  std::vector<std::string> faults;
  const absl::Status status = library.VerifyAll(
      [&](const Fault& fault) {
        faults.push_back(absl::StrCat(fault.place, " ", fault.key, ": ", fault.message));
      },
      [](uint64_t, uint64_t) { return true; });
  EXPECT_TRUE(status.ok()) << status;
  return faults;
}

class LibraryTest : public ::testing::Test {
 protected:
  void SetUp() override { library_ = OpenTestLibrary(folder_ / "library"); }
  void Reopen() {
    library_.reset();
    library_ = OpenTestLibrary(folder_ / "library");
  }

  TestFolder folder_;
  std::unique_ptr<Library> library_;
};

TEST_F(LibraryTest, WhatWasPutIsThereAfterReopening) {
  PutAsset put = Put("one", 1, "/p/ü \xff.jpg");
  put.caption_sets.push_back(Captions(eidetic::v1::CAPTION_SOURCE_SIDECAR, {"a dog", "a cat"}));
  ASSERT_TRUE(CommitOne(*library_, put).ok());
  Reopen();
  const auto asset = library_->GetAsset("one");
  ASSERT_TRUE(asset.ok()) << asset.status();
  EXPECT_THAT(asset->record.paths(), ElementsAre("/p/ü \xff.jpg"));
  EXPECT_EQ(asset->record.width(), 4U);
  EXPECT_GT(asset->record.create_time_micros(), 0);
  EXPECT_EQ(library_->GetPath("/p/ü \xff.jpg")->asset_id(), "one");
  EXPECT_EQ(*library_->GetAssetId(asset->record.ordinal()), "one");
  EXPECT_EQ(*library_->GetEmbedding(asset->record.ordinal()), UnitVector(1));
  EXPECT_THAT(Texts(*library_, asset->record.ordinal()), ElementsAre("a dog", "a cat"));
  EXPECT_THAT(*library_->GetCaptionEmbeddings(asset->record.ordinal()), SizeIs(2));
  EXPECT_EQ(library_->last_sequence(), 1U);
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, PuttingAgainReplacesFieldsButNeitherOrdinalNorPaths) {
  ASSERT_TRUE(CommitOne(*library_, Put("one", 1, "/a.jpg")).ok());
  const auto before = library_->GetAsset("one");
  PutAsset again = Put("one", 2, "/b.jpg");
  again.record.set_width(99);
  ASSERT_TRUE(CommitOne(*library_, again).ok());
  const auto after = library_->GetAsset("one");
  EXPECT_EQ(after->record.ordinal(), before->record.ordinal());
  EXPECT_EQ(after->record.create_time_micros(), before->record.create_time_micros());
  EXPECT_EQ(after->record.width(), 99U);
  EXPECT_THAT(after->record.paths(), ElementsAre("/a.jpg", "/b.jpg"));
  EXPECT_EQ(*library_->GetEmbedding(after->record.ordinal()), UnitVector(2));
  EXPECT_EQ(library_->Counts()->assets, 1U);
  EXPECT_EQ(library_->Counts()->paths, 2U);
}

TEST_F(LibraryTest, ChangedContentMovesThePathAndDropsTheOldAsset) {
  ASSERT_TRUE(CommitOne(*library_, Put("old", 1, "/a.jpg")).ok());
  ASSERT_TRUE(CommitOne(*library_, Put("new", 2, "/a.jpg")).ok());
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("old").status()));
  EXPECT_EQ(library_->GetPath("/a.jpg")->asset_id(), "new");
  EXPECT_EQ(library_->Counts()->assets, 1U);
  EXPECT_EQ(library_->Counts()->paths, 1U);
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, AnAssetGoesWithItsLastPathUnlessAClientPutIt) {
  ASSERT_TRUE(CommitOne(*library_, Put("file", 1, "/a.jpg")).ok());
  ASSERT_TRUE(CommitOne(*library_, AttachPath{"file", Path("/copy.jpg"), {}}).ok());
  ASSERT_TRUE(CommitOne(*library_, DetachPath{"/a.jpg"}).ok());
  EXPECT_TRUE(library_->GetAsset("file").ok());
  ASSERT_TRUE(CommitOne(*library_, DetachPath{"/copy.jpg"}).ok());
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("file").status()));

  PutAsset put = Put("client", 2, "/b.jpg");
  put.record.set_put_by_client(true);
  ASSERT_TRUE(CommitOne(*library_, put).ok());
  ASSERT_TRUE(CommitOne(*library_, DetachPath{"/b.jpg"}).ok());
  EXPECT_TRUE(library_->GetAsset("client").ok());
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, OrdinalsAreNeverGivenTwice) {
  ASSERT_TRUE(CommitOne(*library_, Put("one", 1)).ok());
  const Ordinal first = library_->GetAsset("one")->record.ordinal();
  ASSERT_TRUE(CommitOne(*library_, DeleteAsset{"one"}).ok());
  Reopen();
  ASSERT_TRUE(CommitOne(*library_, Put("one", 1)).ok());
  EXPECT_GT(library_->GetAsset("one")->record.ordinal(), first);
  EXPECT_TRUE(absl::IsNotFound(library_->GetEmbedding(first).status()));
}

TEST_F(LibraryTest, CaptionsAreReplacedPerSourceAndKeepTheirVectors) {
  PutAsset put = Put("one", 1);
  put.caption_sets = {Captions(eidetic::v1::CAPTION_SOURCE_XMP, {"x"}),
                      Captions(eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, {"a", "b"})};
  ASSERT_TRUE(CommitOne(*library_, put).ok());
  const Ordinal ordinal = library_->GetAsset("one")->record.ordinal();
  // "b" stays without its vector being given again, "a" goes, "c" comes.
  CaptionSet set = Captions(eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, {"b"}, /*embed=*/false);
  set.captions.push_back({"c", UnitVector(7)});
  ASSERT_TRUE(CommitOne(*library_, SetCaptions{"one", {set}}).ok());
  EXPECT_THAT(Texts(*library_, ordinal), ::testing::UnorderedElementsAre("x", "b", "c"));
  EXPECT_EQ(library_->Counts()->captions, 3U);

  const uint64_t sequence = library_->last_sequence();
  ASSERT_TRUE(
      CommitOne(*library_,
                SetCaptions{"one", {Captions(eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, {"b", "c"}, false)}})
          .ok());
  EXPECT_EQ(library_->last_sequence(), sequence) << "nothing changed, nothing is logged";

  const absl::Status refused = CommitOne(
      *library_, SetCaptions{"one", {Captions(eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, {"new"}, false)}});
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(Texts(*library_, ordinal), SizeIs(3)) << "a refusal leaves no trace";
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, BadMutationsAreRefusedAloneAndSaidWhy) {
  std::vector<Mutation> mutations;
  mutations.push_back(Put("bad id!", 1));
  mutations.push_back(Put("good", 1, "/good.jpg"));
  PutAsset wrong_dimension = Put("dim", 1);
  wrong_dimension.embedding.push_back(0);
  mutations.push_back(wrong_dimension);
  PutAsset not_finite = Put("nan", 1);
  not_finite.embedding[0] = std::numeric_limits<float>::quiet_NaN();
  mutations.push_back(not_finite);
  PutAsset too_long = Put("long", 1);
  for (float& value : too_long.embedding) value *= 2;
  mutations.push_back(too_long);
  PutAsset no_vector = Put("none", 1);
  no_vector.embedding.clear();
  mutations.push_back(no_vector);
  mutations.push_back(Put("relative", 1, "a.jpg"));
  mutations.push_back(DetachPath{"/nowhere.jpg"});
  mutations.push_back(DeleteAsset{"nobody"});
  mutations.push_back(AttachPath{"nobody", Path("/x.jpg"), {}});
  PutAsset attributes = Put("attributes", 1);
  (*attributes.record.mutable_attributes())["key"] = std::string(1025, 'x');
  mutations.push_back(attributes);
  const auto results = library_->Commit(mutations);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_THAT(*results, SizeIs(mutations.size()));
  for (size_t i = 0; i < results->size(); ++i) {
    const absl::Status& status = (*results)[i];
    if (i == 1) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      const bool missing = i >= 7 && i <= 9;
      EXPECT_EQ(status.code(), missing ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument)
          << i << " " << status;
    }
  }
  EXPECT_EQ(library_->Counts()->assets, 1U);
  EXPECT_TRUE(absl::IsNotFound(library_->GetPath("/x.jpg").status()));
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, MutationsOfOneCommitSeeEachOther) {
  std::vector<Mutation> mutations;
  mutations.push_back(Put("one", 1, "/a.jpg"));
  mutations.push_back(AttachPath{"one", Path("/b.jpg"), {}});
  mutations.push_back(DetachPath{"/a.jpg"});
  mutations.push_back(Put("two", 2, "/b.jpg"));
  const auto results = library_->Commit(mutations);
  ASSERT_TRUE(results.ok());
  for (const absl::Status& status : *results) EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(absl::IsNotFound(library_->GetAsset("one").status()));
  EXPECT_EQ(library_->GetPath("/b.jpg")->asset_id(), "two");
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, TheChangeLogTellsWhatHappenedInOrder) {
  ASSERT_TRUE(CommitOne(*library_, Put("one", 1, "/a.jpg")).ok());
  ASSERT_TRUE(
      CommitOne(*library_, SetCaptions{"one", {Captions(eidetic::v1::CAPTION_SOURCE_XMP, {"x"})}}).ok());
  ASSERT_TRUE(CommitOne(*library_, AttachPath{"one", Path("/b.jpg"), {}}).ok());
  ASSERT_TRUE(CommitOne(*library_, DeleteAsset{"one"}).ok());
  const auto changes = library_->ReadChanges(0, 100);
  ASSERT_TRUE(changes.ok());
  std::vector<v1::ChangeRecord::Kind> kinds;
  for (size_t i = 0; i < changes->size(); ++i) {
    EXPECT_EQ((*changes)[i].sequence, i + 1);
    kinds.push_back((*changes)[i].record.kind());
  }
  EXPECT_THAT(kinds, ElementsAre(v1::ChangeRecord::KIND_PUT, v1::ChangeRecord::KIND_CAPTIONS,
                                 v1::ChangeRecord::KIND_RECORD, v1::ChangeRecord::KIND_DELETE));
  EXPECT_THAT(*library_->ReadChanges(2, 1), SizeIs(1));
  ASSERT_TRUE(library_->TrimChanges(2).ok());
  EXPECT_TRUE(absl::IsOutOfRange(library_->ReadChanges(1, 10).status()));
  EXPECT_THAT(*library_->ReadChanges(2, 10), SizeIs(2));
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, WaitForChangeWakesOnACommitAndAtTheDeadline) {
  EXPECT_EQ(library_->WaitForChange(0, absl::Now() + absl::Milliseconds(10)), 0U);
  std::thread writer([&] {
    absl::SleepFor(absl::Milliseconds(20));
    EXPECT_TRUE(CommitOne(*library_, Put("one", 1)).ok());
  });
  EXPECT_EQ(library_->WaitForChange(0, absl::Now() + absl::Seconds(20)), 1U);
  writer.join();
}

TEST_F(LibraryTest, AViewDoesNotMove) {
  ASSERT_TRUE(CommitOne(*library_, Put("one", 1)).ok());
  const auto view = library_->NewView();
  ASSERT_TRUE(CommitOne(*library_, Put("two", 2)).ok());
  ASSERT_TRUE(CommitOne(*library_, DeleteAsset{"one"}).ok());
  EXPECT_EQ(view->last_sequence(), 1U);
  std::map<Ordinal, std::vector<float>> seen;
  ASSERT_TRUE(view->ForEachEmbedding([&](Ordinal ordinal, std::span<const float> vector) {
                    seen[ordinal] = {vector.begin(), vector.end()};
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen.begin()->second, UnitVector(1));
}

TEST_F(LibraryTest, AssetsAreListedInOrderAndFromAnyPlace) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(CommitOne(*library_, Put(absl::StrCat("a", 99 - i), i)).ok());
  std::vector<std::string> ids;
  std::optional<Ordinal> after;
  while (true) {
    const auto page = library_->ListAssets(after, 10);
    ASSERT_TRUE(page.ok());
    if (page->empty()) break;
    for (const Asset& asset : *page) ids.push_back(asset.asset_id);
    after = page->back().record.ordinal();
  }
  ASSERT_THAT(ids, SizeIs(25));
  for (int i = 0; i < 25; ++i) EXPECT_EQ(ids[i], absl::StrCat("a", 99 - i));
}

TEST_F(LibraryTest, PathsAreVisitedByPrefix) {
  for (const char* path : {"/a/1.jpg", "/a/2.jpg", "/ab/3.jpg", "/b.jpg"}) {
    ASSERT_TRUE(
        CommitOne(*library_,
                  Put(ContentAssetId({reinterpret_cast<const uint8_t*>(path), strlen(path)}), 1, path))
            .ok());
  }
  std::vector<std::string> seen;
  ASSERT_TRUE(library_
                  ->ForEachPath("/a/",
                                [&](absl::string_view path, const v1::PathRecord&) {
                                  seen.emplace_back(path);
                                  return absl::OkStatus();
                                })
                  .ok());
  EXPECT_THAT(seen, ElementsAre("/a/1.jpg", "/a/2.jpg"));
}

TEST_F(LibraryTest, OneModelALibrary) {
  EXPECT_TRUE(library_->UseModel(TestModel()).ok());
  EXPECT_EQ(library_->ActiveGeneration()->number(), 1U);
  const absl::Status other = library_->UseModel(TestModel(8, "beef"));
  EXPECT_TRUE(absl::IsFailedPrecondition(other)) << other;
  EXPECT_TRUE(absl::IsInvalidArgument(library_->UseModel({})));
}

TEST_F(LibraryTest, ManyWritersLoseNothing) {
  constexpr int kThreads = 16;
  constexpr int kEach = 40;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string id = absl::StrCat("t", t, "-", i);
        EXPECT_TRUE(CommitOne(*library_, Put(id, t * 1000 + i, absl::StrCat("/", id))).ok());
        // Everybody fights for one path, and every third asset goes again.
        EXPECT_TRUE(CommitOne(*library_, AttachPath{id, Path("/shared"), {}}).ok());
        if (i % 3 == 0) {
          EXPECT_TRUE(CommitOne(*library_, DeleteAsset{id}).ok());
        }
      }
    });
  }
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      uint64_t count = 0;
      const auto view = library_->NewView();
      EXPECT_TRUE(view->ForEachEmbedding([&](Ordinal, std::span<const float>) {
                        ++count;
                        return absl::OkStatus();
                      })
                      .ok());
      EXPECT_LE(count, static_cast<uint64_t>(kThreads * kEach));
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  reader.join();
  const int kept = kThreads * (kEach - (kEach + 2) / 3);
  EXPECT_EQ(library_->Counts()->assets, static_cast<uint64_t>(kept));
  EXPECT_THAT(Faults(*library_), IsEmpty());
  Reopen();
  EXPECT_EQ(library_->Counts()->assets, static_cast<uint64_t>(kept));
  EXPECT_THAT(Faults(*library_), IsEmpty());
}

TEST_F(LibraryTest, FlippedBytesInTheDatabaseAreFoundAndNeverServed) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(CommitOne(*library_, Put(absl::StrCat("a", i), i, absl::StrCat("/", i))).ok());
  }
  library_.reset();
  // Values changed behind Eidetic's back, with RocksDB's own checksums right.
  {
    std::vector<std::string> names;
    const std::string path = folder_ / "library/rocksdb";
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, path, descriptors, &handles, &db).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      const std::string name = handle->GetName();
      std::string value;
      if (name == "assets" && db->Get({}, handle, "a7", &value).ok()) {
        value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 1);
        ASSERT_TRUE(db->Put({}, handle, "a7", value).ok());
      } else if (name == "embeddings/1") {
        // Two assets' vectors swapped: each whole, each at the wrong place.
        std::string other;
        ASSERT_TRUE(db->Get({}, handle, OrdinalKey(20), &value).ok());
        ASSERT_TRUE(db->Get({}, handle, OrdinalKey(21), &other).ok());
        ASSERT_TRUE(db->Put({}, handle, OrdinalKey(20), other).ok());
        ASSERT_TRUE(db->Put({}, handle, OrdinalKey(21), value).ok());
      } else if (name == "captions") {
        ASSERT_TRUE(db->Put({}, handle, "junk", "junk").ok());
      }
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  const auto sealed = Library::Open(folder_ / "library", {});
  EXPECT_TRUE(absl::IsDataLoss(sealed.status()))
      << "other files than when it was closed: " << sealed.status();
  std::filesystem::remove(folder_ / "library/SEAL");
  library_ = OpenTestLibrary(folder_ / "library");
  EXPECT_TRUE(absl::IsDataLoss(library_->GetAsset("a7").status()));
  EXPECT_TRUE(absl::IsDataLoss(library_->GetEmbedding(20).status()));
  EXPECT_TRUE(library_->GetEmbedding(22).ok());
  const std::vector<std::string> faults = Faults(*library_);
  EXPECT_THAT(faults, ::testing::Contains(HasSubstr("assets a7")));
  EXPECT_THAT(faults, ::testing::Contains(HasSubstr("captions junk")));
  EXPECT_GE(faults.size(), 4U);
}

TEST(LibraryOpenTest, SaysWhatIsWrong) {
  const TestFolder folder;
  const auto missing = Library::Open(folder / "none", {});
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("eidetic index"));
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));

  std::filesystem::create_directory(folder / "photos");
  std::ofstream(folder / "photos/a.jpg") << "x";
  EXPECT_TRUE(absl::IsFailedPrecondition(Library::Open(folder / "photos", {.create = true}).status()));

  OpenTestLibrary(folder / "library").reset();
  std::ofstream(folder / "library/LIBRARY") << "eidetic library\nformat 99\n";
  const auto newer = Library::Open(folder / "library", {});
  EXPECT_TRUE(absl::IsFailedPrecondition(newer.status())) << newer.status();
  EXPECT_THAT(std::string(newer.status().message()), HasSubstr("99"));
  std::ofstream(folder / "library/LIBRARY") << "garbage";
  EXPECT_TRUE(absl::IsDataLoss(Library::Open(folder / "library", {}).status()));
  std::ofstream(folder / "library/LIBRARY") << "eidetic library\nformat 1\n";
  EXPECT_TRUE(Library::Open(folder / "library", {}).ok());
  std::filesystem::remove_all(folder / "library/rocksdb");
  const auto lost = Library::Open(folder / "library", {.create = true});
  EXPECT_TRUE(absl::IsDataLoss(lost.status())) << "never an empty library in place of a lost one";
}

TEST(LibraryOpenTest, DamagedDatabaseFilesAreRefused) {
  const TestFolder folder;
  {
    const auto library = OpenTestLibrary(folder / "library");
    ASSERT_TRUE(CommitOne(*library, Put("one", 1)).ok());
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder / "library/rocksdb")) {
    if (entry.path().filename().string().starts_with("MANIFEST")) std::ofstream(entry.path()) << "garbage";
  }
  const auto damaged = Library::Open(folder / "library", {.create = true});
  EXPECT_TRUE(absl::IsDataLoss(damaged.status())) << damaged.status();
  EXPECT_THAT(std::string(damaged.status().message()), HasSubstr("backup"));
}

TEST(AssetIdTest, ContentIdIsHalfOfSha256) {
  const std::string text = "abc";
  EXPECT_EQ(ContentAssetId({reinterpret_cast<const uint8_t*>(text.data()), text.size()}),
            "ba7816bf8f01cfea414140de5dae2223");
}

TEST(AssetIdTest, Validation) {
  EXPECT_TRUE(ValidateAssetId("aZ09._-").ok());
  EXPECT_TRUE(ValidateAssetId(std::string(128, 'x')).ok());
  for (const std::string& bad : {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a/b"),
                                 std::string("a\0b", 3), std::string("ü")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateAssetId(bad))) << bad;
  }
}

}  // namespace
}  // namespace eidetic::storage
