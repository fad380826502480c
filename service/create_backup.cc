#include "service/create_backup.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/status_macros.h"
#include "service/bounded_text.h"
#include "service/request_validation.h"
#include "storage/backup.h"

namespace eidetic::service {
namespace {

using eidetic::v1::CreateBackupResponse;

constexpr absl::Duration kMessageInterval = absl::Milliseconds(200);

const char* StageName(storage::BackupProgress::Stage stage) {
  return stage == storage::BackupProgress::Stage::kVerifying ? "verifying" : "copying";
}

absl::Status CheckRequest(const eidetic::v1::CreateBackupRequest& request) {
  FieldViolations violations;
  const std::string& path = request.backup_path();
  if (!absl::StartsWith(path, "/")) {
    violations.Add("backup_path", absl::StrCat("is \"", BoundedText(path, 256),
                                               "\": give an absolute path of the server's machine"));
  } else if (path.find('\0') != std::string::npos) {
    violations.Add("backup_path", "holds a zero byte");
  }
  return violations.ToStatus();
}

// Sends progress about five times a second.
class ProgressStream {
 public:
  explicit ProgressStream(grpc::ServerWriterInterface<CreateBackupResponse>* writer) : writer_(writer) {}

  // False when the client does not take messages any more.
  bool Send(const storage::BackupProgress& progress) {
    const absl::Time now = absl::Now();
    if (broken_ || now - last_sent_ < kMessageInterval) return !broken_;
    CreateBackupResponse message;
    message.mutable_progress()->set_stage(StageName(progress.stage));
    message.mutable_progress()->set_done_bytes(progress.done_bytes);
    message.mutable_progress()->set_total_bytes(progress.total_bytes);
    broken_ = !writer_->Write(message);
    last_sent_ = now;
    return !broken_;
  }

 private:
  grpc::ServerWriterInterface<CreateBackupResponse>* writer_;
  absl::Time last_sent_ = absl::InfinitePast();
  bool broken_ = false;
};

}  // namespace

absl::Status RunCreateBackup(const eidetic::v1::CreateBackupRequest& request, LibrarySession& session,
                             const Cancellation& cancellation,
                             grpc::ServerWriterInterface<CreateBackupResponse>& writer) {
  EIDETIC_RETURN_IF_ERROR(CheckRequest(request));
  EIDETIC_ASSIGN_OR_RETURN(
      const ExclusiveRun::Ticket ticket,
      session.backup_run.Begin(absl::StrCat("backing up into ", BoundedText(request.backup_path(), 256))));
  ProgressStream stream(&writer);
  const absl::Time start = absl::Now();
  const absl::StatusOr<storage::Backup> backup = session.library->CreateBackup(
      {.directory = request.backup_path(),
       .keep = request.keep_count(),
       .progress = [&](const storage::BackupProgress& progress) {
         return stream.Send(progress) && !session.stopping && cancellation.Check().ok();
       }});
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  if (!backup.ok() && session.stopping) return absl::UnavailableError("the server is shutting down");
  EIDETIC_RETURN_IF_ERROR(backup.status());
  CreateBackupResponse message;
  eidetic::v1::BackupSummary* summary = message.mutable_summary();
  summary->set_number(backup->number);
  summary->set_size_bytes(backup->bytes);
  summary->set_asset_count(backup->record.state().asset_count());
  summary->set_last_sequence(backup->record.state().last_sequence());
  summary->set_seconds(absl::ToDoubleSeconds(absl::Now() - start));
  writer.Write(message);
  return absl::OkStatus();
}

}  // namespace eidetic::service
