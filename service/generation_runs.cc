#include "service/generation_runs.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "encoder/dual_encoder.h"
#include "indexer/generation_filler.h"
#include "proto/status_macros.h"
#include "service/asset_proto.h"
#include "service/bounded_text.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

using eidetic::v1::FillGenerationRequest;
using eidetic::v1::FillGenerationResponse;
using storage::v1::GenerationRecord;

constexpr absl::Duration kMessageInterval = absl::Milliseconds(200);
// More failures than this do not wait for the interval.
constexpr int kFailuresPerMessage = 256;
constexpr size_t kMaxFailureBytes = 1'024;
// How long an abort waits for the run it stopped.
constexpr absl::Duration kAbortPatience = absl::Seconds(30);
constexpr absl::Duration kAbortPoll = absl::Milliseconds(20);

// Collects what happened since the last message and sends it about five times a
// second.
class FillStream {
 public:
  explicit FillStream(grpc::ServerWriterInterface<FillGenerationResponse>* writer) : writer_(writer) {}

  void Progress(const indexer::FillProgress& progress) {
    eidetic::v1::FillProgress* message = next_.mutable_progress();
    message->set_done(progress.done);
    message->set_total(progress.total);
    message->set_photos_per_second(progress.assets_per_second);
    if (absl::Now() - last_sent_ >= kMessageInterval) Send();
  }

  void Failure(const indexer::FillFailure& failure) {
    eidetic::v1::FillFailure* message = next_.add_failures();
    message->set_asset_id(failure.asset_id);
    message->set_path(storage::DisplayPath(failure.path));
    message->set_code(static_cast<int32_t>(failure.status.code()));
    message->set_message(BoundedText(failure.status.message(), kMaxFailureBytes));
    if (next_.failures_size() >= kFailuresPerMessage) Send();
  }

  void Summary(const eidetic::v1::FillSummary& summary) {
    *next_.mutable_summary() = summary;
    Send();
  }

  // The client does not take messages any more.
  bool broken() const { return broken_; }

  // Sends what waits for the next message.
  void Send() {
    if (!broken_) broken_ = !writer_->Write(next_);
    next_.clear_failures();
    last_sent_ = absl::Now();
  }

 private:
  grpc::ServerWriterInterface<FillGenerationResponse>* writer_;
  // Progress stays from message to message, failures go out once.
  FillGenerationResponse next_;
  absl::Time last_sent_ = absl::InfinitePast();
  bool broken_ = false;
};

absl::StatusOr<storage::GenerationStatus> StatusOf(const storage::Library& library, uint64_t number) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                           library.ListGenerations());
  for (const storage::GenerationStatus& status : generations) {
    if (status.record.number() == number) return status;
  }
  return absl::NotFoundError(absl::StrCat("the library has no generation ", number));
}

// The one being filled; nullopt: none.
absl::StatusOr<std::optional<uint64_t>> Filling(const storage::Library& library) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                           library.ListGenerations());
  for (const storage::GenerationStatus& status : generations) {
    if (status.record.state() == GenerationRecord::STATE_FILLING) return status.record.number();
  }
  return std::nullopt;
}

absl::StatusOr<uint64_t> LastRetired(const storage::Library& library) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                           library.ListGenerations());
  const GenerationRecord* last = nullptr;
  for (const storage::GenerationStatus& status : generations) {
    if (status.record.state() != GenerationRecord::STATE_RETIRED) continue;
    if (last == nullptr || status.record.retire_time_micros() > last->retire_time_micros()) {
      last = &status.record;
    }
  }
  if (last == nullptr) return absl::NotFoundError("there is no earlier generation to go back to");
  return last->number();
}

// A generation and its model.
struct Target {
  std::shared_ptr<const storage::Generation> generation;
  std::shared_ptr<ModelSession> model;
};

