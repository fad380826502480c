// Filling, switching, rolling back and dropping generations.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/generation.h"
#include "storage/library.h"
#include "storage/repair.h"
#include "tests/storage/test_generations.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kOld[] = "f00d";

PutAsset Put(const std::string& id, const std::vector<std::string>& captions = {}) {
  PutAsset put;
  put.asset_id = id;
  put.embedding = UnitVector(SeedOf(id));
  CaptionSet& set = put.caption_sets.emplace_back();
  set.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
  for (const std::string& text : captions) set.captions.push_back({text, UnitVector(SeedOf(text))});
  return put;
}

// One mutation whose vectors are of the model `fingerprint`.
absl::Status CommitOf(Library& library, const std::string& fingerprint, Mutation mutation) {
  std::vector<Mutation> mutations;
  mutations.push_back(std::move(mutation));
  const auto results = library.Commit(std::move(mutations), fingerprint);
  return results.ok() ? results->front() : results.status();
}

class GenerationsTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    library_.reset();
    auto library = Library::Open(folder_ / "library", {.create = true});
    ASSERT_TRUE(library.ok()) << library.status();
    library_ = *std::move(library);
    if (absl::IsNotFound(library_->ActiveGeneration().status())) {
      ASSERT_TRUE(library_->UseModel(TestModel()).ok());
    }
  }

  // Ten assets, every second with two captions.
  void PutTen() {
    for (int i = 0; i < 10; ++i) {
      const std::string id = absl::StrCat("a", i);
      std::vector<std::string> captions;
      if (i % 2 == 0) captions = {absl::StrCat("one of ", id), absl::StrCat("two of ", id)};
      ASSERT_TRUE(CommitOne(*library_, Put(id, captions)).ok());
    }
  }

  uint64_t StartNew() {
    const auto started = library_->StartGeneration(TestModel(kNewDimension, kNew));
    EXPECT_TRUE(started.ok()) << started.status();
    return started.ok() ? started->number() : 0;
  }

  std::vector<MissingVectors> Missing(uint64_t number, size_t limit = 1000) {
    const auto generation = library_->OpenGeneration(number);
    EXPECT_TRUE(generation.ok()) << generation.status();
    const auto missing = (*generation)->NewView()->ListMissing(std::nullopt, limit);
    EXPECT_TRUE(missing.ok()) << missing.status();
    return *missing;
  }

  // Puts vectors of up to `limit` assets that lack them.
  void Fill(uint64_t number, size_t limit = 1000) {
    std::vector<GenerationVectors> vectors;
    for (const MissingVectors& missing : Missing(number, limit)) vectors.push_back(Encode(missing));
    const auto results = library_->PutGenerationVectors(number, kNew, std::move(vectors));
    ASSERT_TRUE(results.ok()) << results.status();
    for (const absl::Status& result : *results) EXPECT_TRUE(result.ok()) << result;
  }

  GenerationStatus StatusOf(uint64_t number) {
    const auto listed = library_->ListGenerations();
    EXPECT_TRUE(listed.ok()) << listed.status();
    for (const GenerationStatus& status : *listed) {
      if (status.record.number() == number) return status;
    }
    ADD_FAILURE() << "there is no generation " << number;
    return {};
  }

  std::vector<std::string> Faults() {
    std::vector<std::string> faults;
    const absl::Status status = library_->VerifyAll(
        [&](const Fault& fault) {
          faults.push_back(absl::StrCat(fault.place, " ", fault.key, ": ", fault.message));
        },
        [](uint64_t, uint64_t) { return true; });
    EXPECT_TRUE(status.ok()) << status;
    return faults;
  }

  Ordinal OrdinalOf(const std::string& id) { return library_->GetAsset(id)->record.ordinal(); }

  TestFolder folder_;
  std::unique_ptr<Library> library_;
};

