#include "service/index_paths.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/status_macros.h"
#include "service/bounded_text.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

using eidetic::v1::IndexPathsResponse;

constexpr absl::Duration kMessageInterval = absl::Milliseconds(200);
// More failures than this do not wait for the interval.
constexpr int kFailuresPerMessage = 256;
constexpr size_t kMaxFailureBytes = 1'024;

std::string DescribeRun(const eidetic::v1::IndexPathsRequest& request) {
  std::string description = absl::StrCat("indexing ", BoundedText(request.paths(0), 256));
  if (request.paths_size() > 1) absl::StrAppend(&description, " and ", request.paths_size() - 1, " more");
  return description;
}

const char* StageName(indexer::IndexProgress::Stage stage) {
  switch (stage) {
    case indexer::IndexProgress::Stage::kScanning:
      return "scanning";
    case indexer::IndexProgress::Stage::kIndexing:
      return "indexing";
    case indexer::IndexProgress::Stage::kCaptions:
      return "captions";
  }
  return "";
}

// Collects what happened since the last message and sends it about five times a
// second.
class ProgressStream {
 public:
  explicit ProgressStream(grpc::ServerWriterInterface<IndexPathsResponse>* writer) : writer_(writer) {}

  void Progress(const indexer::IndexProgress& progress) {
    eidetic::v1::IndexProgress* message = next_.mutable_progress();
    message->set_stage(StageName(progress.stage));
    message->set_done(progress.done);
    message->set_total(progress.total);
    message->set_units_per_second(progress.units_per_second);
    if (absl::Now() - last_sent_ >= kMessageInterval) Send();
  }

  void Failure(const indexer::IndexFailure& failure) {
    eidetic::v1::IndexFailure* message = next_.add_failures();
    message->set_path(storage::DisplayPath(failure.path));
    message->set_code(static_cast<int32_t>(failure.status.code()));
    message->set_message(BoundedText(failure.status.message(), kMaxFailureBytes));
    if (next_.failures_size() >= kFailuresPerMessage) Send();
  }

  void Summary(const indexer::IndexSummary& summary) {
    eidetic::v1::IndexSummary* message = next_.mutable_summary();
    message->set_indexed(summary.indexed);
    message->set_unchanged(summary.unchanged);
    message->set_moved(summary.moved);
    message->set_removed(summary.removed);
    message->set_failed(summary.failed);
    message->set_captions(summary.captions);
    message->set_seconds(summary.seconds);
    message->set_cancelled(summary.cancelled);
    Send();
  }

  // The client does not take messages any more.
  bool broken() const { return broken_; }

 private:
  void Send() {
    if (!broken_) broken_ = !writer_->Write(next_);
    next_.clear_failures();
    last_sent_ = absl::Now();
  }

  grpc::ServerWriterInterface<IndexPathsResponse>* writer_;
  // Progress stays from message to message, failures go out once.
  IndexPathsResponse next_;
  absl::Time last_sent_ = absl::InfinitePast();
  bool broken_ = false;
};

}  // namespace

absl::Status RunIndexPaths(const eidetic::v1::IndexPathsRequest& request, LibrarySession& session,
                           const Cancellation& cancellation,
                           grpc::ServerWriterInterface<IndexPathsResponse>& writer) {
  FieldViolations violations;
  CheckIndexPathsRequest(request, violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  EIDETIC_RETURN_IF_ERROR(session.library->CheckWritable());
  EIDETIC_ASSIGN_OR_RETURN(const ExclusiveRun::Ticket ticket, session.index_run.Begin(DescribeRun(request)));
  // Stays what is searched: no switch begins while the ticket is held.
  const std::shared_ptr<GenerationSession> searched = session.searched();
  EIDETIC_RETURN_IF_ERROR(searched->model->UseWithLibrary());
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, searched->model->Encoder());

  ProgressStream stream(&writer);
  indexer::IndexCallbacks callbacks;
  callbacks.progress = [&stream](const indexer::IndexProgress& progress) { stream.Progress(progress); };
  callbacks.failure = [&stream](const indexer::IndexFailure& failure) { stream.Failure(failure); };
  callbacks.cancelled = [&] { return stream.broken() || session.stopping || !cancellation.Check().ok(); };
  indexer::Indexer indexer(session.library.get(), encoder, session.indexer_options);
  EIDETIC_ASSIGN_OR_RETURN(
      const indexer::IndexSummary summary,
      indexer.Run({.roots = std::vector<std::string>(request.paths().begin(), request.paths().end()),
                   .captions_path = request.captions_path()},
                  callbacks));
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  EIDETIC_RETURN_IF_ERROR(searched->engine->CatchUp());
  // Now, so that the first search need not wait for it. That search meets the
  // same error again and tells it; the photos are indexed all the same.
  searched->confidence.Current(cancellation).status().IgnoreError();
  stream.Summary(summary);
  return absl::OkStatus();
}

}  // namespace eidetic::service
