#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_folders.h"
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

}  // namespace

void AddModelCommand(CLI::App& app, Command& command) {
  CLI::App* model = app.add_subcommand("model", "List, show and check models");
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
}

}  // namespace eidetic::cli