TEST_F(GenerationsTest, FillingLeavesTheActiveOneAlone) {
  PutTen();
  const uint64_t number = StartNew();
  EXPECT_EQ(number, 2U);
  EXPECT_THAT(Missing(number), SizeIs(10));
  Fill(number);
  EXPECT_THAT(Missing(number), IsEmpty());
  EXPECT_EQ(library_->ActiveGeneration()->model_fingerprint(), kOld);
  EXPECT_EQ(*library_->GetEmbedding(OrdinalOf("a3")), UnitVector(SeedOf("a3")));
  const auto generation = library_->OpenGeneration(number);
  EXPECT_EQ(*(*generation)->GetEmbedding(OrdinalOf("a3")), NewVector(SeedOf("a3")));
  EXPECT_THAT(*(*generation)->GetCaptionEmbeddings(OrdinalOf("a4")), SizeIs(2));
  EXPECT_TRUE(StatusOf(number).complete());
  EXPECT_EQ(StatusOf(number).record.state(), v1::GenerationRecord::STATE_FILLING);
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, ProgressIsWhatIsThereAfterReopening) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number, 4);
  Reopen();
  EXPECT_EQ(StatusOf(number).embeddings, 4U);
  EXPECT_EQ(StatusOf(number).missing_embeddings, 6U);
  EXPECT_THAT(Missing(number), SizeIs(6));
  EXPECT_EQ(StartNew(), number) << "starting again goes on with the same one";
  Fill(number);
  EXPECT_TRUE(StatusOf(number).complete());
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, TheSwitchIsOneChangeAndSurvivesReopening) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number);
  const uint64_t before = library_->last_sequence();
  ASSERT_TRUE(library_->SwitchGeneration(number, {}).ok());
  const auto changes = library_->ReadChanges(before, 10);
  ASSERT_THAT(*changes, SizeIs(1));
  EXPECT_EQ(changes->front().record.kind(), v1::ChangeRecord::KIND_SWITCH);
  EXPECT_EQ(changes->front().record.generation(), number);
  Reopen();
  EXPECT_EQ(library_->ActiveGeneration()->model_fingerprint(), kNew);
  EXPECT_EQ(*library_->GetEmbedding(OrdinalOf("a3")), NewVector(SeedOf("a3")));
  EXPECT_EQ(StatusOf(1).record.state(), v1::GenerationRecord::STATE_RETIRED);
  EXPECT_GT(StatusOf(1).record.retire_time_micros(), 0);
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, NoSwitchWhileAVectorIsMissing) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number, 9);
  const absl::Status refused = library_->SwitchGeneration(number, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("1 of 10 assets"));
  EXPECT_EQ(library_->ActiveGeneration()->number(), 1U);
}

TEST_F(GenerationsTest, AMissingCaptionIsNeverLeftOut) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number);
  ASSERT_TRUE(CommitOf(*library_, kOld, SetCaptions{"a1", Put("a1", {"new words"}).caption_sets}).ok());
  EXPECT_EQ(StatusOf(number).missing_caption_embeddings, 1U);
  EXPECT_TRUE(absl::IsFailedPrecondition(library_->SwitchGeneration(number, {.leave_out_missing = true})));
}

TEST_F(GenerationsTest, WhatChangesDuringTheFillIsFilledAgain) {
  PutTen();
  const uint64_t number = StartNew();
  const std::vector<MissingVectors> read = Missing(number);
  Fill(number);
  PutAsset again = Put("a3");
  again.embedding = UnitVector(77);
  ASSERT_TRUE(CommitOf(*library_, kOld, again).ok());
  ASSERT_TRUE(CommitOf(*library_, kOld, DeleteAsset{"a4"}).ok());
  ASSERT_TRUE(CommitOf(*library_, kOld, SetCaptions{"a6", Put("a6", {"other words"}).caption_sets}).ok());
  ASSERT_TRUE(CommitOf(*library_, kOld, Put("new")).ok());

  std::vector<std::string> missing;
  for (const MissingVectors& one : Missing(number)) missing.push_back(one.asset.asset_id);
  EXPECT_THAT(missing, ElementsAre("a3", "a6", "new"));
  EXPECT_EQ(StatusOf(number).missing_embeddings, 2U);
  EXPECT_EQ(StatusOf(number).missing_caption_embeddings, 1U);

  // What was encoded before the changes is refused.
  std::vector<GenerationVectors> stale;
  for (const size_t i : {size_t{3}, size_t{4}, size_t{6}}) stale.push_back(Encode(read[i]));
  const auto results = library_->PutGenerationVectors(number, kNew, stale);
  ASSERT_TRUE(results.ok());
  EXPECT_TRUE(absl::IsAborted((*results)[0])) << (*results)[0];
  EXPECT_TRUE(absl::IsNotFound((*results)[1])) << (*results)[1];
  EXPECT_TRUE(absl::IsAborted((*results)[2])) << (*results)[2];
  EXPECT_THAT(Missing(number), SizeIs(3));

  Fill(number);
  EXPECT_TRUE(StatusOf(number).complete());
  EXPECT_TRUE(library_->SwitchGeneration(number, {}).ok());
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, VectorsOfAnotherModelAreRefused) {
  PutTen();
  // The same dimension: only the fingerprint tells them apart.
  const auto started = library_->StartGeneration(TestModel(8, kNew));
  ASSERT_TRUE(started.ok());
  const uint64_t number = started->number();
  const std::vector<MissingVectors> missing = Missing(number);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      library_->PutGenerationVectors(number, kOld, {Encode(missing[0], 8)}).status()));
  const auto wrong_dimension = library_->PutGenerationVectors(number, kNew, {Encode(missing[0], 9)});
  EXPECT_TRUE(absl::IsInvalidArgument(wrong_dimension->front()));
  GenerationVectors long_vector = Encode(missing[0], 8);
  for (float& value : long_vector.embedding) value *= 2;
  EXPECT_TRUE(absl::IsInvalidArgument(library_->PutGenerationVectors(number, kNew, {long_vector})->front()));
  EXPECT_THAT(Missing(number), SizeIs(10));

  // Into the active generation only what names its model.
  EXPECT_TRUE(CommitOf(*library_, kOld, Put("b")).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(CommitOf(*library_, kNew, Put("c"))));
  EXPECT_TRUE(absl::IsFailedPrecondition(CommitOf(*library_, "", Put("c"))))
      << "a caller that does not say the model may not guess once there are two";
  EXPECT_TRUE(CommitOf(*library_, "", DeleteAsset{"b"}).ok()) << "no vector, no model";

  std::vector<GenerationVectors> vectors;
  for (const MissingVectors& one : missing) vectors.push_back(Encode(one, 8));
  ASSERT_TRUE(library_->PutGenerationVectors(number, kNew, vectors).ok());
  ASSERT_TRUE(library_->SwitchGeneration(number, {}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(CommitOf(*library_, kOld, Put("c"))));
  EXPECT_TRUE(CommitOf(*library_, kNew, Put("c")).ok());
}

