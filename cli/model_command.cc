#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/model_folders.h"
#include "cli/progress_bar.h"
#include "cli/pull/model_pull.h"
#include "encoder/dual_encoder.h"
#include "encoder/model_check.h"
#include "encoder/phrase_bank.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

absl::StatusOr<std::unique_ptr<encoder::DualEncoder>> LoadModel(const Command& command,
                                                                const std::string& model) {
  EIDETIC_ASSIGN_OR_RETURN(const std::string folder,
                           FindModelFolder(model.empty() ? command.options.model : model));
  return encoder::DualEncoder::Load(folder, {.variant = command.options.variant});
}

int RunList(const Command& command) {
  for (const std::string& folder : ListModelFolders()) {
    const std::string name = std::filesystem::path(folder).filename().string();
    if (command.options.json) {
      PrintJson({{"name", name}, {"folder", folder}});
    } else {
      std::printf("%s  %s\n", command.terminal.Bold(name).c_str(), command.terminal.Dim(folder).c_str());
    }
  }
  return kDone;
}

int RunShow(const Command& command, const std::string& model) {
  const auto encoder = LoadModel(command, model);
  if (!encoder.ok()) return Fail(command, encoder.status());
  const encoder::ModelInfo& info = (*encoder)->info();
  const auto bank = encoder::LoadPhraseBank(info.folder, info.dimension);
  if (!bank.ok()) return Fail(command, bank.status());
  if (command.options.json) {
    PrintJson({{"name", info.name},
               {"folder", info.folder},
               {"fingerprint", info.fingerprint},
               {"layout", info.layout},
               {"family", info.family},
               {"variant", info.variant},
               {"variants", info.variants},
               {"dimension", info.dimension},
               {"image_width", info.image_width},
               {"image_height", info.image_height},
               {"max_tokens", info.max_tokens},
               {"image_rules", info.image_rules},
               {"text_rules", info.text_rules},
               {"image_tower", {{"file", info.image_tower.file}, {"graph", info.image_tower.graph}}},
               {"text_tower", {{"file", info.text_tower.file}, {"graph", info.text_tower.graph}}},
               {"assumptions", info.assumptions},
               {"files", info.files},
               {"total_bytes", info.total_bytes},
               {"phrases", bank->phrases.size()}});
    return kDone;
  }
  std::printf("Name         %s\nFolder       %s\nFingerprint  %s\nDimension    %d\n", info.name.c_str(),
              info.folder.c_str(), info.fingerprint.c_str(), info.dimension);
  std::printf("Layout       %s%s\n", info.layout.c_str(),
              info.family.empty() ? "" : absl::StrCat(", family ", info.family).c_str());
  std::printf("Variant      %s (of %s)\n", info.variant.c_str(), absl::StrJoin(info.variants, ", ").c_str());
  std::printf("Image tower  %s: %s\n", info.image_tower.file.c_str(), info.image_tower.graph.c_str());
  std::printf("Text tower   %s: %s\n", info.text_tower.file.c_str(), info.text_tower.graph.c_str());
  std::printf("Image        %d x %d; %s\n", info.image_width, info.image_height, info.image_rules.c_str());
  std::printf("Text         up to %d tokens; %s\n", info.max_tokens, info.text_rules.c_str());
  for (const std::string& assumption : info.assumptions) std::printf("Assumed      %s\n", assumption.c_str());
  std::printf("%s\n", absl::StrFormat("Phrases      %d\nSize         %.1f MB", bank->phrases.size(),
                                      static_cast<double>(info.total_bytes) / 1e6)
                          .c_str());
  return kDone;
}

int RunCheck(const Command& command, const std::string& model) {
  const auto encoder = LoadModel(command, model);
  if (!encoder.ok()) return Fail(command, encoder.status());
  const auto report = encoder::CheckModel(**encoder);
  if (!report.ok()) return Fail(command, report.status());
  if (command.options.json) {
    PrintJson({{"name", (*encoder)->info().name},
               {"fingerprint", (*encoder)->info().fingerprint},
               {"passed", report->passed},
               {"texts", report->texts.size()},
               {"images", report->images.size()},
               {"max_text_distance", report->max_text_distance},
               {"max_image_distance", report->max_image_distance},
               {"max_batch_distance", report->max_batch_distance},
               {"allowed_distance", report->allowed_distance},
               {"allowed_batch_distance", report->allowed_batch_distance}});
  } else {
    std::printf("%s\n",
                absl::StrFormat("%s: %s\n%d texts, largest cosine distance %.2g (allowed %.2g)\n"
                                "%d pictures, largest cosine distance %.2g (allowed %.2g)\n"
                                "alone or in a batch, largest cosine distance %.2g (allowed %.2g)",
                                (*encoder)->info().name, report->passed ? "passed" : "FAILED",
                                report->texts.size(), report->max_text_distance, report->allowed_distance,
                                report->images.size(), report->max_image_distance, report->allowed_distance,
                                report->max_batch_distance, report->allowed_batch_distance)
                    .c_str());
  }
  return report->passed ? kDone : kFailed;
}

// The server that model names belong to, as other programs name it too.
std::string ModelServer() {
  const char* server = std::getenv("HF_ENDPOINT");
  return server != nullptr && *server != '\0' ? server : "https://huggingface.co";
}

