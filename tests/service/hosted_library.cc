#include "tests/service/hosted_library.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace eidetic::service {

TemporaryFolder::TemporaryFolder() : path_(absl::StrCat(testing::TempDir(), "/service_test_XXXXXX")) {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

std::string TestModelFolder() {
  return absl::StrCat(EIDETIC_SOURCE_DIR, "/tests/encoder/testdata/models/tiny");
}

HostedLibrary::HostedLibrary(bool over_tcp, const ServiceLimits& limits)
    : directory_(absl::StrCat(folder_.path(), "/library")), over_tcp_(over_tcp), limits_(limits) {
  Connect();
}

LibraryHostOptions HostedLibrary::Options() const {
  LibraryHostOptions options;
  options.library_directory = directory_;
  options.create = true;
  options.model_folder = TestModelFolder();
  options.command = "test";
  options.limits = limits_;
  if (over_tcp_) options.address = "127.0.0.1:0";
  return options;
}

void HostedLibrary::Restart() {
  ASSERT_TRUE(host_->Shutdown(absl::Seconds(5)).ok());
  host_.reset();
  Connect();
}

void HostedLibrary::Connect() {
  auto opened = LibraryHost::Open(Options());
  ASSERT_TRUE(opened.ok()) << opened.status();
  host_ = *std::move(opened);
  const auto channel = over_tcp_ ? TcpChannel() : host_->InProcessChannel();
  search_ = eidetic::v1::SearchService::NewStub(channel);
  library_ = eidetic::v1::LibraryService::NewStub(channel);
  encoder_ = eidetic::v1::EncoderService::NewStub(channel);
}

std::shared_ptr<grpc::Channel> HostedLibrary::TcpChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  // A connection of its own for each channel.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(host_->address(), grpc::InsecureChannelCredentials(), arguments);
}

int HostedLibrary::dimension() {
  eidetic::v1::EmbedRequest request;
  request.add_inputs()->set_text("a dog");
  eidetic::v1::EmbedResponse response;
  const grpc::Status status = encoder_->Embed(NewContext().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.embeddings_size() == 1 ? response.embeddings(0).values_size() : 0;
}

void HostedLibrary::PutVector(const std::string& asset_id, const std::vector<float>& vector,
                              const std::vector<std::string>& captions) {
  eidetic::v1::PutAssetRequest request;
  request.mutable_asset()->set_asset_id(asset_id);
  request.mutable_asset()->mutable_embedding()->mutable_values()->Add(vector.begin(), vector.end());
  for (const std::string& caption : captions) request.mutable_asset()->add_captions(caption);
  eidetic::v1::PutAssetResponse response;
  const grpc::Status status = library_->PutAsset(NewContext().get(), request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

void HostedLibrary::WaitForIndex() {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (true) {
    eidetic::v1::GetStatusResponse response;
    const grpc::Status status = library_->GetStatus(NewContext().get(), {}, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    if (response.index().last_sequence() >= response.last_sequence()) return;
    ASSERT_LT(absl::Now(), deadline) << "the index does not follow the library";
    absl::SleepFor(absl::Milliseconds(2));
  }
}

std::vector<float> RandomUnitVector(int dimension, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vector(static_cast<size_t>(dimension));
  double squares = 0;
  for (float& value : vector) {
    value = normal(random);
    squares += static_cast<double>(value) * value;
  }
  for (float& value : vector) value /= static_cast<float>(std::sqrt(squares));
  return vector;
}

std::vector<float> AxisVector(int dimension, int axis) {
  std::vector<float> vector(static_cast<size_t>(dimension));
  vector[static_cast<size_t>(axis)] = 1;
  return vector;
}

std::string MakePicture(int width, int height, uint32_t seed) {
  std::string bytes = absl::StrCat("P6\n", width, " ", height, "\n255\n");
  std::minstd_rand random(seed + 1);
  const uint32_t base = static_cast<uint32_t>(random());
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      bytes.push_back(static_cast<char>((base + static_cast<uint32_t>(x) * 3) & 0xFF));
      bytes.push_back(static_cast<char>(((base >> 8) + static_cast<uint32_t>(y) * 5) & 0xFF));
      bytes.push_back(static_cast<char>((base >> 16) & 0xFF));
    }
  }
  return bytes;
}

std::unique_ptr<grpc::ClientContext> NewContext(int seconds) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
  return context;
}

}  // namespace eidetic::service