absl::StatusOr<Target> TargetOfNumber(uint64_t number, LibrarySession& session) {
  Target target;
  EIDETIC_ASSIGN_OR_RETURN(target.generation, session.library->OpenGeneration(number));
  const std::shared_ptr<GenerationSession> searched = session.searched();
  if (const auto active = searched->model->Generation();
      active.ok() && (*active)->number() == target.generation->number()) {
    target.model = searched->model;
    return target;
  }
  ModelSessionOptions options = session.model_options;
  options.folder = target.generation->record().model_folder();
  options.prefer_remembered_folder = false;
  options.variant.clear();
  target.model = std::make_shared<ModelSession>(session.library.get(), target.generation, options);
  return target;
}

absl::StatusOr<Target> TargetOfModel(const std::string& folder, const std::string& variant,
                                     LibrarySession& session) {
  encoder::DualEncoderOptions wanted{
      .threads = session.model_options.threads, .lazy = session.model_options.lazy, .variant = variant};
  const auto active = session.library->ActiveGeneration();
  if (active.ok() && active->model_folder() == folder) wanted.fingerprint = active->model_fingerprint();
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<encoder::DualEncoder> encoder,
                           encoder::DualEncoder::Load(folder, wanted));
  const encoder::ModelInfo& info = encoder->info();
  const GenerationRecord model = MakeGenerationRecord(info);
  if (active.ok() && active->model_fingerprint() == info.fingerprint) {
    // Remembers where it was found.
    EIDETIC_RETURN_IF_ERROR(session.library->UseModel(model));
    return TargetOfNumber(active->number(), session);
  }
  EIDETIC_ASSIGN_OR_RETURN(const GenerationRecord started, session.library->StartGeneration(model));
  Target target;
  EIDETIC_ASSIGN_OR_RETURN(target.generation, session.library->OpenGeneration(started.number()));
  ModelSessionOptions options = session.model_options;
  options.folder = folder;
  options.prefer_remembered_folder = false;
  options.variant = variant;
  target.model =
      std::make_shared<ModelSession>(session.library.get(), target.generation, options, std::move(encoder));
  return target;
}

absl::StatusOr<Target> FindTarget(const FillGenerationRequest& request, LibrarySession& session) {
  switch (request.target_case()) {
    case FillGenerationRequest::kModelFolder:
      return TargetOfModel(request.model_folder(), request.model_variant(), session);
    case FillGenerationRequest::kRollback: {
      EIDETIC_ASSIGN_OR_RETURN(const uint64_t number, LastRetired(*session.library));
      return TargetOfNumber(number, session);
    }
    case FillGenerationRequest::kGeneration:
    case FillGenerationRequest::TARGET_NOT_SET:
      break;
  }
  if (request.generation() != 0) return TargetOfNumber(request.generation(), session);
  EIDETIC_ASSIGN_OR_RETURN(const std::optional<uint64_t> filling, Filling(*session.library));
  if (!filling.has_value()) {
    return absl::NotFoundError("no generation is being filled; start one with: eidetic index --model MODEL");
  }
  return TargetOfNumber(*filling, session);
}

// Moves a library towards one generation: fills it, then makes it the active one.
class Move {
 public:
  Move(Target target, LibrarySession& session) : target_(std::move(target)), session_(session) {}

  uint64_t number() const { return target_.generation->number(); }

