// LibraryService.ExportAssets and the way back through ImportAssets.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using eidetic::v1::ExportAssetsRequest;
using eidetic::v1::ExportAssetsResponse;
using eidetic::v1::ExportHeader;
using eidetic::v1::ImportAssetsRequest;
using eidetic::v1::ImportAssetsResponse;
using eidetic::v1::PortableAsset;
using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

struct Exported {
  ExportHeader header;
  std::vector<PortableAsset> assets;
};

Exported Export(HostedLibrary& hosted, bool without_embeddings = false) {
  ExportAssetsRequest request;
  request.set_without_embeddings(without_embeddings);
  const auto context = NewContext(60);
  const auto stream = hosted.library().ExportAssets(context.get(), request);
  Exported exported;
  ExportAssetsResponse message;
  while (stream->Read(&message)) {
    if (message.has_header()) exported.header = message.header();
    for (const PortableAsset& asset : message.assets()) exported.assets.push_back(asset);
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return exported;
}

grpc::Status Import(HostedLibrary& hosted, const std::vector<PortableAsset>& assets,
                    ImportAssetsResponse& response, const std::string& fingerprint = "") {
  const auto context = NewContext(60);
  const auto writer = hosted.library().ImportAssets(context.get(), &response);
  for (const PortableAsset& asset : assets) {
    ImportAssetsRequest request;
    *request.mutable_portable_asset() = asset;
    request.set_model_fingerprint(fingerprint);
    if (!writer->Write(request)) break;
  }
  writer->WritesDone();
  return writer->Finish();
}

PortableAsset FullAsset(const std::string& asset_id, int dimension, uint64_t seed) {
  PortableAsset asset;
  asset.set_asset_id(asset_id);
  const std::vector<float> vector = RandomUnitVector(dimension, seed);
  asset.mutable_embedding()->mutable_values()->Add(vector.begin(), vector.end());
  eidetic::v1::PortablePath* path = asset.add_paths();
  path->set_path(absl::StrCat("/photos/", asset_id, ".jpg"));
  path->set_mtime_nanos(1'700'000'000'123'456'789);
  path->set_size_bytes(4242);
  path->set_sidecar_mtime_nanos(-5);
  path->set_sidecar_size_bytes(7);
  asset.add_paths()->set_path_bytes(absl::StrCat("/photos/\xff", asset_id));
  for (const auto source : {eidetic::v1::CAPTION_SOURCE_SIDECAR, eidetic::v1::CAPTION_SOURCE_CLIENT}) {
    eidetic::v1::PortableCaption* caption = asset.add_captions();
    caption->set_text(absl::StrCat("caption ", source, " of ", asset_id));
    caption->set_source(source);
    const std::vector<float> text = RandomUnitVector(dimension, seed + 1000 + static_cast<uint64_t>(source));
    caption->mutable_embedding()->mutable_values()->Add(text.begin(), text.end());
  }
  asset.set_width(640);
  asset.set_height(480);
  asset.set_media_type("image/jpeg");
  asset.set_size_bytes(4242);
  asset.mutable_create_time()->set_seconds(1'600'000'000);
  asset.mutable_taken_time()->set_seconds(-1000);
  asset.mutable_taken_time()->set_nanos(250'000'000);
  asset.mutable_metadata()->set_camera_model("X100V");
  asset.mutable_metadata()->set_latitude(43.5);
  asset.mutable_metadata()->add_tags("beach");
  (*asset.mutable_attributes())["album"] = "Italy";
  return asset;
}

TEST(ExportAssetsTest, WhatIsImportedIsExportedAgain) {
  HostedLibrary first;
  std::vector<PortableAsset> assets;
  for (uint64_t i = 0; i < 50; ++i) assets.push_back(FullAsset(absl::StrCat("a", i), first.dimension(), i));
  ImportAssetsResponse response;
  grpc::Status status = Import(first, assets, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.imported_count(), 50U) << response.DebugString();
  const Exported exported = Export(first);
  EXPECT_EQ(exported.header.asset_count(), 50U);
  EXPECT_EQ(exported.header.dimension(), static_cast<uint32_t>(first.dimension()));
  ASSERT_EQ(exported.assets.size(), 50U);

  HostedLibrary second;
  response.Clear();
  status = Import(second, exported.assets, response, exported.header.model_fingerprint());
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.failed_count(), 0U);
  const Exported again = Export(second);
  ASSERT_EQ(again.assets.size(), 50U);
  MessageDifferencer differencer;
  differencer.set_float_comparison(MessageDifferencer::APPROXIMATE);
  for (size_t i = 0; i < 50; ++i) {
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    EXPECT_TRUE(differencer.Compare(assets[i], again.assets[i])) << difference;
  }
  // Verified like any other.
  const auto context = NewContext(60);
  const auto verify = second.library().VerifyLibrary(context.get(), {});
  eidetic::v1::VerifyLibraryResponse verified;
  while (verify->Read(&verified)) EXPECT_EQ(verified.faults_size(), 0) << verified.DebugString();
}

TEST(ExportAssetsTest, AnEmptyLibrary) {
  HostedLibrary hosted;
  const Exported exported = Export(hosted);
  EXPECT_EQ(exported.header.asset_count(), 0U);
  EXPECT_TRUE(exported.assets.empty());
}

TEST(ExportAssetsTest, WithoutEmbeddings) {
  HostedLibrary hosted;
  ImportAssetsResponse response;
  ASSERT_TRUE(Import(hosted, {FullAsset("a", hosted.dimension(), 1)}, response).ok());
  const Exported exported = Export(hosted, /*without_embeddings=*/true);
  ASSERT_EQ(exported.assets.size(), 1U);
  EXPECT_FALSE(exported.assets.front().has_embedding());
  EXPECT_FALSE(exported.assets.front().captions(0).has_embedding());
  // A record without a vector is enough for an asset that is there.
  EXPECT_TRUE(Import(hosted, exported.assets, response).ok());
  EXPECT_EQ(response.imported_count(), 1U);
  EXPECT_TRUE(Export(hosted).assets.front().has_embedding());
}

TEST(ExportAssetsTest, BadAssetsAreSkippedAndNamed) {
  HostedLibrary hosted;
  const int dimension = hosted.dimension();
  std::vector<PortableAsset> assets(9, FullAsset("a", dimension, 1));
  assets[1].set_asset_id("no/slash");
  assets[2].mutable_embedding()->mutable_values()->RemoveLast();
  assets[3].mutable_embedding()->mutable_values()->Set(0, std::numeric_limits<float>::quiet_NaN());
  assets[4].mutable_captions(0)->set_source(eidetic::v1::CAPTION_SOURCE_PHRASE_BANK);
  assets[5].mutable_captions(0)->set_text(std::string(5000, 'x'));
  assets[6].mutable_paths(1)->set_path_bytes("relative");
  assets[7].mutable_taken_time()->set_nanos(-1);
  assets[8].set_asset_id("new");
  assets[8].clear_embedding();
  ImportAssetsResponse response;
  const grpc::Status status = Import(hosted, assets, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.imported_count(), 1U);
  ASSERT_EQ(response.failures_size(), 8) << response.DebugString();
  EXPECT_THAT(response.failures(5).message(), HasSubstr("absolute path"));
}

TEST(ExportAssetsTest, EmbeddingsOfAnotherModelAreRefused) {
  HostedLibrary hosted;
  ImportAssetsResponse response;
  const grpc::Status status = Import(hosted, {FullAsset("a", hosted.dimension(), 1)}, response, "another");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("another"));
  EXPECT_TRUE(Export(hosted).assets.empty());
}

}  // namespace
}  // namespace eidetic::service