TEST_F(GenerationsTest, AnAbortedOneLeavesNothing) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number, 5);
  const auto open = library_->OpenGeneration(number);
  ASSERT_TRUE(library_->DropGeneration(number).ok());
  EXPECT_TRUE((*open)->GetEmbedding(OrdinalOf("a0")).ok()) << "who reads it still can";
  EXPECT_TRUE(absl::IsNotFound(library_->OpenGeneration(number).status()));
  EXPECT_TRUE(absl::IsNotFound(library_->PutGenerationVectors(number, kNew, {}).status()));
  EXPECT_THAT(*library_->ListGenerations(), SizeIs(1));
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_EQ(StartNew(), number + 1) << "a number is never given again";
  EXPECT_THAT(Missing(number + 1), SizeIs(10));
}

TEST_F(GenerationsTest, TheActiveOneIsNotDropped) {
  PutTen();
  EXPECT_TRUE(absl::IsFailedPrecondition(library_->DropGeneration(1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(library_->DropGeneration(0)));
  EXPECT_TRUE(absl::IsNotFound(library_->DropGeneration(7)));
}

TEST_F(GenerationsTest, RollingBackIsASwitchToTheRetiredOne) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number);
  ASSERT_TRUE(library_->SwitchGeneration(number, {}).ok());
  ASSERT_TRUE(library_->SwitchGeneration(1, {}).ok());
  EXPECT_EQ(*library_->GetEmbedding(OrdinalOf("a3")), UnitVector(SeedOf("a3")));
  EXPECT_EQ(StatusOf(number).record.state(), v1::GenerationRecord::STATE_RETIRED);
  // What came since the switch has to be encoded by the old model first.
  ASSERT_TRUE(library_->SwitchGeneration(number, {}).ok());
  PutAsset put = Put("later");
  put.embedding = NewVector(1);
  ASSERT_TRUE(CommitOf(*library_, kNew, put).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(library_->SwitchGeneration(1, {})));
  EXPECT_THAT(Missing(1), SizeIs(1));
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, TheOldOneGoesOnRequest) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number);
  ASSERT_TRUE(library_->SwitchGeneration(number, {}).ok());
  ASSERT_TRUE(library_->DropGeneration(1).ok());
  Reopen();
  EXPECT_THAT(*library_->ListGenerations(), SizeIs(1));
  EXPECT_EQ(library_->ActiveGeneration()->number(), number);
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, WhatIsLeftOutStaysAndComesBack) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number, 7);  // a7, a8 and a9 lack theirs
  std::vector<GenerationVectors> captions;
  for (const MissingVectors& missing : Missing(number)) {
    captions.push_back(Encode(missing));
    captions.back().embedding.clear();
  }
  ASSERT_TRUE(library_->PutGenerationVectors(number, kNew, captions).ok());
  ASSERT_TRUE(library_->SwitchGeneration(number, {.leave_out_missing = true}).ok());
  Reopen();
  EXPECT_EQ(library_->Counts()->assets, 10U);
  EXPECT_EQ(StatusOf(number).missing_embeddings, 3U);
  EXPECT_TRUE(absl::IsNotFound(library_->GetEmbedding(OrdinalOf("a8")).status()));
  size_t rows = 0;
  ASSERT_TRUE(library_->NewView()
                  ->ForEachEmbedding([&](Ordinal, std::span<const float>) {
                    ++rows;
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(rows, 7U);
  EXPECT_THAT(Faults(), IsEmpty());

  // Its picture can be read again, a client puts it anew, it is deleted.
  const uint64_t before = library_->last_sequence();
  Fill(number, 1);
  EXPECT_EQ(library_->ReadChanges(before, 10)->front().record.kind(), v1::ChangeRecord::KIND_PUT);
  PutAsset put = Put("a8");
  put.embedding = NewVector(8);
  put.caption_sets.clear();
  ASSERT_TRUE(CommitOf(*library_, kNew, put).ok());
  ASSERT_TRUE(CommitOf(*library_, kNew, DeleteAsset{"a9"}).ok());
  EXPECT_EQ(StatusOf(number).missing_embeddings, 0U);
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, OneIsFilledAtATime) {
  EXPECT_GT(StartNew(), 0U);
  const absl::Status second = library_->StartGeneration(TestModel(8, "third")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(second.message(), HasSubstr("abort"));
}

TEST_F(GenerationsTest, TheModelsFolderIsRemembered) {
  v1::GenerationRecord model = TestModel();
  model.set_model_folder("/models/moved");
  ASSERT_TRUE(library_->UseModel(model).ok());
  Reopen();
  EXPECT_EQ(library_->ActiveGeneration()->model_folder(), "/models/moved");
}

// Families of a start or a drop that a crash cut short.
TEST_F(GenerationsTest, LeftoverFamiliesAreDroppedAtOpening) {
  PutTen();
  library_.reset();
  const std::string path = folder_ / "library/rocksdb";
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names).ok());
  {
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::DBOptions(), path, descriptors, &handles, &db).ok());
    rocksdb::ColumnFamilyHandle* leftover = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily({}, "embeddings/2", &leftover).ok());
    ASSERT_TRUE(db->Put({}, leftover, "x", "of another model").ok());
    handles.push_back(leftover);
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  // Who changes the database by other means breaks the seal.
  ASSERT_TRUE(std::filesystem::remove(folder_ / "library/SEAL"));
  Reopen();
  EXPECT_THAT(*library_->ListGenerations(), SizeIs(1));
  const uint64_t number = StartNew();
  EXPECT_EQ(number, 2U);
  EXPECT_THAT(Missing(number), SizeIs(10));
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, ARepairKeepsWhatStandsBy) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number, 4);
  library_.reset();
  const auto repaired = RepairLibrary(folder_ / "library", {});
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  Reopen();
  EXPECT_EQ(StatusOf(number).embeddings, 4U);
  EXPECT_THAT(Missing(number), SizeIs(6));
  Fill(number);
  EXPECT_TRUE(library_->SwitchGeneration(number, {}).ok());
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, ARepairKeepsWhatWasLeftOut) {
  PutTen();
  const uint64_t number = StartNew();
  Fill(number, 7);
  std::vector<GenerationVectors> captions;
  for (const MissingVectors& missing : Missing(number)) {
    captions.push_back(Encode(missing));
    captions.back().embedding.clear();
  }
  ASSERT_TRUE(library_->PutGenerationVectors(number, kNew, captions).ok());
  ASSERT_TRUE(library_->SwitchGeneration(number, {.leave_out_missing = true}).ok());
  library_.reset();
  const auto repaired = RepairLibrary(folder_ / "library", {});
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_EQ(repaired->assets, 10U);
  Reopen();
  EXPECT_EQ(StatusOf(number).missing_embeddings, 3U);
  EXPECT_EQ(StatusOf(1).embeddings, 10U);
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(GenerationsTest, AKillLeavesOneWholeGenerationActive) {
  PutTen();
  library_.reset();
  std::mt19937 moments(7);
  for (int round = 0; round < 15; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // A process of its own, as threads do not survive a fork.
      execl(EIDETIC_BINARY_DIR "/tests/generations_writer", "generations_writer",
            (folder_ / "library").c_str(), nullptr);
      _exit(127);
    }
    usleep(std::uniform_int_distribution<useconds_t>(30'000, 200'000)(moments));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    Reopen();
    ASSERT_THAT(Faults(), IsEmpty()) << "after kill " << round;
    const bool is_new = library_->ActiveGeneration()->model_fingerprint() == kNew;
    for (int i = 0; i < 10; ++i) {
      const std::string id = absl::StrCat("a", i);
      ASSERT_EQ(*library_->GetEmbedding(OrdinalOf(id)),
                is_new ? NewVector(SeedOf(id)) : UnitVector(SeedOf(id)));
    }
    library_.reset();
  }
}

}  // namespace
}  // namespace eidetic::storage
