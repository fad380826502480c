#include <grpcpp/client_context.h>
#include <stdlib.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/cancel_on_interrupt.h"
#include "cli/command.h"
#include "cli/exchange/import_files.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "cli/progress_bar.h"
#include "eidetic/v1/encoder_service.grpc.pb.h"
#include "eidetic/v1/library_service.grpc.pb.h"
#include "proto/status_macros.h"
#include "storage/library.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

// As many are listed as the server lists.
constexpr size_t kMostListed = 1'000;

struct ImportCommandOptions {
  std::string path;
  bool same_model = false;
};

struct Skipped {
  std::string place;
  std::string reason;
};

struct ImportResult {
  uint64_t imported = 0;
  uint64_t skipped = 0;
  std::vector<Skipped> listed;

  void Skip(std::string place, std::string reason) {
    ++skipped;
    if (listed.size() < kMostListed) listed.push_back({std::move(place), std::move(reason)});
  }
};

// The model whose vectors the library holds, or will: fingerprint and dimension.
absl::StatusOr<v1::ModelStatus> LibraryModel(const std::shared_ptr<grpc::Channel>& channel) {
  v1::GetStatusResponse status;
  {
    grpc::ClientContext context;
    EIDETIC_RETURN_IF_ERROR(FromGrpc(v1::LibraryService::NewStub(channel)->GetStatus(&context, {}, &status)));
  }
  if (!status.model().fingerprint().empty()) return status.model();
  v1::EmbedRequest request;
  request.add_inputs()->set_text("photo");
  v1::EmbedResponse response;
  grpc::ClientContext context;
  EIDETIC_RETURN_IF_ERROR(
      FromGrpc(v1::EncoderService::NewStub(channel)->Embed(&context, request, &response)));
  v1::ModelStatus model;
  model.set_fingerprint(response.model_fingerprint());
  model.set_dimension(static_cast<uint32_t>(response.embeddings(0).values_size()));
  return model;
}

// Before anything is written.
absl::Status CheckModel(const v1::ExportHeader& header, const v1::ModelStatus& model, bool same_model) {
  if (header.dimension() != 0 && header.dimension() != model.dimension()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the embeddings have ", header.dimension(), " dimensions, the library's model has ",
                     model.dimension(), "; import into a library of the model that made them (--model)"));
  }
  if (header.model_fingerprint().empty()) {
    // An export of a library without a model has nothing that could be of another.
    if (same_model) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "the files do not say which model made the embeddings, and vectors of two models must not mix. If it "
        "was the library's model, say so with --same-model");
  }
  if (header.model_fingerprint() == model.fingerprint()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the embeddings are of the model ", header.model_name(),
                                                    " (fingerprint ", header.model_fingerprint(),
                                                    "), the library's model is ", model.fingerprint(),
                                                    "; use the same model (--model), or index the photos"));
}

absl::Status Import(exchange::ImportFiles& files, const Interrupt& interrupt, v1::LibraryService::Stub& stub,
                    ProgressBar& bar, ImportResult& result) {
  grpc::ClientContext context;
  v1::ImportAssetsResponse response;
  const auto writer = stub.ImportAssets(&context, &response);
  const CancelOnInterrupt canceller(interrupt, context);
  const absl::Time start = absl::Now();
  uint64_t done = 0;
  const auto feed = [&]() -> absl::Status {
    exchange::ImportItem item;
    v1::ImportAssetsRequest request;
    while (true) {
      EIDETIC_ASSIGN_OR_RETURN(const bool more, files.Next(item));
      if (!more) return absl::OkStatus();
      ++done;
      if (item.problem.ok()) {
        request.mutable_portable_asset()->Swap(&item.asset);
        const std::string& fingerprint = files.header().model_fingerprint();
        request.set_model_fingerprint(fingerprint);
        v1::PortableAsset& asset = *request.mutable_portable_asset();
        if (asset.has_embedding()) asset.mutable_embedding()->set_model_fingerprint(fingerprint);
        for (v1::PortableCaption& caption : *asset.mutable_captions()) {
          if (caption.has_embedding()) caption.mutable_embedding()->set_model_fingerprint(fingerprint);
        }
        // The server ended the call; Finish tells why.
        if (!writer->Write(request)) return absl::OkStatus();
      } else {
        bar.Note(absl::StrCat("skipped ", item.place, ": ", item.problem.message()));
        result.Skip(item.place, std::string(item.problem.message()));
      }
      const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
      bar.Update({.label = "Importing",
                  .done = done,
                  .total = files.header().asset_count(),
                  .per_second = seconds > 0 ? static_cast<double>(done) / seconds : 0,
                  .unit = "assets"});
    }
  };
  const absl::Status fed = feed();
  if (fed.ok()) {
    writer->WritesDone();
  } else {
    context.TryCancel();
  }
  const absl::Status streamed = FromGrpc(writer->Finish());
  EIDETIC_RETURN_IF_ERROR(fed);
  EIDETIC_RETURN_IF_ERROR(streamed);
  result.imported = response.imported_count();
  for (const v1::ImportFailure& failure : response.failures()) {
    bar.Note(absl::StrCat("skipped ", failure.asset_id(), ": ", failure.message()));
    result.Skip(failure.asset_id(), failure.message());
  }
  // Of those beyond the list only the number is known.
  result.skipped += response.failed_count() - static_cast<uint64_t>(response.failures_size());
  return absl::OkStatus();
}