  // Makes what is missing; needs no model when nothing is.
  absl::Status Fill(const indexer::FillCallbacks& callbacks, eidetic::v1::FillSummary& summary) {
    EIDETIC_ASSIGN_OR_RETURN(const storage::GenerationStatus status, StatusOf(*session_.library, number()));
    if (status.complete()) return absl::OkStatus();
    if (filler_ == nullptr) {
      EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, target_.model->Encoder());
      filler_ = std::make_unique<indexer::GenerationFiller>(session_.library.get(), target_.generation,
                                                            encoder, session_.indexer_options);
    }
    EIDETIC_ASSIGN_OR_RETURN(const indexer::FillSummary filled, filler_->Run(callbacks));
    summary.set_embedded(summary.embedded() + filled.embedded);
    summary.set_captions(summary.captions() + filled.captions);
    summary.set_failed(summary.failed() + filled.failed);
    summary.set_cancelled(filled.cancelled);
    return absl::OkStatus();
  }

  absl::Status Switch(bool leave_out_unreadable, const indexer::FillCallbacks& callbacks,
                      eidetic::v1::FillSummary& summary) {
    const std::shared_ptr<GenerationSession> old = session_.searched();
    if (old->model == target_.model) return absl::OkStatus();
    EIDETIC_RETURN_IF_ERROR(CheckFilled(leave_out_unreadable));
    // Before the switch, so that nothing has changed when it cannot be made.
    searcher::SearchEngineOptions options = session_.engine_options;
    options.generation = target_.generation;
    options.follow_changes = false;
    EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<searcher::SearchEngine> engine,
                             searcher::SearchEngine::Open(session_.library.get(), options));
    auto next = std::make_shared<GenerationSession>(session_.library.get(), target_.model, std::move(engine),
                                                    &session_.attributes, options);
    absl::Status caught_up;
    {
      const absl::MutexLock gate(&session_.write_gate);
      // What was put since the last look: nobody puts anything now.
      EIDETIC_RETURN_IF_ERROR(Fill(callbacks, summary));
      if (summary.cancelled()) return absl::OkStatus();
      EIDETIC_RETURN_IF_ERROR(CheckFilled(leave_out_unreadable));
      EIDETIC_RETURN_IF_ERROR(
          session_.library->SwitchGeneration(number(), {.leave_out_missing = leave_out_unreadable}));
      caught_up = next->engine->CatchUp();
      session_.SetSearched(next);
    }
    summary.set_switched(true);
    old->engine->StopFollowing();
    if (session_.engine_options.follow_changes) next->engine->StartFollowing();
    return AddContext(caught_up, "the library has moved to the generation, its index is behind");
  }

 private:
  absl::Status CheckFilled(bool leave_out_unreadable) const {
    EIDETIC_ASSIGN_OR_RETURN(const storage::GenerationStatus status, StatusOf(*session_.library, number()));
    if (status.missing_embeddings == 0 || leave_out_unreadable) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        status.missing_embeddings, " photos have no vector of the model \"", status.record.model_name(),
        "\": their files are gone or have changed, or a client put only a vector. Index them or put them "
        "again; or say with --leave-out-unreadable that searches need not find them after the switch"));
  }

  const Target target_;
  LibrarySession& session_;
  std::unique_ptr<indexer::GenerationFiller> filler_;
};

absl::StatusOr<ExclusiveRun::Ticket> WaitForTicket(LibrarySession& session,
                                                   const Cancellation& cancellation) {
  const absl::Time deadline = absl::Now() + kAbortPatience;
  while (true) {
    absl::StatusOr<ExclusiveRun::Ticket> ticket = session.index_run.Begin("aborting a generation");
    if (ticket.ok() || absl::Now() >= deadline) return ticket;
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    absl::SleepFor(kAbortPoll);
  }
}

}  // namespace

