// LibraryService.CreateBackup as a client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/backup.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using eidetic::v1::CreateBackupRequest;
using eidetic::v1::CreateBackupResponse;
using testing::HasSubstr;

class CreateBackupTest : public testing::Test {
 protected:
  grpc::Status Create(const std::string& path, uint32_t keep = 0,
                      std::vector<CreateBackupResponse>* messages = nullptr) {
    CreateBackupRequest request;
    request.set_backup_path(path);
    request.set_keep_count(keep);
    const auto context = NewContext(60);
    const auto stream = hosted_.library().CreateBackup(context.get(), request);
    CreateBackupResponse message;
    while (stream->Read(&message)) {
      if (messages != nullptr) messages->push_back(message);
    }
    return stream->Finish();
  }

  TemporaryFolder folder_;
  const std::string backups_ = absl::StrCat(folder_.path(), "/backups");
  HostedLibrary hosted_;
};

TEST_F(CreateBackupTest, TellsWhatItMade) {
  hosted_.PutVector("a", RandomUnitVector(hosted_.dimension(), 1));
  hosted_.PutVector("b", RandomUnitVector(hosted_.dimension(), 2), {"a caption"});
  std::vector<CreateBackupResponse> messages;
  const grpc::Status status = Create(backups_, 0, &messages);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_GE(messages.size(), 2U);
  EXPECT_EQ(messages.front().progress().stage(), "copying");
  EXPECT_FALSE(messages.front().has_summary());
  EXPECT_EQ(messages.back().summary().number(), 1U);
  EXPECT_EQ(messages.back().summary().asset_count(), 2U);
  EXPECT_GT(messages.back().summary().size_bytes(), 0U);
  ASSERT_TRUE(Create(backups_, 1).ok());
  const auto backups = storage::ListBackups(backups_);
  ASSERT_TRUE(backups.ok()) << backups.status();
  ASSERT_EQ(backups->size(), 1U);
  EXPECT_EQ(backups->front().number, 2U);
}

TEST_F(CreateBackupTest, RefusesPathsThatMayNotBe) {
  const auto expect = [&](const std::string& path, grpc::StatusCode code, const std::string& message) {
    const grpc::Status status = Create(path);
    EXPECT_EQ(status.error_code(), code) << path;
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  };
  expect("", grpc::StatusCode::INVALID_ARGUMENT, "absolute");
  expect("backups", grpc::StatusCode::INVALID_ARGUMENT, "absolute");
  expect(std::string("/tmp/a\0b", 8), grpc::StatusCode::INVALID_ARGUMENT, "zero byte");
  expect(absl::StrCat(hosted_.directory(), "/rocksdb"), grpc::StatusCode::INVALID_ARGUMENT, "inside");
  expect(
      absl::StrCat(folder_.path(), "/x/../", std::filesystem::path(hosted_.directory()).filename().string()),
      grpc::StatusCode::OK, "");
  std::ofstream(absl::StrCat(folder_.path(), "/letter")) << "dear";
  expect(folder_.path(), grpc::StatusCode::FAILED_PRECONDITION, "other things");
  expect("/proc/backups", grpc::StatusCode::NOT_FOUND, "/proc");
}

TEST_F(CreateBackupTest, AClientThatIsGoneStopsIt) {
  hosted_.PutVector("a", RandomUnitVector(hosted_.dimension(), 1));
  CreateBackupRequest request;
  request.set_backup_path(backups_);
  grpc::ClientContext context;
  const auto stream = hosted_.library().CreateBackup(&context, request);
  context.TryCancel();
  CreateBackupResponse message;
  while (stream->Read(&message)) continue;
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // The next one need not wait for long.
  grpc::Status status;
  for (int attempt = 0; attempt < 100; ++attempt) {
    status = Create(backups_);
    if (status.error_code() != grpc::StatusCode::ABORTED) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace eidetic::service
