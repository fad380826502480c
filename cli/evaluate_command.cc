#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/input_lines.h"
#include "cli/json_output.h"
#include "cli/model_folders.h"
#include "cli/progress_bar.h"
#include "cli/recall.h"
#include "encoder/dual_encoder.h"
#include "encoder/file_contents.h"
#include "indexer/caption_file.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

// Pictures decoded side by side, then encoded together.
constexpr size_t kPicturesAtOnce = 64;

struct EvaluateOptions {
  std::string images;
  std::string captions;
  std::string list;
};

struct CaptionedPicture {
  std::string path;
  std::vector<std::string> captions;
};

// Pictures of the folder that have captions; with a list only those named there.
absl::StatusOr<std::vector<CaptionedPicture>> FindPictures(const EvaluateOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(indexer::CaptionFile file, indexer::ReadCaptionFile(options.captions));
  std::set<std::string> listed;
  if (!options.list.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, ReadInputLines(options.list));
    listed.insert(names.begin(), names.end());
  }
  std::vector<CaptionedPicture> pictures;
  for (indexer::CaptionFile::Image& image : file.images) {
    if (!listed.empty() && listed.count(image.name) == 0) continue;
    const std::string path = (std::filesystem::path(options.images) / image.name).string();
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      if (listed.empty()) continue;
      return absl::NotFoundError(absl::StrCat(path, " is in the list, but not in the folder"));
    }
    pictures.push_back({path, std::move(image.captions)});
  }
  if (pictures.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no picture in ", options.images, " has a caption in ", options.captions));
  }
  return pictures;
}

absl::StatusOr<encoder::PreparedPicture> Prepare(const encoder::DualEncoder& encoder,
                                                 const std::string& path) {
  const encoder::DecodeOptions decode;
  EIDETIC_ASSIGN_OR_RETURN(const std::string bytes, encoder::ReadFileContents(path, decode.max_file_bytes));
  auto prepared =
      encoder.PreparePicture({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, decode);
  if (!prepared.ok()) return AddContext(prepared.status(), path);
  return prepared;
}

// Embeds the pictures and takes out of `pictures` those that cannot be read.
absl::StatusOr<encoder::Embeddings> EmbedPictures(const Command& command, const encoder::DualEncoder& encoder,
                                                  std::vector<CaptionedPicture>& pictures, ProgressBar& bar) {
  encoder::Embeddings all;
  all.dimension = encoder.dimension();
  std::vector<CaptionedPicture> readable;
  const size_t threads = std::max(1U, std::thread::hardware_concurrency());
  const absl::Time start = absl::Now();
  for (size_t first = 0; first < pictures.size(); first += kPicturesAtOnce) {
    const size_t count = std::min(kPicturesAtOnce, pictures.size() - first);
    std::vector<absl::StatusOr<encoder::PreparedPicture>> results(count, absl::UnknownError(""));
    std::vector<std::thread> workers;
    for (size_t worker = 0; worker < threads; ++worker) {
      workers.emplace_back([&, worker] {
        for (size_t i = worker; i < count; i += threads)
          results[i] = Prepare(encoder, pictures[first + i].path);
      });
    }
    for (std::thread& worker : workers) worker.join();
    std::vector<encoder::PreparedPicture> prepared;
    for (size_t i = 0; i < count; ++i) {
      if (results[i].ok()) {
        prepared.push_back(*std::move(results[i]));
        readable.push_back(std::move(pictures[first + i]));
      } else {
        bar.Clear();
        Fail(command, results[i].status());
      }
    }
    EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings some, encoder.EncodePictures(prepared));
    all.values.insert(all.values.end(), some.values.begin(), some.values.end());
    ProgressState state;
    state.label = "Pictures";
    state.done = first + count;
    state.total = pictures.size();
    state.per_second = static_cast<double>(state.done) / absl::ToDoubleSeconds(absl::Now() - start);
    state.unit = "pictures";
    bar.Update(state);
  }
  pictures = std::move(readable);
  return all;
}

Json RecallToJson(const std::array<double, kRecallCutoffs.size()>& recall) {
  Json json;
  for (size_t i = 0; i < kRecallCutoffs.size(); ++i)
    json[absl::StrCat("recall@", kRecallCutoffs[i])] = recall[i];
  return json;
}

void PrintRecall(const char* direction, const std::array<double, kRecallCutoffs.size()>& recall) {
  std::string line = absl::StrFormat("%-14s", direction);
  for (size_t i = 0; i < kRecallCutoffs.size(); ++i) {
    absl::StrAppendFormat(&line, "  recall@%d %.4f", kRecallCutoffs[i], recall[i]);
  }
  std::printf("%s\n", line.c_str());
}

int RunEvaluate(const Command& command, const EvaluateOptions& options) {
  const auto folder = FindModelFolder(command.options.model);
  if (!folder.ok()) return Fail(command, folder.status());
  auto pictures = FindPictures(options);
  if (!pictures.ok()) return Fail(command, pictures.status());
  const auto encoder = encoder::DualEncoder::Load(*folder, {.variant = command.options.variant});
  if (!encoder.ok()) return Fail(command, encoder.status());

  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  const size_t wanted = pictures->size();
  const auto picture_embeddings = EmbedPictures(command, **encoder, *pictures, bar);
  bar.Clear();
  if (!picture_embeddings.ok()) return Fail(command, picture_embeddings.status());
  if (pictures->empty()) return Fail(command, absl::InvalidArgumentError("not one picture could be read"));
  std::vector<std::string> texts;
  std::vector<size_t> picture_of;
  for (size_t i = 0; i < pictures->size(); ++i) {
    for (std::string& caption : (*pictures)[i].captions) {
      texts.push_back(std::move(caption));
      picture_of.push_back(i);
    }
  }
  const auto text_embeddings = (*encoder)->EncodeTexts(texts);
  if (!text_embeddings.ok()) return Fail(command, text_embeddings.status());
  const Recall recall = MeasureRecall(*picture_embeddings, *text_embeddings, picture_of);
  if (command.options.json) {
    PrintJson({{"model", (*encoder)->info().name},
               {"fingerprint", (*encoder)->info().fingerprint},
               {"images", pictures->size()},
               {"captions", texts.size()},
               {"text_to_image", RecallToJson(recall.text_to_image)},
               {"image_to_text", RecallToJson(recall.image_to_text)}});
  } else {
    std::printf("%s\n", absl::StrFormat("%s: %d pictures, %d captions", (*encoder)->info().name,
                                        pictures->size(), texts.size())
                            .c_str());
    PrintRecall("text to image", recall.text_to_image);
    PrintRecall("image to text", recall.image_to_text);
  }
  return pictures->size() < wanted ? kInputsSkipped : kDone;
}

}  // namespace

void AddEvaluateCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* evaluate = app.add_subcommand("evaluate", "Measure a model's recall on captioned pictures");
  evaluate->footer(
      "Text to image: the share of captions whose picture is among the first 1, 5, 10. Image to text: the "
      "share of\n"
      "pictures with any of their captions among the first 1, 5, 10. Needs no library.");
  evaluate->add_option("--images", options->images, "Folder of the pictures")->type_name("DIR")->required();
  evaluate
      ->add_option("--captions", options->captions,
                   "Lines of image TAB caption, or image TAB index TAB caption")
      ->type_name("TSV")
      ->required();
  evaluate->add_option("--list", options->list, "Only these pictures: one name a line")->type_name("FILE");
  evaluate->callback([&command, options] {
    command.needs_library = false;
    command.run = [&command, options] { return RunEvaluate(command, *options); };
  });
}

}  // namespace eidetic::cli
