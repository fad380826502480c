// What clients see of a disk that runs full and has room again.

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/fault_injection/simulated_disk.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// A request to grpc.health.v1, whose proto Debian does not package: field 1 is the
// service's name.
grpc::ByteBuffer HealthRequest(const std::string& service) {
  const grpc::Slice slice(absl::StrCat("\x0A", std::string(1, static_cast<char>(service.size())), service));
  return {&slice, 1};
}

// Of an answer: field 1 is 1 for SERVING, 2 for NOT_SERVING.
std::string ServingStatus(grpc::ByteBuffer& answer) {
  grpc::Slice slice;
  EXPECT_TRUE(answer.DumpToSingleSlice(&slice).ok());
  const std::string bytes(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes == "\x08\x01" ? "SERVING" : bytes == "\x08\x02" ? "NOT_SERVING" : "?";
}

// The answers of a grpc.health.v1 Watch, one by one.
class HealthWatch {
 public:
  HealthWatch(const std::shared_ptr<grpc::Channel>& channel, const std::string& service)
      : stub_(channel), context_(NewContext(60)) {
    call_ = stub_.PrepareCall(context_.get(), "/grpc.health.v1.Health/Watch", &queue_);
    call_->StartCall(nullptr);
    Next();
    call_->WriteLast(HealthRequest(service), {}, nullptr);
    Next();
  }
  ~HealthWatch() {
    context_->TryCancel();
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Next();
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }
  std::string Read() {
    grpc::ByteBuffer answer;
    call_->Read(&answer, nullptr);
    return Next() ? ServingStatus(answer) : "ended";
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

class Events final : public storage::EventLog {
 public:
  void Report(storage::EventSeverity, absl::string_view event,
              std::span<const storage::EventField>) override {
    const absl::MutexLock lock(&mutex_);
    names_.emplace_back(event);
  }
  std::vector<std::string> names() const {
    const absl::MutexLock lock(&mutex_);
    return names_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
};

class DiskFailureTest : public testing::Test {
 protected:
  DiskFailureTest() : disk_(folder_.path() + "/trash", 7), env_(NewFaultyEnv(&disk_)), files_(&disk_) {
    LibraryHostOptions options;
    options.library_directory = folder_.path() + "/library";
    options.create = true;
    options.model_folder = TestModelFolder();
    options.http_address = "127.0.0.1:0";
    options.env = env_.get();
    options.search_engine.file_system = &files_;
    options.event_log = &events_;
    auto opened = LibraryHost::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    host_ = *std::move(opened);
    library_ = eidetic::v1::LibraryService::NewStub(host_->InProcessChannel());
    search_ = eidetic::v1::SearchService::NewStub(host_->InProcessChannel());
  }

  grpc::Status Put(const std::string& asset_id) {
    eidetic::v1::PutAssetRequest request;
    request.mutable_asset()->set_asset_id(asset_id);
    request.mutable_asset()->set_image(MakePicture(32, 32, static_cast<uint32_t>(asset_id.size())));
    eidetic::v1::PutAssetResponse response;
    return library_->PutAsset(NewContext().get(), request, &response);
  }
  int Hits() {
    eidetic::v1::SearchRequest request;
    request.add_terms()->set_text("a dog");
    eidetic::v1::SearchResponse response;
    EXPECT_TRUE(search_->Search(NewContext().get(), request, &response).ok());
    return response.hits_size();
  }
  // The index takes in what was put a moment later.
  void AwaitHits(int count) {
    for (int i = 0; i < 500 && Hits() != count; ++i) absl::SleepFor(absl::Milliseconds(10));
    EXPECT_EQ(Hits(), count);
  }
  eidetic::v1::WriteStatus Writes() {
    eidetic::v1::GetStatusResponse response;
    EXPECT_TRUE(library_->GetStatus(NewContext().get(), {}, &response).ok());
    return response.writes();
  }
  std::string Page(const char* path) {
    const auto answer = httplib::Client(absl::StrCat("http://", host_->http_address())).Get(path);
    return answer && answer->status == 200 ? answer->body : "no page";
  }

  TemporaryFolder folder_;
  fault_injection::SimulatedDisk disk_;
  std::unique_ptr<rocksdb::Env> env_;
  fault_injection::FaultyFileSystem files_;
  Events events_;
  std::unique_ptr<LibraryHost> host_;
  std::unique_ptr<eidetic::v1::LibraryService::Stub> library_;
  std::unique_ptr<eidetic::v1::SearchService::Stub> search_;
};

TEST_F(DiskFailureTest, HealthStatusAndMetricsTellOfWritesAlone) {
  HealthWatch library(host_->InProcessChannel(), "eidetic.v1.LibraryService");
  EXPECT_EQ(library.Read(), "SERVING");
  ASSERT_TRUE(Put("one").ok());
  EXPECT_TRUE(Writes().accepted());
  EXPECT_THAT(Page("/metrics"), HasSubstr("\neidetic_library_writable 1\n"));

  disk_.SetFreeBytes(0);
  const grpc::Status refused = Put("two");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("free some space"));
  EXPECT_EQ(library.Read(), "NOT_SERVING");
  for (const char* service : {"", "eidetic.v1.SearchService", "eidetic.v1.EncoderService"}) {
    EXPECT_EQ(HealthWatch(host_->InProcessChannel(), service).Read(), "SERVING") << service;
  }
  const eidetic::v1::WriteStatus writes = Writes();
  EXPECT_FALSE(writes.accepted());
  EXPECT_EQ(writes.reason(), "disk_full");
  EXPECT_THAT(writes.detail(), HasSubstr("No space left"));
  EXPECT_NEAR(writes.since_time().seconds(), absl::ToUnixSeconds(absl::Now()), 60);
  AwaitHits(1);
  EXPECT_EQ(Page("/healthz"), "ok, but writes are refused: disk_full\n");
  EXPECT_THAT(Page("/metrics"),
              AllOf(HasSubstr("\neidetic_library_writable 0\n"),
                    HasSubstr("event=\"writes_failed\",reason=\"disk_full\",severity=\"error\"} 1\n"),
                    HasSubstr("eidetic_commits_total{outcome=\"failed\"} 1\n")));

  disk_.SetFreeBytes(std::nullopt);
  EXPECT_EQ(library.Read(), "SERVING");
  EXPECT_TRUE(Put("three").ok());
  EXPECT_TRUE(Writes().accepted());
  EXPECT_EQ(Page("/healthz"), "ok\n");
  EXPECT_THAT(events_.names(),
              AllOf(Contains("writes_failed").Times(1), Contains("writes_recovered").Times(1)));
}

TEST_F(DiskFailureTest, ASnapshotThatCannotBeSavedIsNoFailure) {
  ASSERT_TRUE(Put("one").ok());
  AwaitHits(1);
  disk_.SetFreeBytes(0);
  EXPECT_TRUE(host_->Shutdown(absl::Seconds(5)).ok());
  EXPECT_THAT(events_.names(),
              AllOf(Contains("snapshot_write_failed").Times(1), Not(Contains("snapshot_written"))));
}

TEST_F(DiskFailureTest, ACalibrationThatCannotBeKeptIsToldOnce) {
  ASSERT_TRUE(Put("one").ok());
  disk_.SetFreeBytes(0);
  AwaitHits(1);
  // So many more that another calibration is made.
  disk_.SetFreeBytes(std::nullopt);
  ASSERT_TRUE(Put("two").ok());
  disk_.SetFreeBytes(0);
  AwaitHits(2);
  EXPECT_THAT(events_.names(), Contains("calibration_not_kept").Times(1));
}

}  // namespace
}  // namespace eidetic::service
