#include <grpcpp/client_context.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/cancel_on_interrupt.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/fill_generation.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "cli/model_folders.h"
#include "cli/progress_bar.h"
#include "eidetic/v1/generation_service.grpc.pb.h"
#include "eidetic/v1/library_service.grpc.pb.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

struct IndexOptions {
  std::vector<std::string> paths;
  std::string captions;
  bool switch_when_filled = false;
  bool leave_out_unreadable = false;
  bool abort = false;
};

ProgressState ToState(const v1::IndexProgress& progress) {
  ProgressState state;
  state.label = "Indexing";
  state.done = progress.done();
  state.total = progress.total();
  state.per_second = progress.units_per_second();
  state.unit = "photos";
  if (progress.stage() == "scanning") {
    state.label = "Scanning";
    state.total = 0;
    state.unit = "files";
  } else if (progress.stage() == "captions") {
    state.label = "Captions";
    state.unit = "captions";
  }
  return state;
}

Json SummaryToJson(const v1::IndexSummary& summary, const std::vector<v1::IndexFailure>& failures) {
  Json json = {{"indexed", summary.indexed()}, {"unchanged", summary.unchanged()},
               {"moved", summary.moved()},     {"removed", summary.removed()},
               {"failed", summary.failed()},   {"captions", summary.captions()},
               {"seconds", summary.seconds()}, {"cancelled", summary.cancelled()}};
  Json& listed = json["failures"] = Json::array();
  for (const v1::IndexFailure& failure : failures) {
    listed.push_back({{"path", failure.path()}, {"code", failure.code()}, {"reason", failure.message()}});
  }
  return json;
}

void PrintSummary(const Command& command, const v1::IndexSummary& summary) {
  std::string line =
      absl::StrFormat("%d indexed, %d unchanged, %d moved, %d removed, %d failed", summary.indexed(),
                      summary.unchanged(), summary.moved(), summary.removed(), summary.failed());
  if (summary.captions() > 0) absl::StrAppendFormat(&line, ", %d captions", summary.captions());
  absl::StrAppendFormat(&line, " in %.1f s", summary.seconds());
  if (summary.indexed() > 0 && summary.seconds() > 0) {
    absl::StrAppendFormat(&line, " (%.0f photos/s)",
                          static_cast<double>(summary.indexed()) / summary.seconds());
  }
  std::printf("%s\n", command.terminal.Bold(line).c_str());
  if (summary.failed() > 0)
    std::printf("Failed files are listed above; they are tried again at the next run.\n");
  if (summary.cancelled()) std::printf("Stopped. What was indexed is kept: run the same command to go on.\n");
}

struct IndexOutcome {
  v1::IndexSummary summary;
  std::vector<v1::IndexFailure> failures;
};

// kCancelled when it was interrupted.
absl::StatusOr<IndexOutcome> IndexPaths(const Command& command, LibraryConnection& connection,
                                        const v1::IndexPathsRequest& request, const Interrupt& interrupt) {
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  IndexOutcome outcome;
  bool have_summary = false;
  grpc::ClientContext context;
  const auto stub = v1::LibraryService::NewStub(connection.channel());
  const auto stream = stub->IndexPaths(&context, request);
  const CancelOnInterrupt canceller(interrupt, context);
  v1::IndexPathsResponse response;
  while (stream->Read(&response)) {
    for (const v1::IndexFailure& failure : response.failures()) {
      bar.Note(absl::StrCat("skipped ", failure.path(), ": ", failure.message()));
      outcome.failures.push_back(failure);
    }
    if (response.has_progress()) bar.Update(ToState(response.progress()));
    if (response.has_summary()) {
      outcome.summary = response.summary();
      have_summary = true;
    }
  }
  const absl::Status status = connection.ToStatus(stream->Finish());
  bar.Clear();
  if (interrupt.requested() && !have_summary) return absl::CancelledError("interrupted");
  if (!status.ok()) return status;
  if (!have_summary) return absl::InternalError("the indexer ended without a summary");
  return outcome;
}

v1::IndexPathsRequest MakeRequest(const IndexOptions& options) {
  v1::IndexPathsRequest request;
  for (const std::string& path : options.paths) {
    std::error_code error;
    // The same folder named in two ways must be the same folder; one that is
    // missing is left as it is, for the indexer to report.
    std::filesystem::path absolute = std::filesystem::canonical(path, error);
    if (error) absolute = std::filesystem::absolute(path, error).lexically_normal();
    request.add_paths(absolute.string());
  }
  if (!options.captions.empty()) {
    std::error_code error;
    request.set_captions_path(std::filesystem::absolute(options.captions, error).lexically_normal().string());
  }
  return request;
}

// The library's generation that searches use; none while it has no model.
absl::StatusOr<std::optional<v1::GenerationStatus>> ActiveGeneration(const LibraryConnection& connection) {
  grpc::ClientContext context;
  v1::ListGenerationsResponse generations;
  const absl::Status listed = connection.ToStatus(
      v1::GenerationService::NewStub(connection.channel())->ListGenerations(&context, {}, &generations));
  if (!listed.ok()) return listed;
  for (v1::GenerationStatus& generation : *generations.mutable_generations()) {
    if (generation.state() == v1::GenerationStatus::STATE_ACTIVE) return std::move(generation);
  }
  return std::nullopt;
}