struct PullOptions {
  std::string model;
  std::string to;
  std::string revision = "main";
};

absl::StatusOr<PullRequest> MakePullRequest(const Command& command, const PullOptions& options) {
  PullRequest request{.variant = command.options.variant, .folder = options.to};
  EIDETIC_ASSIGN_OR_RETURN(request.source, ParseModelSource(options.model, options.revision, ModelServer()));
  if (request.folder.empty()) {
    const std::string models = UserModelFolder();
    if (models.empty())
      return absl::InvalidArgumentError("there is no home folder: say where to put it with --to");
    request.folder = absl::StrCat(models, "/", request.source.name());
  }
  std::error_code error;
  request.folder = std::filesystem::absolute(request.folder, error).lexically_normal().string();
  while (request.folder.size() > 1 && request.folder.back() == '/') request.folder.pop_back();
  return request;
}

// Without a network the user can still bring the files.
absl::Status ExplainFailure(const absl::Status& status, const PullRequest& request) {
  if (!absl::IsUnavailable(status)) return status;
  return absl::UnavailableError(absl::StrCat(
      status.message(), "\nWithout a way to the server, copy the model's files into ", request.folder,
      ": config.json, preprocessor_config.json, tokenizer.json, tokenizer_config.json, "
      "onnx/vision_model.onnx and "
      "onnx/text_model.onnx (other layouts: docs/models.md)"));
}

int RunPull(const Command& command, const PullOptions& options) {
  const auto request = MakePullRequest(command, options);
  if (!request.ok()) return Fail(command, request.status(), kWrongUsage);
  const Interrupt interrupt;
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  const absl::Time start = absl::Now();
  HttpClient client({});
  const auto pulled = PullModel(*request, client, [&](const PullProgress& progress) {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    constexpr uint64_t kMegabyte = 1'000'000;
    if (progress.total > 0) {
      bar.Update({.label = progress.file,
                  .done = progress.done / kMegabyte,
                  .total = progress.total / kMegabyte,
                  .per_second = static_cast<double>(progress.done) / 1e6 / std::max(seconds, 1e-3),
                  .unit = "MB"});
    }
    return !interrupt.requested();
  });
  bar.Clear();
  if (interrupt.requested() && !pulled.ok()) {
    std::fprintf(stderr, "Stopped. What was downloaded is kept: run the same command to go on.\n");
    return kInterrupted;
  }
  if (!pulled.ok()) return Fail(command, ExplainFailure(pulled.status(), *request));
  if (command.options.json) {
    PrintJson({{"name", std::filesystem::path(request->folder).filename().string()},
               {"folder", request->folder},
               {"variant", pulled->variant},
               {"fingerprint", pulled->fingerprint},
               {"files", pulled->files},
               {"bytes", pulled->bytes}});
  } else {
    std::printf("%s\n", absl::StrFormat(
                            "%s: %d files, %.1f MB, variant %s\nTo use it: eidetic index --model %s PATH…",
                            request->folder, pulled->files, static_cast<double>(pulled->bytes) / 1e6,
                            pulled->variant, options.to.empty() ? request->source.name() : request->folder)
                            .c_str());
  }
  return kDone;
}

}  // namespace

void AddModelCommand(CLI::App& app, Command& command) {
  CLI::App* model = app.add_subcommand("model", "List, show, check and download models");
  model->require_subcommand(1);
  model->callback([&command] { command.needs_library = false; });
  model->add_subcommand("list", "List the models found")->callback([&command] {
    command.run = [&command] { return RunList(command); };
  });
  auto name = std::make_shared<std::string>();
  CLI::App* show =
      model->add_subcommand("show", "Show what a model is and by which rules it takes its input");
  show->add_option("MODEL", *name, "Name or folder")->type_name("");
  show->callback([&command, name] { command.run = [&command, name] { return RunShow(command, *name); }; });
  CLI::App* check = model->add_subcommand("check", "Run a model against its own reference vectors");
  check->footer("Exit code 1 when a distance is above the limit.");
  check->add_option("MODEL", *name, "Name or folder")->type_name("");
  check->callback([&command, name] { command.run = [&command, name] { return RunCheck(command, *name); }; });
  auto pull_options = std::make_shared<PullOptions>();
  CLI::App* pull = model->add_subcommand("pull", "Download a model and check it");
  pull->footer(
      "MODEL is OWNER/NAME on Hugging Face (or the server in $HF_ENDPOINT), or https://SERVER/OWNER/NAME.\n"
      "Only the files of one variant are downloaded (--variant, otherwise the best that fits the memory). A\n"
      "broken download goes on where it broke; run the command again after an error. Proxies: $https_proxy.");
  pull->add_option("MODEL", pull_options->model, "OWNER/NAME or URL")->required()->type_name("");
  pull->add_option("--to", pull_options->to,
                   "Folder to make. Default: NAME in the first folder of $EIDETIC_MODELS, else in "
                   "$XDG_DATA_HOME/eidetic-models or ~/.local/share/eidetic-models")
      ->type_name("DIR");
  pull->add_option("--revision", pull_options->revision, "Branch, tag or commit. Default: main")
      ->type_name("NAME");
  pull->callback([&command, pull_options] {
    command.run = [&command, pull_options] { return RunPull(command, *pull_options); };
  });
}

}  // namespace eidetic::cli
