#include <grpcpp/client_context.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "cli/progress_bar.h"
#include "eidetic/v1/library_service.grpc.pb.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

struct IndexOptions {
  std::vector<std::string> paths;
  std::string captions;
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

int RunIndex(const Command& command, const IndexOptions& options) {
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

  const Interrupt interrupt;
  auto connection = LibraryConnection::Open(
      command.options, {.command = "index", .create = true, .writes = true, .serve_others = true});
  if (!connection.ok()) return Fail(command, connection.status());

  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  std::vector<v1::IndexFailure> failures;
  v1::IndexSummary summary;
  bool have_summary = false;
  absl::Status status;
  {
    grpc::ClientContext context;
    const auto stub = v1::LibraryService::NewStub((*connection)->channel());
    const auto stream = stub->IndexPaths(&context, request);
    std::atomic<bool> ended = false;
    std::thread canceller([&] {
      while (!ended && !interrupt.requested()) absl::SleepFor(absl::Milliseconds(20));
      if (!ended) context.TryCancel();
    });
    v1::IndexPathsResponse response;
    while (stream->Read(&response)) {
      for (const v1::IndexFailure& failure : response.failures()) {
        bar.Note(absl::StrCat("skipped ", failure.path(), ": ", failure.message()));
        failures.push_back(failure);
      }
      if (response.has_progress()) bar.Update(ToState(response.progress()));
      if (response.has_summary()) {
        summary = response.summary();
        have_summary = true;
      }
    }
    status = (*connection)->ToStatus(stream->Finish());
    ended = true;
    canceller.join();
  }
  bar.Clear();
  const bool interrupted = interrupt.requested() && !have_summary;
  const absl::Status closed = (*connection)->Close();
  if (interrupted) {
    std::fprintf(stderr, "Stopped. What was indexed is kept: run the same command to go on.\n");
    return kInterrupted;
  }
  if (!status.ok()) return Fail(command, status);
  if (!have_summary) return Fail(command, absl::InternalError("the indexer ended without a summary"));
  if (command.options.json) {
    PrintJson(SummaryToJson(summary, failures));
  } else {
    PrintSummary(command, summary);
  }
  if (!closed.ok()) return Fail(command, closed);
  if (summary.cancelled()) return kInterrupted;
  return summary.failed() > 0 ? kInputsSkipped : kDone;
}

}  // namespace

void AddIndexCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<IndexOptions>();
  CLI::App* index = app.add_subcommand("index", "Add or update every picture under folders");
  index->footer(
      "New, changed, moved and removed files are noticed; unchanged ones cost next to nothing. Bad files "
      "are\n"
      "listed with a reason and skipped (exit code 3). Ctrl-C stops cleanly; the same command goes on.\n"
      "Texts beside photos (photo.jpg.txt, photo.txt) and in them (XMP, IPTC, EXIF) become captions.");
  index->add_option("PATH", options->paths, "Folders (searched to the bottom) and files")
      ->type_name("")
      ->required();
  index
      ->add_option("--captions", options->captions,
                   "Texts for the photos: lines of image TAB caption, or image TAB index TAB caption")
      ->type_name("FILE.tsv");
  index->callback(
      [&command, options] { command.run = [&command, options] { return RunIndex(command, *options); }; });
}

}  // namespace eidetic::cli
