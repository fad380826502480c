// LibraryService as a client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "service/grpc_status.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using eidetic::v1::AssetInput;
using eidetic::v1::GetAssetRequest;
using eidetic::v1::GetAssetResponse;
using eidetic::v1::ImportAssetsRequest;
using eidetic::v1::ImportAssetsResponse;
using eidetic::v1::IndexPathsRequest;
using eidetic::v1::IndexPathsResponse;
using eidetic::v1::ListAssetsRequest;
using eidetic::v1::ListAssetsResponse;
using eidetic::v1::PutAssetRequest;
using eidetic::v1::PutAssetResponse;
using testing::HasSubstr;

std::vector<std::string> ViolatedFields(const grpc::Status& status) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  std::vector<std::string> fields;
  const auto bad_request = GetBadRequest(FromGrpcStatus(status));
  if (bad_request.has_value()) {
    for (const auto& violation : bad_request->field_violations()) fields.push_back(violation.field());
  }
  return fields;
}

class LibraryServiceTest : public testing::Test {
 protected:
  grpc::Status Put(const AssetInput& asset, PutAssetResponse* response = nullptr) {
    PutAssetRequest request;
    *request.mutable_asset() = asset;
    PutAssetResponse ignored;
    return hosted_.library().PutAsset(NewContext().get(), request, response == nullptr ? &ignored : response);
  }

  grpc::Status Get(const std::string& asset_id, GetAssetResponse* response = nullptr) {
    GetAssetRequest request;
    request.set_asset_id(asset_id);
    request.set_include_embedding(true);
    GetAssetResponse ignored;
    return hosted_.library().GetAsset(NewContext().get(), request, response == nullptr ? &ignored : response);
  }

  AssetInput VectorAsset(const std::string& asset_id, uint64_t seed) {
    AssetInput asset;
    asset.set_asset_id(asset_id);
    const std::vector<float> vector = RandomUnitVector(dimension_, seed);
    asset.mutable_embedding()->mutable_values()->Add(vector.begin(), vector.end());
    return asset;
  }

