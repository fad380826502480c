#include "cli/fill_generation.h"

#include <grpcpp/client_context.h>

#include <cstdio>

#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "cli/cancel_on_interrupt.h"
#include "cli/progress_bar.h"
#include "eidetic/v1/generation_service.grpc.pb.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

const char* StateName(v1::GenerationStatus::State state) {
  switch (state) {
    case v1::GenerationStatus::STATE_FILLING:
      return "filling";
    case v1::GenerationStatus::STATE_RETIRED:
      return "retired";
    default:
      return "active";
  }
}

}  // namespace

absl::StatusOr<FillOutcome> FillGeneration(const Command& command, const LibraryConnection& connection,
                                           const v1::FillGenerationRequest& request,
                                           const Interrupt& interrupt) {
  FillOutcome outcome;
  bool have_summary = false;
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  grpc::ClientContext context;
  const auto stub = v1::GenerationService::NewStub(connection.channel());
  const auto stream = stub->FillGeneration(&context, request);
  const CancelOnInterrupt canceller(interrupt, context);
  v1::FillGenerationResponse response;
  while (stream->Read(&response)) {
    for (const v1::FillFailure& failure : response.failures()) {
      const std::string& name = failure.path().empty() ? failure.asset_id() : failure.path();
      bar.Note(absl::StrCat("cannot encode ", name, ": ", failure.message()));
      outcome.failures.push_back(failure);
    }
    if (response.has_progress()) {
      bar.Update({.label = "Encoding",
                  .done = response.progress().done(),
                  .total = response.progress().total(),
                  .per_second = response.progress().photos_per_second(),
                  .unit = "photos"});
    }
    if (response.has_summary()) {
      outcome.summary = response.summary();
      have_summary = true;
    }
  }
  const absl::Status status = connection.ToStatus(stream->Finish());
  bar.Clear();
  if (interrupt.requested() && !have_summary) return absl::CancelledError("interrupted");
  if (!status.ok()) return status;
  if (!have_summary) return absl::InternalError("filling ended without a summary");
  return outcome;
}

void PrintOutcome(const Command& command, const FillOutcome& outcome) {
  const v1::FillSummary& summary = outcome.summary;
  const v1::GenerationStatus& generation = summary.generation();
  std::string line = absl::StrFormat("%d photos and %d captions encoded by %s", summary.embedded(),
                                     summary.captions(), generation.model_name());
  if (summary.failed() > 0) absl::StrAppendFormat(&line, ", %d cannot be", summary.failed());
  absl::StrAppendFormat(&line, " in %.1f s", summary.seconds());
  std::printf("%s\n", command.terminal.Bold(line).c_str());
  if (summary.cancelled()) {
    std::printf("Stopped. What was encoded is kept: run the same command to go on.\n");
  } else if (summary.switched()) {
    std::printf("Searches now use %s (generation %s). To go back: eidetic generation rollback\n",
                generation.model_name().c_str(), absl::StrCat(generation.number()).c_str());
  } else if (generation.state() != v1::GenerationStatus::STATE_ACTIVE) {
    std::printf("Generation %s\n%s\n", DescribeGeneration(generation).c_str(),
                generation.missing_embedding_count() == 0
                    ? "It is complete. To search with it: eidetic generation switch"
                    : "To search with it all the same: eidetic generation switch --leave-out-unreadable");
  }
}

Json OutcomeToJson(const FillOutcome& outcome) {
  const v1::FillSummary& summary = outcome.summary;
  Json json = {{"embedded", summary.embedded()}, {"captions", summary.captions()},
               {"failed", summary.failed()},     {"switched", summary.switched()},
               {"seconds", summary.seconds()},   {"cancelled", summary.cancelled()}};
  json["generation"] = GenerationToJson(summary.generation());
  Json& listed = json["failures"] = Json::array();
  for (const v1::FillFailure& failure : outcome.failures) {
    listed.push_back({{"id", failure.asset_id()},
                      {"path", failure.path().empty() ? Json(nullptr) : Json(failure.path())},
                      {"code", failure.code()},
                      {"reason", failure.message()}});
  }
  return json;
}

std::string DescribeGeneration(const v1::GenerationStatus& generation) {
  std::string text =
      absl::StrFormat("%d  %s, %s: %d of %d photos, %d of %d captions", generation.number(),
                      generation.model_name(), StateName(generation.state()), generation.embedding_count(),
                      generation.embedding_count() + generation.missing_embedding_count(),
                      generation.caption_embedding_count(),
                      generation.caption_embedding_count() + generation.missing_caption_embedding_count());
  if (generation.state() == v1::GenerationStatus::STATE_RETIRED) {
    absl::StrAppend(&text, "; kept until ",
                    absl::FormatTime("%Y-%m-%d", absl::FromUnixSeconds(generation.drop_time().seconds()),
                                     absl::LocalTimeZone()));
  }
  return text;
}

Json GenerationToJson(const v1::GenerationStatus& generation) {
  Json json = {{"number", generation.number()},
               {"state", StateName(generation.state())},
               {"model", generation.model_name()},
               {"fingerprint", generation.model_fingerprint()},
               {"dimension", generation.dimension()},
               {"model_folder", generation.model_folder()},
               {"embeddings", generation.embedding_count()},
               {"caption_embeddings", generation.caption_embedding_count()},
               {"missing_embeddings", generation.missing_embedding_count()},
               {"missing_caption_embeddings", generation.missing_caption_embedding_count()}};
  if (generation.has_drop_time()) {
    json["drop_time"] = google::protobuf::util::TimeUtil::ToString(generation.drop_time());
  }
  return json;
}

}  // namespace eidetic::cli
