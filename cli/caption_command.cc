#include <grpcpp/client_context.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "eidetic/v1/search_service.grpc.pb.h"
#include "encoder/file_contents.h"
#include "encoder/image_decoder.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

struct CaptionOptions {
  std::vector<std::string> images;
  int limit = 5;
  bool library_only = false;
  bool phrase_bank_only = false;
};

absl::StatusOr<v1::CaptionResponse> Caption(const LibraryConnection& connection,
                                            const CaptionOptions& options, const std::string& image) {
  EIDETIC_ASSIGN_OR_RETURN(std::string bytes,
                           encoder::ReadFileContents(image, encoder::DecodeOptions{}.max_file_bytes));
  v1::CaptionRequest request;
  request.mutable_query()->set_image(std::move(bytes));
  request.set_page_size(options.limit);
  request.set_library_only(options.library_only);
  request.set_phrase_bank_only(options.phrase_bank_only);
  grpc::ClientContext context;
  v1::CaptionResponse response;
  const auto stub = v1::SearchService::NewStub(connection.channel());
  EIDETIC_RETURN_IF_ERROR(
      AddContext(connection.ToStatus(stub->Caption(&context, request, &response)), image));
  return response;
}

void PrintCaptions(const Command& command, const v1::CaptionResponse& response) {
  for (const v1::CaptionHit& hit : response.captions()) {
    std::printf("%s %s %s\n",
                command.terminal.Dim(absl::StrFormat("%3d  %.3f ", hit.rank(), hit.score())).c_str(),
                hit.text().c_str(),
                command.terminal.Dim(absl::StrFormat("[%s]", CaptionSourceName(hit.source()))).c_str());
  }
  if (response.captions().empty()) std::printf("No texts: neither the library nor the model has any.\n");
}

int RunCaption(const Command& command, const CaptionOptions& options) {
  // A library is made when there is none: the phrases of the model serve anyone.
  auto connection = LibraryConnection::Open(command.options, {.command = "caption", .create = true});
  if (!connection.ok()) return Fail(command, connection.status());
  size_t skipped = 0;
  for (const std::string& image : options.images) {
    const auto response = Caption(**connection, options, image);
    if (!response.ok()) {
      ++skipped;
      Fail(command, response.status());
      continue;
    }
    if (!command.options.json) {
      if (options.images.size() > 1) std::printf("%s\n", command.terminal.Bold(image).c_str());
      PrintCaptions(command, *response);
      continue;
    }
    for (const v1::CaptionHit& hit : response->captions()) {
      Json json = CaptionHitToJson(hit);
      if (options.images.size() > 1) json["image"] = image;
      PrintJson(json);
    }
  }
  if (const absl::Status closed = (*connection)->Close(); !closed.ok()) return Fail(command, closed);
  if (skipped == 0) return kDone;
  return skipped == options.images.size() ? kFailed : kInputsSkipped;
}

}  // namespace

void AddCaptionCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<CaptionOptions>();
  CLI::App* caption = app.add_subcommand("caption", "Find words for pictures");
  caption->footer(
      "Captions come from the texts of the library and from the bank of phrases that ships with the model;\n"
      "each says its source.");
  caption->add_option("IMAGE", options->images, "Pictures, of the library or not")->type_name("")->required();
  caption->add_option("--limit", options->limit, "Most captions to show")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI::Option* library_only =
      caption->add_flag("--library-only", options->library_only, "Only texts of the library");
  caption->add_flag("--phrase-bank-only", options->phrase_bank_only, "Only phrases of the model")
      ->excludes(library_only);
  caption->callback(
      [&command, options] { command.run = [&command, options] { return RunCaption(command, *options); }; });
}

}  // namespace eidetic::cli
