#include "service/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using storage::EventSeverity;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Fetch(const std::string& address, const char* path) {
  const auto answer = httplib::Client(absl::StrCat("http://", address)).Get(path);
  if (!answer) return "no answer";
  EXPECT_EQ(answer->status, 200);
  return answer->body;
}

class MetricsTest : public testing::Test {
 protected:
  void Open() {
    LibraryHostOptions options;
    options.library_directory = folder_.path() + "/library";
    options.create = true;
    options.model_folder = TestModelFolder();
    options.http_address = "127.0.0.1:0";
    auto opened = LibraryHost::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    host_ = *std::move(opened);
  }
  grpc::Status Put(const std::string& asset_id) {
    eidetic::v1::PutAssetRequest request;
    request.mutable_asset()->set_asset_id(asset_id);
    request.mutable_asset()->set_image(MakePicture(32, 32, 1));
    eidetic::v1::PutAssetResponse response;
    return eidetic::v1::LibraryService::NewStub(host_->InProcessChannel())
        ->PutAsset(NewContext().get(), request, &response);
  }
  grpc::Status Search(const std::string& text) {
    eidetic::v1::SearchRequest request;
    request.add_terms()->set_text(text);
    eidetic::v1::SearchResponse response;
    return eidetic::v1::SearchService::NewStub(host_->InProcessChannel())
        ->Search(NewContext().get(), request, &response);
  }
  std::string Page() { return Fetch(host_->http_address(), "/metrics"); }

  TemporaryFolder folder_;
  std::unique_ptr<LibraryHost> host_;
};

TEST_F(MetricsTest, CountsCallsByMethodAndCode) {
  Open();
  EXPECT_TRUE(Put("one").ok());
  EXPECT_TRUE(Search("a dog").ok());
  EXPECT_TRUE(Search("a dog").ok());
  EXPECT_FALSE(Search("").ok());
  const std::string page = Page();
  EXPECT_THAT(page,
              HasSubstr("eidetic_calls_total{code=\"OK\",method=\"eidetic.v1.SearchService/Search\"} 2\n"));
  EXPECT_THAT(page,
              HasSubstr("eidetic_calls_total{code=\"INVALID_ARGUMENT\",method=\"eidetic.v1.SearchService/"
                        "Search\"} 1\n"));
  EXPECT_THAT(
      page, HasSubstr("eidetic_calls_total{code=\"OK\",method=\"eidetic.v1.LibraryService/PutAsset\"} 1\n"));
  EXPECT_THAT(
      page, HasSubstr("eidetic_call_duration_seconds_count{method=\"eidetic.v1.SearchService/Search\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("eidetic_text_cache_requests_total{outcome=\"hit\"} 1\n"));
}

TEST_F(MetricsTest, TellsOfLibraryIndexAndCommits) {
  Open();
  ASSERT_TRUE(Put("one").ok());
  ASSERT_TRUE(Put("two").ok());
  const std::string page = Page();
  EXPECT_THAT(
      page, AllOf(HasSubstr("\neidetic_library_assets 2\n"), HasSubstr("\neidetic_library_last_sequence 2\n"),
                  HasSubstr("\neidetic_commits_total{outcome=\"ok\"} 2\n"),
                  HasSubstr("\neidetic_commit_duration_seconds_count 2\n"),
                  HasSubstr("\neidetic_calls_in_flight 0\n"), HasSubstr("\neidetic_build_info{version=")));
  // Every sample has its help and type, once.
  for (const absl::string_view line : absl::StrSplit(page, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(absl::StartsWith(line, "# ") || absl::StartsWith(line, "eidetic_")) << line;
  }
}

TEST_F(MetricsTest, CountsSnapshotsThatAreWrittenLoadedAndRejected) {
  Open();
  ASSERT_TRUE(Put("one").ok());
  EXPECT_THAT(Page(), HasSubstr("eidetic_events_total{event=\"server_started\",severity=\"info\"} 1\n"));
  ASSERT_TRUE(host_->Shutdown(absl::Seconds(5)).ok());
  Open();
  EXPECT_THAT(Page(), AllOf(HasSubstr("event=\"snapshot_loaded\""), Not(HasSubstr("snapshot_rejected"))));
  ASSERT_TRUE(host_->Shutdown(absl::Seconds(5)).ok());
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/library/index")) {
    if (entry.path().extension() == ".images") std::ofstream(entry.path(), std::ios::app) << "x";
  }
  Open();
  EXPECT_THAT(
      Page(),
      HasSubstr(
          "eidetic_events_total{event=\"snapshot_rejected\",reason=\"damaged\",severity=\"warning\"} 1\n"));
}

TEST_F(MetricsTest, IsHealthyUntilShutdown) {
  Open();
  const std::string address = host_->http_address();
  EXPECT_EQ(Fetch(address, "/healthz"), "ok\n");
  ASSERT_TRUE(host_->Shutdown(absl::Seconds(5)).ok());
  EXPECT_EQ(Fetch(address, "/healthz"), "no answer");
}

TEST_F(MetricsTest, RefusesBadHttpAddressesBeforeAnythingIsOpened) {
  LibraryHostOptions options;
  options.library_directory = folder_.path() + "/library";
  options.create = true;
  options.http_address = "8080";
  EXPECT_EQ(LibraryHost::Open(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.http_address = "0.0.0.0:8080";
  EXPECT_EQ(LibraryHost::Open(options).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(std::filesystem::exists(options.library_directory));
}

TEST(MetricsEventTest, PassesEventsOn) {
  class Listener final : public storage::EventLog {
   public:
    void Report(EventSeverity, absl::string_view event,
                std::span<const storage::EventField> fields) override {
      events.push_back(absl::StrCat(event, "/", fields.size()));
    }
    std::vector<std::string> events;
  };
  Listener listener;
  Metrics metrics(&listener);
  ReportEvent(&metrics, EventSeverity::kError, "writes_failed", {{"reason", "disk_full"}, {"detail", "x"}});
  EXPECT_THAT(listener.events, testing::ElementsAre("writes_failed/2"));
  EXPECT_THAT(
      metrics.Text(),
      HasSubstr("eidetic_events_total{event=\"writes_failed\",reason=\"disk_full\",severity=\"error\"} 1\n"));
}

}  // namespace
}  // namespace eidetic::service
