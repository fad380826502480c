#include "encoder/model_layout.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

namespace fs = std::filesystem;

constexpr char kPlain[] = "plain";
constexpr size_t kMostEntries = 10'000;
constexpr absl::string_view kOnnxEnding = ".onnx";

// Best first: what loses least against the model as it was trained. Other
// suffixes come last.
constexpr absl::string_view kPreference[] = {kPlain,  "fp16",  "quantized", "int8",
                                             "uint8", "q4f16", "q4",        "bnb4"};

size_t RankOf(absl::string_view variant) {
  return std::find(std::begin(kPreference), std::end(kPreference), variant) - std::begin(kPreference);
}

// Files that lie in `subfolder` ("onnx/", or "" for the folder itself), by name.
FileSizes SizesIn(const FileSizes& sizes, const std::string& subfolder) {
  FileSizes found;
  for (auto file = sizes.lower_bound(subfolder); file != sizes.end() && file->first.starts_with(subfolder);
       ++file) {
    const std::string name = file->first.substr(subfolder.size());
    if (name.find('/') == std::string::npos) found.emplace(name, file->second);
  }
  return found;
}

// Of the folder itself and of those that layouts use.
FileSizes SizesOnDisk(const std::string& folder) {
  FileSizes sizes;
  for (const char* subfolder : {"", "onnx/", "visual/", "textual/"}) {
    std::error_code error;
    for (fs::directory_iterator entry(fs::path(folder) / subfolder, error), end;
         !error && entry != end && sizes.size() < kMostEntries; entry.increment(error)) {
      std::error_code size_error;
      const uint64_t size = fs::file_size(entry->path(), size_error);
      sizes.emplace(absl::StrCat(subfolder, entry->path().filename().string()), size_error ? 0 : size);
    }
  }
  return sizes;
}

// The files PREFIX.onnx and PREFIX_SUFFIX.onnx by variant, with the bytes of each
// and of what lies beside it under its name (PREFIX.onnx_data).
struct GraphFile {
  std::string name;
  uint64_t bytes = 0;
};
std::map<std::string, GraphFile> GraphFiles(const FileSizes& sizes, absl::string_view prefix) {
  std::map<std::string, GraphFile> found;
  for (const auto& [name, size] : sizes) {
    absl::string_view suffix = name;
    if (!absl::ConsumePrefix(&suffix, prefix) || !absl::ConsumeSuffix(&suffix, kOnnxEnding)) continue;
    if (!suffix.empty() && (!absl::ConsumePrefix(&suffix, "_") || suffix.empty())) continue;
    GraphFile file{.name = name};
    for (auto beside = sizes.lower_bound(name); beside != sizes.end() && beside->first.starts_with(name);
         ++beside) {
      file.bytes += beside->second;
    }
    found.emplace(suffix.empty() ? kPlain : std::string(suffix), std::move(file));
  }
  return found;
}

void SortByPreference(std::vector<ModelVariant>& variants) {
  std::sort(variants.begin(), variants.end(), [](const ModelVariant& a, const ModelVariant& b) {
    return std::pair(RankOf(a.name), a.name) < std::pair(RankOf(b.name), b.name);
  });
}

// Both towers in a file each.
struct Pair {
  std::string image_prefix;  // "onnx/vision_model"
  std::string text_prefix;
};

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

// Variants that both towers have. `seen`: whether either has any.
std::vector<ModelVariant> FindPairs(const FileSizes& sizes, const Pair& pair, bool& seen) {
  const auto [image_folder, image_name] = SplitPath(pair.image_prefix);
  const auto [text_folder, text_name] = SplitPath(pair.text_prefix);
  const std::map<std::string, GraphFile> images = GraphFiles(SizesIn(sizes, image_folder), image_name);
  const std::map<std::string, GraphFile> texts = GraphFiles(SizesIn(sizes, text_folder), text_name);
  seen = !images.empty() || !texts.empty();
  std::vector<ModelVariant> variants;
  for (const auto& [name, image] : images) {
    const auto text = texts.find(name);
    if (text == texts.end()) continue;
    variants.push_back({.name = name,
                        .image_file = absl::StrCat(image_folder, image.name),
                        .text_file = absl::StrCat(text_folder, text->second.name),
                        .bytes = image.bytes + text->second.bytes});
  }
  SortByPreference(variants);
  return variants;
}

std::vector<ModelVariant> FindSingles(const FileSizes& sizes, const std::string& subfolder) {
  std::vector<ModelVariant> variants;
  for (const auto& [name, file] : GraphFiles(SizesIn(sizes, subfolder), "model")) {
    const std::string path = absl::StrCat(subfolder, file.name);
    variants.push_back({.name = name, .image_file = path, .text_file = path, .bytes = file.bytes});
  }
  SortByPreference(variants);
  return variants;
}

// What loading takes at its peak: the file's bytes and ONNX Runtime's copy of
// them, which on a CPU is twice as wide for 16-bit floats.
uint64_t NeededBytes(const ModelVariant& variant) {
  return variant.bytes * (absl::StrContains(variant.name, "16") ? 3 : 2);
}

std::string NamesOf(const std::vector<ModelVariant>& variants) {
  return absl::StrJoin(variants, ", ", [](std::string* out, const ModelVariant& variant) {
    absl::StrAppend(out, variant.name);
  });
}

