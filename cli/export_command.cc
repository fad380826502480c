#include <grpcpp/client_context.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/cancel_on_interrupt.h"
#include "cli/command.h"
#include "cli/exchange/export_files.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "cli/progress_bar.h"
#include "eidetic/v1/library_service.grpc.pb.h"
#include "proto/status_macros.h"
#include "storage/library.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

struct ExportCommandOptions {
  std::string folder;
  std::string format = "clip-retrieval";
  bool half = false;
  bool no_embeddings = false;
  uint64_t part_size = 50'000;
};

// Stream → files. `exported` counts.
absl::Status Export(const ExportCommandOptions& options, const std::string& directory,
                    const Interrupt& interrupt, v1::LibraryService::Stub& stub, ProgressBar& bar,
                    uint64_t& exported) {
  v1::ExportAssetsRequest request;
  request.set_without_embeddings(options.no_embeddings);
  grpc::ClientContext context;
  const auto stream = stub.ExportAssets(&context, request);
  const CancelOnInterrupt canceller(interrupt, context);
  std::unique_ptr<exchange::ExportFiles> files;
  v1::ExportHeader header;
  const absl::Time start = absl::Now();
  const auto take = [&](const v1::ExportAssetsResponse& response) -> absl::Status {
    if (files == nullptr) {
      header = response.header();
      EIDETIC_ASSIGN_OR_RETURN(
          files, exchange::ExportFiles::Open(
                     {.directory = directory,
                      .format = options.format == "ndjson" ? exchange::ExportFormat::kNdjson
                                                           : exchange::ExportFormat::kClipRetrieval,
                      .half = options.half,
                      .assets_per_part = options.part_size},
                     header));
    }
    for (const v1::PortableAsset& asset : response.assets()) EIDETIC_RETURN_IF_ERROR(files->Add(asset));
    exported += static_cast<uint64_t>(response.assets_size());
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    bar.Update({.label = "Exporting",
                .done = exported,
                .total = header.asset_count(),
                .per_second = seconds > 0 ? static_cast<double>(exported) / seconds : 0,
                .unit = "assets"});
    return absl::OkStatus();
  };
  v1::ExportAssetsResponse response;
  absl::Status taken;
  while (taken.ok() && stream->Read(&response)) taken = take(response);
  if (!taken.ok()) context.TryCancel();
  const absl::Status streamed = FromGrpc(stream->Finish());
  EIDETIC_RETURN_IF_ERROR(taken);
  EIDETIC_RETURN_IF_ERROR(streamed);
  if (files == nullptr) return absl::InternalError("the server sent no header");
  return files->Finish();
}

int RunExport(const Command& command, const ExportCommandOptions& options) {
  if (options.no_embeddings && options.format != "ndjson") {
    return Fail(
        command,
        absl::InvalidArgumentError("--no-embeddings needs --format ndjson: the other format is made of them"),
        kWrongUsage);
  }
  if (options.half && options.format == "ndjson") {
    return Fail(command, absl::InvalidArgumentError("--half is for .npy files; NDJSON holds decimal numbers"),
                kWrongUsage);
  }
  std::error_code error;
  std::filesystem::path directory = std::filesystem::absolute(options.folder, error).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();
  const Interrupt interrupt;
  auto connection = LibraryConnection::Open(command.options, {.command = "export", .serve_others = true});
  if (!connection.ok()) return Fail(command, connection.status());
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  const auto stub = v1::LibraryService::NewStub((*connection)->channel());
  uint64_t exported = 0;
  const absl::Time start = absl::Now();
  const absl::Status status = Export(options, directory.string(), interrupt, *stub, bar, exported);
  bar.Clear();
  const absl::Status closed = (*connection)->Close();
  if (!status.ok() && interrupt.requested()) {
    std::fprintf(stderr, "Stopped. Nothing was exported.\n");
    return kInterrupted;
  }
  if (!status.ok()) return Fail(command, status);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (command.options.json) {
    PrintJson(
        {{"exported", exported}, {"folder", storage::DisplayPath(directory.string())}, {"seconds", seconds}});
  } else {
    std::printf("%s\n", command.terminal
                            .Bold(absl::StrFormat("%d assets exported into %s in %.1f s", exported,
                                                  storage::DisplayPath(directory.string()), seconds))
                            .c_str());
  }
  return closed.ok() ? kDone : Fail(command, closed);
}

}  // namespace

void AddExportCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<ExportCommandOptions>();
  CLI::App* exporting = app.add_subcommand("export", "Write embeddings and metadata to files of other tools");
  exporting->footer(
      "clip-retrieval: img_emb/img_emb_0.npy, text_emb/text_emb_0.npy and metadata/metadata_0.parquet, row\n"
      "by row alike. ndjson: one asset a line. Both hold all that the library knows, so that `eidetic\n"
      "import` makes the same library of them. The folder appears when all of it is written.");
  exporting->add_option("DIR", options->folder, "A new or empty folder")->type_name("")->required();
  exporting->add_option("--format", options->format, "clip-retrieval or ndjson")
      ->capture_default_str()
      ->check(CLI::IsMember({"clip-retrieval", "ndjson"}))
      ->type_name("FORMAT");
  exporting->add_flag("--half", options->half,
                      "float16 in .npy files, half as large; scores then differ by up to 0.001");
  exporting->add_flag("--no-embeddings", options->no_embeddings, "Records and captions alone (ndjson)");
  exporting->add_option("--part-size", options->part_size, "Assets in one part")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{10'000'000}))
      ->type_name("N");
  exporting->callback(
      [&command, options] { command.run = [&command, options] { return RunExport(command, *options); }; });
}

}  // namespace eidetic::cli