  ImportAssetsResponse Import(const std::vector<AssetInput>& assets) {
    ImportAssetsResponse response;
    const auto context = NewContext(60);
    const auto writer = hosted_.library().ImportAssets(context.get(), &response);
    for (const AssetInput& asset : assets) {
      ImportAssetsRequest request;
      *request.mutable_asset() = asset;
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  HostedLibrary hosted_{/*over_tcp=*/true};
  const int dimension_ = hosted_.dimension();
};

TEST_F(LibraryServiceTest, PutsAPictureUnderItsContent) {
  AssetInput asset;
  asset.set_image(MakePicture(40, 30, 1));
  asset.add_captions("a pattern of colours");
  (*asset.mutable_attributes())["album"] = "tests";
  PutAssetResponse put;
  ASSERT_TRUE(Put(asset, &put).ok());
  EXPECT_EQ(put.asset().asset_id().size(), 32U);
  EXPECT_EQ(put.asset().width(), 40U);
  EXPECT_EQ(put.asset().height(), 30U);
  EXPECT_EQ(put.asset().size_bytes(), asset.image().size());
  EXPECT_FALSE(put.asset().media_type().empty());
  EXPECT_GT(put.asset().create_time().seconds(), 1'600'000'000);
  ASSERT_EQ(put.asset().captions_size(), 1);
  EXPECT_EQ(put.asset().captions(0).source(), eidetic::v1::CAPTION_SOURCE_CLIENT);
  EXPECT_EQ(put.asset().attributes().at("album"), "tests");

  GetAssetResponse got;
  ASSERT_TRUE(Get(put.asset().asset_id(), &got).ok());
  EXPECT_EQ(got.asset().SerializeAsString(), put.asset().SerializeAsString());
  EXPECT_EQ(got.embedding().values_size(), dimension_);
}

TEST_F(LibraryServiceTest, AReadyMadeVectorIsMadeUnitLengthAndWins) {
  AssetInput asset = VectorAsset("mine", 5);
  for (float& value : *asset.mutable_embedding()->mutable_values()) value *= 1e20F;
  asset.set_image(MakePicture(40, 30, 1));
  PutAssetResponse put;
  ASSERT_TRUE(Put(asset, &put).ok());
  EXPECT_EQ(put.asset().asset_id(), "mine");
  EXPECT_EQ(put.asset().width(), 40U);
  GetAssetResponse got;
  ASSERT_TRUE(Get("mine", &got).ok());
  EXPECT_THAT(got.embedding().values(),
              testing::Pointwise(testing::FloatNear(1e-5F), RandomUnitVector(dimension_, 5)));
}

TEST_F(LibraryServiceTest, PuttingAgainReplaces) {
  AssetInput asset = VectorAsset("mine", 1);
  asset.add_captions("before");
  ASSERT_TRUE(Put(asset).ok());
  asset.clear_captions();
  asset.add_captions("after");
  (*asset.mutable_attributes())["k"] = "v";
  PutAssetResponse put;
  ASSERT_TRUE(Put(asset, &put).ok());
  ASSERT_EQ(put.asset().captions_size(), 1);
  EXPECT_EQ(put.asset().captions(0).text(), "after");
  eidetic::v1::GetStatusResponse status;
  ASSERT_TRUE(hosted_.library().GetStatus(NewContext().get(), {}, &status).ok());
  EXPECT_EQ(status.asset_count(), 1U);
  EXPECT_EQ(status.caption_count(), 1U);
}

TEST_F(LibraryServiceTest, RefusesBadAssetsByField) {
  EXPECT_THAT(ViolatedFields(Put(AssetInput())), testing::ElementsAre("asset", "asset.asset_id"));
  AssetInput asset = VectorAsset("../etc", 1);
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.asset_id"));
  asset.set_asset_id(std::string(129, 'a'));
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.asset_id"));
  asset = VectorAsset("mine", 1);
  asset.mutable_embedding()->set_values(3, std::nanf(""));
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.embedding.values"));
  asset.mutable_embedding()->mutable_values()->Truncate(3);
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.embedding.values"));
  asset = VectorAsset("mine", 1);
  asset.set_image("garbage");
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.image"));
  asset = VectorAsset("mine", 1);
  asset.add_captions("fine");
  asset.add_captions("  ");
  asset.add_captions(std::string(4'097, 'x'));
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.captions[1]", "asset.captions[2]"));
  asset = VectorAsset("mine", 1);
  (*asset.mutable_attributes())[""] = "v";
  (*asset.mutable_attributes())["key"] = std::string(1'025, 'x');
  EXPECT_THAT(ViolatedFields(Put(asset)),
              testing::UnorderedElementsAre("asset.attributes", "asset.attributes[\"key\"]"));
  asset = VectorAsset("mine", 1);
  for (int i = 0; i < 65; ++i) (*asset.mutable_attributes())[absl::StrCat(i)] = "v";
  EXPECT_THAT(ViolatedFields(Put(asset)), testing::ElementsAre("asset.attributes"));
  EXPECT_EQ(Get("mine").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LibraryServiceTest, DeletedAssetsAreGone) {
  ASSERT_TRUE(Put(VectorAsset("mine", 1)).ok());
  eidetic::v1::DeleteAssetRequest request;
  request.set_asset_id("mine");
  eidetic::v1::DeleteAssetResponse response;
  EXPECT_TRUE(hosted_.library().DeleteAsset(NewContext().get(), request, &response).ok());
  EXPECT_EQ(Get("mine").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(hosted_.library().DeleteAsset(NewContext().get(), request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  request.set_asset_id("");
  EXPECT_THAT(ViolatedFields(hosted_.library().DeleteAsset(NewContext().get(), request, &response)),
              testing::ElementsAre("asset_id"));
}

TEST_F(LibraryServiceTest, SearchesSeeAPutWithinATenthOfASecond) {
  ASSERT_TRUE(Put(VectorAsset("first", 1)).ok());
  const absl::Time put_at = absl::Now();
  ASSERT_TRUE(Put(VectorAsset("second", 2)).ok());
  hosted_.WaitForIndex();
  // Generous for a loaded machine; usual is a few milliseconds.
  EXPECT_LT(absl::Now() - put_at, absl::Seconds(2));
  eidetic::v1::SearchRequest request;
  request.add_terms()->set_asset_id("second");
  eidetic::v1::SearchResponse response;
  ASSERT_TRUE(hosted_.search().Search(NewContext().get(), request, &response).ok());
  EXPECT_EQ(response.hits(0).asset().asset_id(), "second");
}

TEST_F(LibraryServiceTest, ListsByEntryAndGoesOnAfterARestart) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put(VectorAsset(absl::StrCat("asset-", 9 - i), i)).ok());
  ListAssetsRequest request;
  request.set_page_size(2);
  std::vector<std::string> ids;
  while (true) {
    ListAssetsResponse response;
    const grpc::Status status = hosted_.library().ListAssets(NewContext().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const auto& asset : response.assets()) ids.push_back(asset.asset_id());
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
    hosted_.Restart();
  }
  EXPECT_THAT(ids, testing::ElementsAre("asset-9", "asset-8", "asset-7", "asset-6", "asset-5"));

  ListAssetsResponse response;
  request.set_page_token("AAAA" + request.page_token());
  EXPECT_THAT(ViolatedFields(hosted_.library().ListAssets(NewContext().get(), request, &response)),
              testing::ElementsAre("page_token"));
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_THAT(ViolatedFields(hosted_.library().ListAssets(NewContext().get(), request, &response)),
              testing::ElementsAre("page_size"));
}

TEST_F(LibraryServiceTest, ImportSkipsAndListsBadItems) {
  std::vector<AssetInput> assets;
  for (int i = 0; i < 600; ++i) assets.push_back(VectorAsset(absl::StrCat("asset-", i), i));
  assets[3].mutable_embedding()->set_values(0, std::nanf(""));
  assets[4].set_asset_id("not good");
  assets[300].clear_embedding();
  assets[500].clear_embedding();
  assets[500].set_image(MakePicture(20, 20, 500));
  assets[500].add_captions("among vectors, a picture");
  assets[599].clear_embedding();
  assets[599].set_image("garbage");
  const ImportAssetsResponse response = Import(assets);
  EXPECT_EQ(response.imported_count(), 596U);
  EXPECT_EQ(response.failed_count(), 4U);
  ASSERT_EQ(response.failures_size(), 4);
  EXPECT_EQ(response.failures(0).position(), 3U);
  EXPECT_EQ(response.failures(0).asset_id(), "asset-3");
  EXPECT_EQ(response.failures(0).code(), 3);
  EXPECT_THAT(response.failures(0).message(), HasSubstr("embedding"));
  EXPECT_EQ(response.failures(3).position(), 599U);

  hosted_.Restart();
  eidetic::v1::GetStatusResponse status;
  ASSERT_TRUE(hosted_.library().GetStatus(NewContext().get(), {}, &status).ok());
  EXPECT_EQ(status.asset_count(), 596U);
  EXPECT_TRUE(Get("asset-500").ok());
}

TEST_F(LibraryServiceTest, ImportListsAThousandFailuresAndCountsAll) {
  const ImportAssetsResponse response = Import(std::vector<AssetInput>(1'500));
  EXPECT_EQ(response.failed_count(), 1'500U);
  EXPECT_EQ(response.failures_size(), 1'000);
  EXPECT_EQ(response.failures(999).position(), 999U);
}

TEST_F(LibraryServiceTest, ACancelledImportKeepsWhatWasWritten) {
  ASSERT_TRUE(Put(VectorAsset("before", 1)).ok());
  ImportAssetsResponse response;
  const auto context = NewContext();
  const auto writer = hosted_.library().ImportAssets(context.get(), &response);
  for (int i = 0; i < 50; ++i) {
    ImportAssetsRequest request;
    *request.mutable_asset() = VectorAsset(absl::StrCat("asset-", i), i);
    ASSERT_TRUE(writer->Write(request));
  }
  context->TryCancel();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Get("before").ok());
  EXPECT_TRUE(Put(VectorAsset("after", 2)).ok());
}

TEST_F(LibraryServiceTest, ClientsSearchWhileOneImports) {
  ASSERT_TRUE(Put(VectorAsset("first", 0)).ok());
  hosted_.WaitForIndex();
  std::atomic<bool> importing = true;
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&] {
      while (importing) {
        eidetic::v1::SearchRequest request;
        request.add_terms()->set_asset_id("first");
        request.set_page_size(50);
        eidetic::v1::SearchResponse response;
        const grpc::Status status = hosted_.search().Search(NewContext().get(), request, &response);
        ASSERT_TRUE(status.ok()) << status.error_message();
        ASSERT_GE(response.hits_size(), 1);
        EXPECT_EQ(response.hits(0).asset().asset_id(), "first");
      }
    });
  }
  std::vector<AssetInput> assets;
  for (int i = 1; i < 2'000; ++i) assets.push_back(VectorAsset(absl::StrCat("asset-", i), i));
  EXPECT_EQ(Import(assets).imported_count(), 1'999U);
  importing = false;
  for (std::thread& client : clients) client.join();
}

TEST_F(LibraryServiceTest, StatusTellsModelIndexAndHolder) {
  ASSERT_TRUE(Put(VectorAsset("mine", 1)).ok());
  hosted_.WaitForIndex();
  eidetic::v1::GetStatusResponse status;
  ASSERT_TRUE(hosted_.library().GetStatus(NewContext().get(), {}, &status).ok());
  EXPECT_EQ(status.library_path(), hosted_.directory());
  EXPECT_EQ(status.format_version(), storage::kFormatVersion);
  EXPECT_EQ(status.asset_count(), 1U);
  EXPECT_EQ(status.model().dimension(), static_cast<uint32_t>(dimension_));
  EXPECT_EQ(status.model().name(), "tiny");
  EXPECT_EQ(status.index().kind(), "exact");
  EXPECT_EQ(status.index().vector_count(), 1U);
  EXPECT_EQ(status.index().state(), eidetic::v1::IndexStatus::STATE_READY);
  EXPECT_EQ(status.holder_pid(), getpid());
  EXPECT_EQ(status.holder_address(), hosted_.host().address());
  EXPECT_FALSE(status.version().empty());
}

class IndexPathsTest : public LibraryServiceTest {
 protected:
  void WritePictures(int count) {
    for (int i = 0; i < count; ++i) {
      std::ofstream(absl::StrCat(photos_.path(), "/", i, ".ppm"), std::ios::binary)
          << MakePicture(32, 32, static_cast<uint32_t>(i));
    }
  }

  IndexPathsRequest Request() const {
    IndexPathsRequest request;
    request.add_paths(photos_.path());
    return request;
  }

  grpc::Status Index(const IndexPathsRequest& request, std::vector<IndexPathsResponse>* messages = nullptr) {
    const auto context = NewContext(60);
    const auto reader = hosted_.library().IndexPaths(context.get(), request);
    IndexPathsResponse message;
    while (reader->Read(&message)) {
      if (messages != nullptr) messages->push_back(message);
    }
    return reader->Finish();
  }

  TemporaryFolder photos_;
};

TEST_F(IndexPathsTest, IndexesAndSumsUp) {
  WritePictures(12);
  std::ofstream(photos_.path() + "/broken.jpg") << "not a picture";
  std::vector<IndexPathsResponse> messages;
  const grpc::Status status = Index(Request(), &messages);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_FALSE(messages.empty());
  ASSERT_TRUE(messages.back().has_summary());
  EXPECT_EQ(messages.back().summary().indexed(), 12U);
  EXPECT_EQ(messages.back().summary().failed(), 1U);
  EXPECT_FALSE(messages.back().summary().cancelled());
  std::vector<std::string> failed;
  for (const auto& message : messages) {
    for (const auto& failure : message.failures()) failed.push_back(failure.path());
  }
  EXPECT_THAT(failed, testing::ElementsAre(photos_.path() + "/broken.jpg"));

  // Searchable when the answer is there.
  eidetic::v1::SearchRequest search;
  search.add_terms()->set_image(MakePicture(32, 32, 3));
  eidetic::v1::SearchResponse found;
  ASSERT_TRUE(hosted_.search().Search(NewContext().get(), search, &found).ok());
  ASSERT_GT(found.hits_size(), 0);
  EXPECT_EQ(found.hits(0).asset().paths(0), photos_.path() + "/3.ppm");

  messages.clear();
  ASSERT_TRUE(Index(Request(), &messages).ok());
  EXPECT_EQ(messages.back().summary().unchanged(), 12U);
}

// A caption's embedding that a disk has damaged, in a closed library.
void DamageCaptionEmbedding(const std::string& library) {
  const std::string path = library + "/rocksdb";
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> database(opened);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    if (handle->GetName() == "caption_embeddings/1") {
      ASSERT_TRUE(database->Put({}, handle, std::string(8, '\0'), "\1 damaged").ok());
    }
    ASSERT_TRUE(database->DestroyColumnFamilyHandle(handle).ok());
  }
  // Its files are others than those sealed.
  std::filesystem::remove(library + "/SEAL");
}

TEST_F(IndexPathsTest, ARunIsDoneAlsoWhenItsConfidenceCannotBeMade) {
  hosted_.PutVector("a", RandomUnitVector(dimension_, 1), {"a caption"});
  hosted_.WaitForIndex();
  ASSERT_TRUE(hosted_.host().Shutdown(absl::Seconds(5)).ok());
  DamageCaptionEmbedding(hosted_.directory());
  hosted_.Restart();
  WritePictures(3);
  std::vector<IndexPathsResponse> messages;
  const grpc::Status status = Index(Request(), &messages);
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(messages.back().summary().indexed(), 3U);
  // The search that needs it says what is wrong.
  eidetic::v1::SearchRequest search;
  search.add_terms()->set_text("a dog");
  eidetic::v1::SearchResponse found;
  EXPECT_EQ(hosted_.search().Search(NewContext().get(), search, &found).error_code(),
            grpc::StatusCode::DATA_LOSS);
}

TEST_F(IndexPathsTest, PathsAreAbsolute) {
  IndexPathsRequest request;
  EXPECT_THAT(ViolatedFields(Index(request)), testing::ElementsAre("paths"));
  request.add_paths(photos_.path());
  request.add_paths("relative/folder");
  request.set_captions_path("captions.tsv");
  EXPECT_THAT(ViolatedFields(Index(request)), testing::ElementsAre("paths[1]", "captions_path"));
}

TEST_F(IndexPathsTest, CancellingStopsCleanlyAndTheNextRunGoesOn) {
  WritePictures(400);
  const auto context = NewContext(60);
  const auto reader = hosted_.library().IndexPaths(context.get(), Request());
  IndexPathsResponse message;
  ASSERT_TRUE(reader->Read(&message));
  // A second run is refused while the first one goes on.
  const grpc::Status second = Index(Request());
  EXPECT_EQ(second.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(second.error_message(), HasSubstr(photos_.path()));
  context->TryCancel();
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);

  std::vector<IndexPathsResponse> messages;
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  grpc::Status status = Index(Request(), &messages);
  // The cancelled run may need a moment to end.
  while (status.error_code() == grpc::StatusCode::ABORTED && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(20));
    status = Index(Request(), &messages);
  }
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(messages.back().summary().indexed() + messages.back().summary().unchanged(), 400U);
}

TEST_F(LibraryServiceTest, VerifyFindsAWholeLibraryWhole) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Put(VectorAsset(absl::StrCat("asset-", i), i)).ok());
  const auto context = NewContext();
  const auto reader = hosted_.library().VerifyLibrary(context.get(), {});
  eidetic::v1::VerifyLibraryResponse message;
  bool summed_up = false;
  while (reader->Read(&message)) {
    EXPECT_EQ(message.faults_size(), 0) << message.DebugString();
    summed_up = message.has_summary();
  }
  EXPECT_TRUE(reader->Finish().ok());
  ASSERT_TRUE(summed_up);
  EXPECT_EQ(message.summary().fault_count(), 0U);
  EXPECT_GT(message.summary().records_read(), 0U);
}

}  // namespace
}  // namespace eidetic::service