// Both towers are there, but not in the same precision, or one is not there.
absl::Status IncompletePair(const FileSizes& sizes, const std::string& folder, const Pair& pair) {
  const auto names = [&sizes](const std::string& prefix) {
    const auto [subfolder, name] = SplitPath(prefix);
    std::vector<std::string> found;
    for (const auto& [variant, file] : GraphFiles(SizesIn(sizes, subfolder), name)) {
      found.push_back(absl::StrCat(subfolder, file.name));
    }
    return found;
  };
  const std::vector<std::string> images = names(pair.image_prefix);
  const std::vector<std::string> texts = names(pair.text_prefix);
  for (const auto& [found, prefix] :
       {std::pair(&images, &pair.image_prefix), std::pair(&texts, &pair.text_prefix)}) {
    if (found->empty()) {
      return absl::NotFoundError(absl::StrCat("the model folder ", folder, " has no ", *prefix, kOnnxEnding));
    }
  }
  return absl::NotFoundError(absl::StrCat("the model folder ", folder, " has ", absl::StrJoin(images, ", "),
                                          " and ", absl::StrJoin(texts, ", "),
                                          ": the two towers must be there with the same suffix"));
}

absl::Status CheckIsFolder(const std::string& path) {
  std::error_code error;
  const fs::file_status facts = fs::status(path, error);
  if (facts.type() == fs::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat("no model folder at ", path));
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot look at the model folder ", path));
  }
  if (fs::is_directory(facts)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a model folder but a file"));
}

}  // namespace

absl::string_view NameOf(ModelLayout layout) {
  switch (layout) {
    case ModelLayout::kHuggingFace:
      return "Hugging Face";
    case ModelLayout::kImmich:
      return "Immich";
    case ModelLayout::kSingleFile:
      return "single file";
  }
  return "unknown";
}

absl::StatusOr<ModelFiles> FindModelFiles(const std::string& folder) {
  EIDETIC_RETURN_IF_ERROR(CheckIsFolder(folder));
  return FindModelFiles(SizesOnDisk(folder), folder);
}

absl::StatusOr<ModelFiles> FindModelFiles(const FileSizes& sizes, const std::string& folder) {
  ModelFiles files{.config = "config.json",
                   .preprocessor = "preprocessor_config.json",
                   .tokenizer = "tokenizer.json",
                   .tokenizer_config = "tokenizer_config.json"};
  // Exports lie in onnx/, and after a download by hand often beside the JSON.
  std::optional<Pair> incomplete;
  for (const char* subfolder : {"onnx/", ""}) {
    const Pair pair{.image_prefix = absl::StrCat(subfolder, "vision_model"),
                    .text_prefix = absl::StrCat(subfolder, "text_model")};
    bool seen = false;
    files.variants = FindPairs(sizes, pair, seen);
    if (!files.variants.empty()) return files;
    if (seen && !incomplete) incomplete = pair;
  }
  const Pair immich{.image_prefix = "visual/model", .text_prefix = "textual/model"};
  bool immich_seen = false;
  files.variants = FindPairs(sizes, immich, immich_seen);
  if (!files.variants.empty()) {
    files.layout = ModelLayout::kImmich;
    files.preprocessor = "visual/preprocess_cfg.json";
    files.tokenizer = "textual/tokenizer.json";
    files.tokenizer_config = "textual/tokenizer_config.json";
    return files;
  }
  if (immich_seen && !incomplete) incomplete = immich;
  for (const char* subfolder : {"onnx/", ""}) {
    files.variants = FindSingles(sizes, subfolder);
    files.layout = ModelLayout::kSingleFile;
    if (!files.variants.empty()) return files;
  }
  if (incomplete) return IncompletePair(sizes, folder, *incomplete);
  return absl::NotFoundError(absl::StrCat(
      "the model folder ", folder,
      " has no towers: onnx/vision_model.onnx and onnx/text_model.onnx (Hugging Face), visual/model.onnx and "
      "textual/model.onnx (Immich), or onnx/model.onnx (single file) are looked for; see docs/models.md"));
}

absl::StatusOr<ModelVariant> ChooseVariant(const ModelFiles& files, absl::string_view wanted,
                                           uint64_t memory_bytes) {
  const std::vector<ModelVariant>& variants = files.variants;
  if (!wanted.empty()) {
    const auto found = std::find_if(variants.begin(), variants.end(),
                                    [wanted](const ModelVariant& variant) { return variant.name == wanted; });
    if (found != variants.end()) return *found;
    return absl::NotFoundError(absl::StrCat("no variant \"", wanted, "\"; there is: ", NamesOf(variants)));
  }
  // Half: the machine has other things to do.
  const auto fitting = std::find_if(
      variants.begin(), variants.end(),
      [memory_bytes](const ModelVariant& variant) { return NeededBytes(variant) <= memory_bytes / 2; });
  if (fitting != variants.end()) return *fitting;
  return *std::min_element(
      variants.begin(), variants.end(),
      [](const ModelVariant& a, const ModelVariant& b) { return NeededBytes(a) < NeededBytes(b); });
}

}  // namespace eidetic::encoder