absl::Status RunFillGeneration(const FillGenerationRequest& request, LibrarySession& session,
                               const Cancellation& cancellation,
                               grpc::ServerWriterInterface<FillGenerationResponse>& writer) {
  FieldViolations violations;
  CheckFillGenerationRequest(request, violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  EIDETIC_ASSIGN_OR_RETURN(const ExclusiveRun::Ticket ticket,
                           session.index_run.Begin("filling a generation with another model's vectors"));
  session.abort_fill = false;
  EIDETIC_ASSIGN_OR_RETURN(Target target, FindTarget(request, session));
  Move move(std::move(target), session);

  FillStream stream(&writer);
  indexer::FillCallbacks callbacks;
  callbacks.progress = [&stream](const indexer::FillProgress& progress) { stream.Progress(progress); };
  callbacks.failure = [&stream](const indexer::FillFailure& failure) { stream.Failure(failure); };
  callbacks.cancelled = [&] {
    return stream.broken() || session.stopping || session.abort_fill || !cancellation.Check().ok();
  };
  eidetic::v1::FillSummary summary;
  const absl::Time start = absl::Now();
  EIDETIC_RETURN_IF_ERROR(move.Fill(callbacks, summary));
  // Also when the switch is refused: the failures say why.
  stream.Send();
  if (request.switch_when_filled() && !summary.cancelled()) {
    EIDETIC_RETURN_IF_ERROR(move.Switch(request.leave_out_unreadable(), callbacks, summary));
  }
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  EIDETIC_RETURN_IF_ERROR(session.searched()->engine->CatchUp());
  EIDETIC_RETURN_IF_ERROR(DropExpiredGenerations(*session.library, kRetiredGenerationGrace));
  EIDETIC_ASSIGN_OR_RETURN(const storage::GenerationStatus status, StatusOf(*session.library, move.number()));
  *summary.mutable_generation() = MakeGenerationProto(status);
  summary.set_seconds(absl::ToDoubleSeconds(absl::Now() - start));
  stream.Summary(summary);
  return absl::OkStatus();
}

absl::Status RunAbortGeneration(LibrarySession& session, const Cancellation& cancellation,
                                eidetic::v1::AbortGenerationResponse& response) {
  EIDETIC_ASSIGN_OR_RETURN(const std::optional<uint64_t> filling, Filling(*session.library));
  if (!filling.has_value()) return absl::NotFoundError("no generation is being filled");
  session.abort_fill = true;
  EIDETIC_ASSIGN_OR_RETURN(const ExclusiveRun::Ticket ticket, WaitForTicket(session, cancellation));
  EIDETIC_ASSIGN_OR_RETURN(const storage::GenerationStatus status, StatusOf(*session.library, *filling));
  if (status.record.state() != GenerationRecord::STATE_FILLING) {
    return absl::FailedPreconditionError(
        absl::StrCat("generation ", *filling,
                     " was switched to meanwhile; go back with: eidetic generation "
                     "rollback"));
  }
  EIDETIC_RETURN_IF_ERROR(session.library->DropGeneration(*filling));
  *response.mutable_generation() = MakeGenerationProto(status);
  return absl::OkStatus();
}

absl::Status RunDropGeneration(const eidetic::v1::DropGenerationRequest& request, LibrarySession& session) {
  if (request.generation() == 0) return InvalidField("generation", "is 0: give the number of a generation");
  EIDETIC_ASSIGN_OR_RETURN(const ExclusiveRun::Ticket ticket,
                           session.index_run.Begin("dropping a generation"));
  return session.library->DropGeneration(request.generation());
}

absl::Status DropExpiredGenerations(storage::Library& library, absl::Duration grace) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                           library.ListGenerations());
  for (const storage::GenerationStatus& status : generations) {
    if (status.record.state() != GenerationRecord::STATE_RETIRED) continue;
    if (absl::FromUnixMicros(status.record.retire_time_micros()) + grace > absl::Now()) continue;
    EIDETIC_RETURN_IF_ERROR(library.DropGeneration(status.record.number()));
  }
  return absl::OkStatus();
}

eidetic::v1::GenerationStatus MakeGenerationProto(const storage::GenerationStatus& status) {
  using eidetic::v1::GenerationStatus;
  GenerationStatus proto;
  const GenerationRecord& record = status.record;
  proto.set_number(record.number());
  switch (record.state()) {
    case GenerationRecord::STATE_FILLING:
      proto.set_state(GenerationStatus::STATE_FILLING);
      break;
    case GenerationRecord::STATE_RETIRED:
      proto.set_state(GenerationStatus::STATE_RETIRED);
      *proto.mutable_retire_time() = MakeTimestamp(record.retire_time_micros());
      *proto.mutable_drop_time() =
          MakeTimestamp(record.retire_time_micros() + absl::ToInt64Microseconds(kRetiredGenerationGrace));
      break;
    default:
      proto.set_state(GenerationStatus::STATE_ACTIVE);
      break;
  }
  proto.set_model_name(record.model_name());
  proto.set_model_fingerprint(record.model_fingerprint());
  proto.set_dimension(record.dimension());
  proto.set_model_folder(storage::DisplayPath(record.model_folder()));
  proto.set_embedding_count(status.embeddings);
  proto.set_caption_embedding_count(status.caption_embeddings);
  proto.set_missing_embedding_count(status.missing_embeddings);
  proto.set_missing_caption_embedding_count(status.missing_caption_embeddings);
  *proto.mutable_create_time() = MakeTimestamp(record.create_time_micros());
  return proto;
}

}  // namespace eidetic::service
