// Moving a served library from one model to another.

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eidetic/v1/generation_service.grpc.pb.h"
#include "service/generation_runs.h"
#include "tests/encoder/tiny_model.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using eidetic::v1::FillFailure;
using eidetic::v1::FillGenerationRequest;
using eidetic::v1::FillGenerationResponse;
using eidetic::v1::FillSummary;
using eidetic::v1::GenerationStatus;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// As the test model, but it sees pictures in another light: the same dimension,
// another fingerprint, other vectors.
class OtherModel {
 public:
  OtherModel() {
    model_.Replace("preprocessor_config.json", "\"image_mean\": [\n  0.5,", "\"image_mean\": [\n  0.9,");
  }
  const std::string& folder() const { return model_.folder(); }

 private:
  encoder::TinyModel model_;
};

struct Filled {
  grpc::Status status;
  FillSummary summary;
  std::vector<FillFailure> failures;
};

class GenerationServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 12; ++i) WritePicture(i, static_cast<uint32_t>(i));
    Index();
  }

  std::string PhotoPath(int number) const { return absl::StrCat(photos_.path(), "/", number, ".ppm"); }
  void WritePicture(int number, uint32_t seed) const {
    std::ofstream(PhotoPath(number), std::ios::binary) << MakePicture(16, 16, seed);
  }

  void Index() {
    eidetic::v1::IndexPathsRequest request;
    request.add_paths(photos_.path());
    const auto context = NewContext(60);
    const auto reader = hosted_.library().IndexPaths(context.get(), request);
    eidetic::v1::IndexPathsResponse message;
    while (reader->Read(&message)) {
    }
    const grpc::Status status = reader->Finish();
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  std::unique_ptr<eidetic::v1::GenerationService::Stub> Generations() {
    return eidetic::v1::GenerationService::NewStub(hosted_.host().InProcessChannel());
  }

  Filled Fill(const FillGenerationRequest& request) {
    Filled filled;
    const auto context = NewContext(60);
    const auto stub = Generations();
    const auto reader = stub->FillGeneration(context.get(), request);
    FillGenerationResponse message;
    while (reader->Read(&message)) {
      filled.failures.insert(filled.failures.end(), message.failures().begin(), message.failures().end());
      if (message.has_summary()) filled.summary = message.summary();
    }
    filled.status = reader->Finish();
    return filled;
  }

  FillGenerationRequest ToOther(bool switch_when_filled) const {
    FillGenerationRequest request;
    request.set_model_folder(other_.folder());
    request.set_switch_when_filled(switch_when_filled);
    return request;
  }

  std::map<uint64_t, GenerationStatus> List() {
    eidetic::v1::ListGenerationsResponse response;
    EXPECT_TRUE(Generations()->ListGenerations(NewContext().get(), {}, &response).ok());
    std::map<uint64_t, GenerationStatus> listed;
    for (const GenerationStatus& generation : response.generations())
      listed[generation.number()] = generation;
    return listed;
  }

  std::string ActiveFingerprint() {
    eidetic::v1::GetStatusResponse response;
    EXPECT_TRUE(hosted_.library().GetStatus(NewContext().get(), {}, &response).ok());
    return response.model().fingerprint();
  }

  // The search for a picture that is indexed: its own file first, with score 1.
  void ExpectFinds(int number, uint32_t seed, const std::string& fingerprint) {
    eidetic::v1::SearchRequest request;
    request.add_terms()->set_image(MakePicture(16, 16, seed));
    request.set_page_size(1);
    request.set_explain(true);
    eidetic::v1::SearchResponse response;
    const grpc::Status status = hosted_.search().Search(NewContext().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_THAT(response.hits(), SizeIs(1));
    EXPECT_THAT(response.hits(0).asset().paths(0), HasSubstr(absl::StrCat("/", number, ".ppm")));
    EXPECT_GT(response.hits(0).score(), 0.999F);
    EXPECT_EQ(response.explanation().model_fingerprint(), fingerprint);
  }

  std::vector<float> VectorOf(const std::string& asset_id, std::string* fingerprint) {
    eidetic::v1::GetAssetRequest request;
    request.set_asset_id(asset_id);
    request.set_include_embedding(true);
    eidetic::v1::GetAssetResponse response;
    const grpc::Status status = hosted_.library().GetAsset(NewContext().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    *fingerprint = response.embedding().model_fingerprint();
    return {response.embedding().values().begin(), response.embedding().values().end()};
  }

  TemporaryFolder photos_;
  OtherModel other_;
  HostedLibrary hosted_;
};

TEST_F(GenerationServiceTest, TheOldModelServesUntilTheSwitchTheNewOneAfter) {
  const std::string old_fingerprint = ActiveFingerprint();
  ExpectFinds(3, 3, old_fingerprint);
  const Filled filled = Fill(ToOther(/*switch_when_filled=*/false));
  ASSERT_TRUE(filled.status.ok()) << filled.status.error_message();
  EXPECT_EQ(filled.summary.embedded(), 12U);
  EXPECT_FALSE(filled.summary.switched());
  EXPECT_EQ(filled.summary.generation().state(), GenerationStatus::STATE_FILLING);
  EXPECT_THAT(filled.failures, IsEmpty());
  EXPECT_EQ(ActiveFingerprint(), old_fingerprint);
  ExpectFinds(3, 3, old_fingerprint);

  // What comes between is encoded before the switch.
  WritePicture(20, 20);
  Index();
  FillGenerationRequest request;
  request.set_generation(0);
  request.set_switch_when_filled(true);
  const Filled switched = Fill(request);
  ASSERT_TRUE(switched.status.ok()) << switched.status.error_message();
  EXPECT_TRUE(switched.summary.switched());
  EXPECT_EQ(switched.summary.embedded(), 1U);
  const std::string new_fingerprint = ActiveFingerprint();
  EXPECT_NE(new_fingerprint, old_fingerprint);
  ExpectFinds(3, 3, new_fingerprint);
  ExpectFinds(20, 20, new_fingerprint);

  // And what comes after it, is the new model's.
  WritePicture(21, 21);
  Index();
  ExpectFinds(21, 21, new_fingerprint);
  hosted_.Restart();
  EXPECT_EQ(ActiveFingerprint(), new_fingerprint);
}

TEST_F(GenerationServiceTest, RollingBackBringsTheOldVectorsBack) {
  const std::string old_fingerprint = ActiveFingerprint();
  ASSERT_TRUE(Fill(ToOther(true)).status.ok());
  WritePicture(20, 20);
  Index();
  FillGenerationRequest request;
  request.set_rollback(true);
  request.set_switch_when_filled(true);
  const Filled back = Fill(request);
  ASSERT_TRUE(back.status.ok()) << back.status.error_message();
  EXPECT_TRUE(back.summary.switched());
  EXPECT_EQ(back.summary.embedded(), 1U) << "what came since is encoded by the old model";
  ExpectFinds(3, 3, old_fingerprint);
  ExpectFinds(20, 20, old_fingerprint);
}

TEST_F(GenerationServiceTest, VectorsOfTheOtherModelAreRefused) {
  const std::string old_fingerprint = ActiveFingerprint();
  hosted_.PutVector("client", AxisVector(8, 0));
  ASSERT_TRUE(Fill(ToOther(false)).status.ok());
  const auto search = [&](const std::string& fingerprint) {
    eidetic::v1::SearchRequest request;
    eidetic::v1::Embedding& query = *request.add_terms()->mutable_embedding();
    query.set_model_fingerprint(fingerprint);
    const std::vector<float> values = AxisVector(8, 0);
    query.mutable_values()->Add(values.begin(), values.end());
    eidetic::v1::SearchResponse response;
    return hosted_.search().Search(NewContext().get(), request, &response);
  };
  const auto put = [&](const std::string& fingerprint) {
    eidetic::v1::PutAssetRequest request;
    request.mutable_asset()->set_asset_id("client");
    eidetic::v1::Embedding& given = *request.mutable_asset()->mutable_embedding();
    given.set_model_fingerprint(fingerprint);
    const std::vector<float> values = AxisVector(8, 1);
    given.mutable_values()->Add(values.begin(), values.end());
    eidetic::v1::PutAssetResponse response;
    return hosted_.library().PutAsset(NewContext().get(), request, &response);
  };
  const std::string new_fingerprint = List()[2].model_fingerprint();
  EXPECT_TRUE(search(old_fingerprint).ok());
  EXPECT_TRUE(search("").ok()) << "there has been one model only";
  EXPECT_EQ(search(new_fingerprint).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(put(new_fingerprint).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  FillGenerationRequest request = ToOther(true);
  request.set_leave_out_unreadable(true);
  ASSERT_TRUE(Fill(request).status.ok());
  EXPECT_EQ(search(old_fingerprint).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status unnamed = search("");
  EXPECT_EQ(unnamed.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << "it may be of the old model";
  EXPECT_THAT(unnamed.error_message(), HasSubstr("model_fingerprint"));
  EXPECT_EQ(put("").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(search(new_fingerprint).ok());
  EXPECT_TRUE(put(new_fingerprint).ok());
}

TEST_F(GenerationServiceTest, WhatCannotBeEncodedNeedsConsent) {
  hosted_.PutVector("client", AxisVector(8, 0), {"a text"});
  std::filesystem::remove(PhotoPath(4));
  WritePicture(5, 55);
  const Filled refused = Fill(ToOther(true));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.status.error_message(), HasSubstr("3 photos"));
  ASSERT_THAT(refused.failures, SizeIs(3));
  std::map<std::string, std::string> reasons;
  for (const FillFailure& failure : refused.failures) {
    reasons[failure.path().empty() ? failure.asset_id()
                                   : std::filesystem::path(failure.path()).filename().string()] =
        failure.message();
  }
  EXPECT_THAT(reasons["client"], HasSubstr("client"));
  EXPECT_THAT(reasons["4.ppm"], HasSubstr("4.ppm"));
  EXPECT_THAT(reasons["5.ppm"], HasSubstr("another content"));

  FillGenerationRequest request = ToOther(true);
  request.set_leave_out_unreadable(true);
  const Filled switched = Fill(request);
  ASSERT_TRUE(switched.status.ok()) << switched.status.error_message();
  EXPECT_TRUE(switched.summary.switched());
  EXPECT_EQ(List()[2].missing_embedding_count(), 3U);
  EXPECT_EQ(List()[2].missing_caption_embedding_count(), 0U) << "texts are always there";
  eidetic::v1::SearchRequest search;
  search.add_terms()->set_asset_id("client");
  eidetic::v1::SearchResponse response;
  const grpc::Status status = hosted_.search().Search(NewContext().get(), search, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("left out"));

  // A file that is back is found again.
  WritePicture(4, 4);
  const Filled again = Fill(ToOther(false));
  ASSERT_TRUE(again.status.ok()) << again.status.error_message();
  EXPECT_EQ(again.summary.embedded(), 1U);
  ExpectFinds(4, 4, ActiveFingerprint());
}

TEST_F(GenerationServiceTest, AbortDropsWhatWasFilled) {
  ASSERT_TRUE(Fill(ToOther(false)).status.ok());
  eidetic::v1::AbortGenerationResponse aborted;
  ASSERT_TRUE(Generations()->AbortGeneration(NewContext().get(), {}, &aborted).ok());
  EXPECT_EQ(aborted.generation().number(), 2U);
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_EQ(Generations()->AbortGeneration(NewContext().get(), {}, &aborted).error_code(),
            grpc::StatusCode::NOT_FOUND);
  ExpectFinds(3, 3, ActiveFingerprint());
}

TEST_F(GenerationServiceTest, TheOldOneIsDroppedOnRequestOrAfterItsTime) {
  ASSERT_TRUE(Fill(ToOther(true)).status.ok());
  const auto drop = [&](uint64_t number) {
    eidetic::v1::DropGenerationRequest request;
    request.set_generation(number);
    eidetic::v1::DropGenerationResponse response;
    return Generations()->DropGeneration(NewContext().get(), request, &response).error_code();
  };
  EXPECT_EQ(drop(2), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(drop(0), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(drop(1), grpc::StatusCode::OK);
  EXPECT_THAT(List(), SizeIs(1));

  FillGenerationRequest back;
  back.set_model_folder(TestModelFolder());
  back.set_switch_when_filled(true);
  ASSERT_TRUE(Fill(back).status.ok());
  EXPECT_THAT(List(), SizeIs(2));
  ASSERT_TRUE(hosted_.host().Shutdown(absl::Seconds(5)).ok());
  {
    auto library = storage::Library::Open(hosted_.directory(), {});
    ASSERT_TRUE(library.ok()) << library.status();
    ASSERT_TRUE(DropExpiredGenerations(**library, absl::Hours(1)).ok());
    EXPECT_THAT(*(*library)->ListGenerations(), SizeIs(2));
    ASSERT_TRUE(DropExpiredGenerations(**library, absl::ZeroDuration()).ok());
    EXPECT_THAT(*(*library)->ListGenerations(), SizeIs(1));
  }
  hosted_.Restart();
}

TEST_F(GenerationServiceTest, BadRequests) {
  EXPECT_EQ(Fill({}).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  FillGenerationRequest request;
  request.set_model_folder("relative");
  EXPECT_EQ(Fill(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_model_folder("/no/such/model");
  EXPECT_EQ(Fill(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_generation(0);
  EXPECT_EQ(Fill(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_generation(9);
  EXPECT_EQ(Fill(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_rollback(true);
  EXPECT_EQ(Fill(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

// Searches and puts go on all the time; each answer is of one model.
TEST_F(GenerationServiceTest, NoAnswerMixesTwoModelsWhileTheLibraryMovesToAndFro) {
  std::atomic<bool> stop = false;
  std::atomic<int> answers = 0;
  std::atomic<int> puts = 0;
  std::thread searcher([&] {
    for (uint32_t i = 0; !stop; i = (i + 1) % 12) {
      eidetic::v1::SearchRequest request;
      request.add_terms()->set_image(MakePicture(16, 16, i));
      request.set_page_size(1);
      eidetic::v1::SearchResponse response;
      const grpc::Status status = hosted_.search().Search(NewContext().get(), request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_THAT(response.hits(), SizeIs(1));
      // A vector of one model in the other's index would score less.
      ASSERT_GT(response.hits(0).score(), 0.999F);
      ++answers;
    }
  });
  std::thread putter([&] {
    for (uint32_t i = 100; !stop; ++i) {
      WritePicture(static_cast<int>(i), i);
      eidetic::v1::PutAssetRequest request;
      request.mutable_asset()->set_image(MakePicture(16, 16, i));
      eidetic::v1::PutAssetResponse response;
      const grpc::Status status = hosted_.library().PutAsset(NewContext().get(), request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      ++puts;
      absl::SleepFor(absl::Milliseconds(2));
    }
  });
  for (int round = 0; round < 4; ++round) {
    FillGenerationRequest request = ToOther(true);
    if (round % 2 == 1) request.set_model_folder(TestModelFolder());
    request.set_leave_out_unreadable(true);
    const Filled filled = Fill(request);
    EXPECT_TRUE(filled.status.ok()) << filled.status.error_message();
    EXPECT_TRUE(filled.summary.switched());
  }
  stop = true;
  searcher.join();
  putter.join();
  EXPECT_GT(answers, 0);
  EXPECT_GT(puts, 0);
  // Every vector is of the model that is in use: its own picture finds it.
  const std::string fingerprint = ActiveFingerprint();
  ExpectFinds(7, 7, fingerprint);
  eidetic::v1::VerifyLibraryResponse message;
  const auto context = NewContext(60);
  const auto reader = hosted_.library().VerifyLibrary(context.get(), {});
  while (reader->Read(&message)) EXPECT_THAT(message.faults(), IsEmpty());
  EXPECT_TRUE(reader->Finish().ok());
}

}  // namespace
}  // namespace eidetic::service