// The fill that --model and --variant ask for: none without --model, and when the
// photos were just indexed with that model.
absl::StatusOr<std::optional<v1::FillGenerationRequest>> WantedFill(const Command& command,
                                                                    const IndexOptions& options,
                                                                    const LibraryConnection& connection) {
  if (command.options.model.empty()) return std::nullopt;
  absl::StatusOr<std::string> folder = FindModelFolder(command.options.model);
  if (!folder.ok()) return folder.status();
  const auto active = ActiveGeneration(connection);
  if (!active.ok()) return active.status();
  if (!active->has_value()) return std::nullopt;
  const bool indexed = !options.paths.empty() && command.options.variant.empty() &&
                       (*active)->model_folder() == *folder && (*active)->missing_embedding_count() == 0;
  if (indexed) return std::nullopt;
  v1::FillGenerationRequest request;
  request.set_model_folder(*folder);
  request.set_model_variant(command.options.variant);
  request.set_switch_when_filled(options.switch_when_filled);
  request.set_leave_out_unreadable(options.leave_out_unreadable);
  return request;
}

int ReportIndex(const Command& command, const IndexOptions& options, const IndexOutcome& indexed,
                const std::optional<FillOutcome>& filled) {
  if (command.options.json) {
    Json json = SummaryToJson(indexed.summary, indexed.failures);
    if (filled.has_value()) json["generation"] = OutcomeToJson(*filled);
    PrintJson(json);
  } else {
    if (!options.paths.empty()) PrintSummary(command, indexed.summary);
    if (filled.has_value()) PrintOutcome(command, *filled);
  }
  if (indexed.summary.cancelled() || (filled.has_value() && filled->summary.cancelled())) return kInterrupted;
  const bool skipped = indexed.summary.failed() > 0 || (filled.has_value() && filled->summary.failed() > 0);
  return skipped ? kInputsSkipped : kDone;
}

int RunIndex(const Command& command, const IndexOptions& options) {
  if (options.abort) return RunAbortGeneration(command);
  if (options.paths.empty() && command.options.model.empty()) {
    return Fail(command,
                absl::InvalidArgumentError("name the folders to index, or with --model the model to move to"),
                kWrongUsage);
  }
  const Interrupt interrupt;
  auto connection = LibraryConnection::Open(command.options, {.command = "index",
                                                              .create = !options.paths.empty(),
                                                              .writes = true,
                                                              .serve_others = true,
                                                              .own_model = true});
  if (!connection.ok()) return Fail(command, connection.status());

  IndexOutcome indexed;
  std::optional<FillOutcome> filled;
  const absl::Status status = [&]() -> absl::Status {
    const auto before = ActiveGeneration(**connection);
    if (!before.ok()) return before.status();
    if (!options.paths.empty()) {
      auto outcome = IndexPaths(command, **connection, MakeRequest(options), interrupt);
      if (!outcome.ok()) return outcome.status();
      indexed = *std::move(outcome);
      if (indexed.summary.cancelled()) return absl::OkStatus();
    }
    // A new library has just been indexed with this very model.
    if (!before->has_value()) return absl::OkStatus();
    const auto wanted = WantedFill(command, options, **connection);
    if (!wanted.ok()) return wanted.status();
    if (!wanted->has_value()) return absl::OkStatus();
    auto outcome = FillGeneration(command, **connection, **wanted, interrupt);
    if (!outcome.ok()) return outcome.status();
    filled = *std::move(outcome);
    return absl::OkStatus();
  }();
  const absl::Status closed = (*connection)->Close();
  if (interrupt.requested() && !status.ok()) {
    std::fprintf(stderr, "Stopped. What was indexed is kept: run the same command to go on.\n");
    return kInterrupted;
  }
  if (!status.ok()) return Fail(command, status);
  const int code = ReportIndex(command, options, indexed, filled);
  if (!closed.ok()) return Fail(command, closed);
  return code;
}

}  // namespace

void AddIndexCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<IndexOptions>();
  CLI::App* index = app.add_subcommand("index", "Add or update every picture under folders");
  index->footer(
      "New, changed, moved and removed files are noticed; unchanged ones cost next to nothing. Bad files "
      "are\n"
      "listed with a reason and skipped (exit code 3). Ctrl-C stops cleanly; the same command goes on.\n"
      "Texts beside photos (photo.jpg.txt, photo.txt) and in them (XMP, IPTC, EXIF) become captions.\n"
      "With --model naming another model than the library's, every photo and caption is then encoded by it\n"
      "too, beside the vectors that searches use meanwhile; PATH may be left out. See eidetic generation.");
  index->add_option("PATH", options->paths, "Folders (searched to the bottom) and files")->type_name("");
  index
      ->add_option("--captions", options->captions,
                   "Texts for the photos: lines of image TAB caption, or image TAB index TAB caption")
      ->type_name("FILE.tsv");
  CLI::Option* move = index->add_flag("--switch", options->switch_when_filled,
                                      "Search with the model of --model once everything is encoded by it");
  index
      ->add_flag("--leave-out-unreadable", options->leave_out_unreadable,
                 "Switch even if photos cannot be encoded: searches do not find them after it")
      ->needs(move);
  index->add_flag("--abort", options->abort, "Stop moving to another model and drop what was encoded by it");
  index->callback(
      [&command, options] { command.run = [&command, options] { return RunIndex(command, *options); }; });
}

}  // namespace eidetic::cli