int Report(const Command& command, const ImportResult& result, double seconds) {
  if (command.options.json) {
    Json json = {{"imported", result.imported}, {"failed", result.skipped}, {"seconds", seconds}};
    Json& listed = json["failures"] = Json::array();
    for (const Skipped& skipped : result.listed) {
      listed.push_back({{"place", skipped.place}, {"reason", skipped.reason}});
    }
    PrintJson(json);
  } else {
    std::printf("%s\n", command.terminal
                            .Bold(absl::StrFormat("%d imported, %d skipped in %.1f s", result.imported,
                                                  result.skipped, seconds))
                            .c_str());
  }
  return result.skipped > 0 ? kInputsSkipped : kDone;
}

int RunImport(const Command& command, const ImportCommandOptions& options) {
  std::error_code error;
  std::string scratch =
      absl::StrCat(std::filesystem::temp_directory_path(error).string(), "/eidetic-import-XXXXXX");
  if (error || mkdtemp(scratch.data()) == nullptr) {
    return Fail(command,
                absl::ErrnoToStatus(error ? error.value() : errno, "making a folder for temporary files"));
  }
  const absl::Cleanup remove_scratch = [&scratch] {
    std::error_code ignored;
    std::filesystem::remove_all(scratch, ignored);
  };
  // The files first: what is wrong with them makes no library.
  auto files = exchange::ImportFiles::Open(options.path, absl::StrCat(scratch, "/duckdb"));
  if (!files.ok()) return Fail(command, files.status());

  const Interrupt interrupt;
  auto connection =
      LibraryConnection::Open(command.options, {.command = "import", .create = true, .serve_others = true});
  if (!connection.ok()) return Fail(command, connection.status());
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  ImportResult result;
  const absl::Time start = absl::Now();
  const auto import = [&]() -> absl::Status {
    EIDETIC_ASSIGN_OR_RETURN(const v1::ModelStatus model, LibraryModel((*connection)->channel()));
    EIDETIC_RETURN_IF_ERROR(CheckModel((*files)->header(), model, options.same_model));
    return Import(**files, interrupt, *v1::LibraryService::NewStub((*connection)->channel()), bar, result);
  };
  const absl::Status status = import();
  bar.Clear();
  const absl::Status closed = (*connection)->Close();
  if (!status.ok() && interrupt.requested()) {
    std::fprintf(stderr, "Stopped. What was imported is kept: the same command imports all of it again.\n");
    return kInterrupted;
  }
  if (!status.ok()) return Fail(command, status);
  const int code = Report(command, result, absl::ToDoubleSeconds(absl::Now() - start));
  return closed.ok() ? code : Fail(command, closed);
}

}  // namespace

void AddImportCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<ImportCommandOptions>();
  CLI::App* importing = app.add_subcommand("import", "Take in embeddings and metadata from files");
  importing->footer(
      "Reads what `eidetic export` wrote, what clip-retrieval's inference wrote, and NDJSON with one asset\n"
      "a line (docs/export.md). All files are looked at before anything is written; a bad row is listed and\n"
      "skipped (exit code 3). An asset that is there already is replaced.");
  importing->add_option("PATH", options->path, "A folder, or an .ndjson file")->type_name("")->required();
  importing->add_flag("--same-model", options->same_model,
                      "The embeddings are of the library's model, although the files do not say so");
  importing->callback(
      [&command, options] { command.run = [&command, options] { return RunImport(command, *options); }; });
}

}  // namespace eidetic::cli
