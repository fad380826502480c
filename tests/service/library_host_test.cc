// Opening, serving and closing a library.
#include "service/library_host.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "service/grpc_status.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Flatten(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

grpc::ByteBuffer Wrap(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// Bytes of an answer to a method that the test has no proto for; empty on an
// error. One request, one answer, then the call is cancelled.
std::string CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                    const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  const auto context = NewContext(10);
  const auto call = stub.PrepareCall(context.get(), method, &queue);
  void* tag = nullptr;
  bool ok = false;
  const auto step = [&] { return queue.Next(&tag, &ok) && ok; };
  grpc::ByteBuffer answer;
  call->StartCall(nullptr);
  if (step()) {
    call->Write(Wrap(request), nullptr);
    if (step()) {
      call->Read(&answer, nullptr);
      if (!step()) answer.Clear();
    }
  }
  context->TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  step();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return Flatten(answer);
}

// grpc.health.v1.HealthCheckRequest{service}; the answer's field 1 is the
// status, 1 meaning SERVING.
bool IsServing(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  std::string request;
  if (!service.empty())
    request = absl::StrCat("\x0A", std::string(1, static_cast<char>(service.size())), service);
  return CallRaw(channel, "/grpc.health.v1.Health/Check", request) == "\x08\x01";
}

TEST(LibraryHostTest, HealthAndReflectionAreOn) {
  HostedLibrary hosted(/*over_tcp=*/true);
  const auto channel = hosted.TcpChannel();
  for (const char* service :
       {"", "eidetic.v1.SearchService", "eidetic.v1.LibraryService", "eidetic.v1.EncoderService"}) {
    EXPECT_TRUE(IsServing(channel, service)) << service;
  }
  EXPECT_FALSE(IsServing(channel, "eidetic.v1.NoService"));

  // ServerReflectionRequest{list_services: "*"}.
  const std::string services =
      CallRaw(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3A\x01*");
  EXPECT_THAT(services, HasSubstr("eidetic.v1.SearchService"));
  EXPECT_THAT(services, HasSubstr("eidetic.v1.LibraryService"));
  EXPECT_THAT(services, HasSubstr("eidetic.v1.EncoderService"));
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

TEST(LibraryHostTest, TheBoundAddressIsWrittenIntoTheLock) {
  HostedLibrary hosted(/*over_tcp=*/true);
  EXPECT_THAT(hosted.host().address(), StartsWith("127.0.0.1:"));
  EXPECT_NE(hosted.host().address(), "127.0.0.1:0");
  const auto holder = storage::Library::ReadHolder(hosted.directory());
  ASSERT_TRUE(holder.ok()) << holder.status();
  ASSERT_TRUE(holder->has_value());
  EXPECT_EQ((*holder)->address, hosted.host().address());
  EXPECT_EQ((*holder)->command, "test");
  EXPECT_EQ((*holder)->pid, getpid());
}

TEST(LibraryHostTest, AnInProcessHostHasNoAddress) {
  HostedLibrary hosted;
  EXPECT_EQ(hosted.host().address(), "");
  EXPECT_EQ((*storage::Library::ReadHolder(hosted.directory()))->address, "");
}

TEST(LibraryHostTest, OneHostALibrary) {
  HostedLibrary hosted;
  EXPECT_EQ(LibraryHost::Open(hosted.Options()).status().code(), absl::StatusCode::kUnavailable);
}

TEST(LibraryHostTest, AnAddressInUseIsRefusedAndTheLibraryLetGo) {
  HostedLibrary hosted(/*over_tcp=*/true);
  TemporaryFolder folder;
  LibraryHostOptions options = hosted.Options();
  options.library_directory = folder.path() + "/library";
  options.address = hosted.host().address();
  const absl::Status refused = LibraryHost::Open(options).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(options.address));
  options.address = "127.0.0.1:0";
  EXPECT_TRUE(LibraryHost::Open(options).ok());
}

TEST(LibraryHostTest, OtherMachinesAreShutOutBeforeAnythingIsMade) {
  TemporaryFolder folder;
  LibraryHostOptions options;
  options.library_directory = folder.path() + "/library";
  options.create = true;
  options.address = "0.0.0.0:0";
  EXPECT_EQ(LibraryHost::Open(options).status().code(), absl::StatusCode::kFailedPrecondition);
  options.address = "nonsense";
  EXPECT_EQ(LibraryHost::Open(options).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(options.library_directory));
}

TEST(LibraryHostTest, ServesOnAUnixSocketOfItsOwner) {
  TemporaryFolder folder;
  LibraryHostOptions options;
  options.library_directory = folder.path() + "/library";
  options.create = true;
  options.address = absl::StrCat("unix:", folder.path(), "/socket");
  for (int run = 0; run < 2; ++run) {
    const auto host = LibraryHost::Open(options);
    ASSERT_TRUE(host.ok()) << host.status();
    EXPECT_EQ((*host)->address(), options.address);
    struct stat info {};
    ASSERT_EQ(stat((folder.path() + "/socket").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0U);
    const auto stub = eidetic::v1::LibraryService::NewStub(
        grpc::CreateChannel(options.address, grpc::InsecureChannelCredentials()));
    eidetic::v1::GetStatusResponse status;
    EXPECT_TRUE(stub->GetStatus(NewContext().get(), {}, &status).ok());
    EXPECT_EQ(status.holder_address(), options.address);
  }
}

TEST(LibraryHostTest, AMissingLibraryAndModelAreTold) {
  TemporaryFolder folder;
  LibraryHostOptions options;
  options.library_directory = folder.path() + "/library";
  EXPECT_EQ(LibraryHost::Open(options).status().code(), absl::StatusCode::kNotFound);
  options.create = true;
  options.model_folder = folder.path() + "/no-model";
  {
    // Nothing needs the model yet.
    const auto host = LibraryHost::Open(options);
    ASSERT_TRUE(host.ok()) << host.status();
    const auto channel = (*host)->InProcessChannel();
    eidetic::v1::GetStatusResponse status;
    EXPECT_TRUE(
        eidetic::v1::LibraryService::NewStub(channel)->GetStatus(NewContext().get(), {}, &status).ok());
    EXPECT_FALSE(status.has_model());
    eidetic::v1::SearchRequest search;
    search.add_terms()->set_text("a dog");
    eidetic::v1::SearchResponse found;
    const grpc::Status searched =
        eidetic::v1::SearchService::NewStub(channel)->Search(NewContext().get(), search, &found);
    EXPECT_EQ(searched.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_THAT(searched.error_message(), HasSubstr("no-model"));
  }
  options.eager = true;
  EXPECT_EQ(LibraryHost::Open(options).status().code(), absl::StatusCode::kNotFound);
}

TEST(LibraryHostTest, VectorsOfTwoModelsAreNotMixed) {
  TemporaryFolder folder;
  LibraryHostOptions options;
  options.library_directory = folder.path() + "/library";
  options.create = true;
  options.model_folder = TestModelFolder();
  {
    auto library = storage::Library::Open(options.library_directory,
                                          {.create = true, .holder_command = "test", .holder_address = ""});
    ASSERT_TRUE(library.ok()) << library.status();
    storage::v1::GenerationRecord other;
    other.set_model_name("another-model");
    other.set_model_fingerprint("00000000000000000000000000000000");
    other.set_dimension(8);
    ASSERT_TRUE((*library)->UseModel(other).ok());
  }
  const auto host = LibraryHost::Open(options);
  ASSERT_TRUE(host.ok()) << host.status();
  const auto search = eidetic::v1::SearchService::NewStub((*host)->InProcessChannel());
  eidetic::v1::SearchRequest request;
  request.add_terms()->set_text("a dog");
  eidetic::v1::SearchResponse response;
  const grpc::Status status = search->Search(NewContext().get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("another-model"));
  EXPECT_THAT(status.error_message(), HasSubstr("tiny"));
  // Vectors of the library's own model need no model loaded.
  request.mutable_terms(0)->mutable_embedding()->mutable_values()->Resize(8, 1.0F);
  EXPECT_TRUE(search->Search(NewContext().get(), request, &response).ok());
}

TEST(LibraryHostTest, MoreCallsThanAllowedAreRefusedAtOnce) {
  HostedLibrary hosted(/*over_tcp=*/true, ServiceLimits{.max_concurrent_calls = 1});
  ASSERT_GT(hosted.dimension(), 0);
  // An import that waits for its client is a call in flight.
  eidetic::v1::ImportAssetsResponse response;
  const auto context = NewContext();
  const auto writer = hosted.library().ImportAssets(context.get(), &response);
  eidetic::v1::ImportAssetsRequest item;
  ASSERT_TRUE(writer->Write(item));
  // Time to be admitted: a status call that comes first would have it refused.
  absl::SleepFor(absl::Seconds(1));
  eidetic::v1::GetStatusResponse ignored;
  grpc::Status refused;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while ((refused = hosted.library().GetStatus(NewContext().get(), {}, &ignored)).ok() &&
         absl::Now() < deadline) {
  }
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(GetRetryInfo(FromGrpcStatus(refused)).has_value());
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  while (!hosted.library().GetStatus(NewContext().get(), {}, &ignored).ok() && absl::Now() < deadline) {
  }
  EXPECT_LT(absl::Now(), deadline);
}

TEST(LibraryHostTest, ShutdownEndsCallsInFlightAndIsDoneOnce) {
  HostedLibrary hosted(/*over_tcp=*/true);
  const int dimension = hosted.dimension();
  hosted.PutVector("kept", AxisVector(dimension, 0));
  std::atomic<bool> stop = false;
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&] {
      while (!stop) {
        eidetic::v1::SearchRequest request;
        request.add_terms()->set_asset_id("kept");
        eidetic::v1::SearchResponse response;
        // Fails once the server is gone; it must not hang or crash.
        const grpc::Status status = hosted.search().Search(NewContext(5).get(), request, &response);
        if (!status.ok()) return;
      }
    });
  }
  eidetic::v1::ImportAssetsResponse response;
  const auto context = NewContext();
  const auto open_import = hosted.library().ImportAssets(context.get(), &response);
  ASSERT_TRUE(open_import->Write({}));

  const absl::Time start = absl::Now();
  EXPECT_TRUE(hosted.host().Shutdown(absl::Milliseconds(200)).ok());
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  EXPECT_FALSE(open_import->Finish().ok());
  EXPECT_TRUE(hosted.host().Shutdown(absl::Seconds(5)).ok());
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_FALSE(storage::Library::ReadHolder(hosted.directory())->has_value());
}

TEST(LibraryHostTest, TheIndexComesBackFromItsSnapshot) {
  HostedLibrary hosted;
  const int dimension = hosted.dimension();
  for (int i = 0; i < 50; ++i) {
    hosted.PutVector(absl::StrCat("asset-", i), RandomUnitVector(dimension, static_cast<uint64_t>(i)));
  }
  hosted.Restart();
  eidetic::v1::GetStatusResponse status;
  ASSERT_TRUE(hosted.library().GetStatus(NewContext().get(), {}, &status).ok());
  EXPECT_EQ(status.index().origin(), "snapshot") << status.index().origin_detail();
  EXPECT_EQ(status.index().vector_count(), 50U);
  EXPECT_GT(status.snapshot_bytes(), 0U);
}

}  // namespace
}  // namespace eidetic::service
