#include "encoder/model_folder.h"

#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "encoder/file_contents.h"
#include "encoder/physical_memory.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr uint64_t kMostModelBytes = uint64_t{2} << 30;
constexpr uint64_t kMostTokenizerBytes = uint64_t{64} << 20;
constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;
// Older exports keep each weight in a file of its own.
constexpr size_t kMostExternalFiles = 10'000;
constexpr size_t kFingerprintDigits = 32;

struct WantedFile {
  std::string name;
  uint64_t max_bytes;
  bool required;
};

bool Has(const ModelFolder& folder, absl::string_view name) {
  return std::any_of(folder.files.begin(), folder.files.end(),
                     [name](const ModelFolder::File& file) { return file.name == name; });
}

absl::Status ReadFile(const WantedFile& wanted, ModelFolder& folder) {
  if (Has(folder, wanted.name)) return absl::OkStatus();
  absl::StatusOr<std::string> contents =
      ReadFileContents(absl::StrCat(folder.path, "/", wanted.name), wanted.max_bytes);
  if (absl::IsNotFound(contents.status()) && !wanted.required) return absl::OkStatus();
  if (absl::IsNotFound(contents.status())) {
    return absl::NotFoundError(absl::StrCat("the model folder ", folder.path, " has no ", wanted.name));
  }
  EIDETIC_RETURN_IF_ERROR(contents.status());
  folder.files.push_back({.name = wanted.name, .contents = *std::move(contents)});
  return absl::OkStatus();
}

// ONNX Runtime makes a copy of its own, and the machine has other things to do.
uint64_t MostExternalBytes() { return PhysicalMemoryBytes() / 3; }

absl::Status ReadExternalFile(const TowerFiles& tower, const std::string& name, uint64_t needed,
                              ModelFolder& folder) {
  const absl::Status status =
      ReadFile({.name = name, .max_bytes = MostExternalBytes(), .required = true}, folder);
  if (absl::IsNotFound(status)) {
    return absl::NotFoundError(absl::StrCat("the model folder ", folder.path, " has no ", name, ", where ",
                                            tower.file,
                                            " keeps weights (ONNX external data); download it too"));
  }
  EIDETIC_RETURN_IF_ERROR(status);
  const uint64_t size = folder.Contents(name).size();
  if (size >= needed) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(folder.path, "/", name, ": ", size, " bytes, but ",
                                                 tower.file, " keeps weights in the first ", needed,
                                                 " of it; it is truncated or of another export"));
}

absl::StatusOr<TowerFiles> ReadTower(const std::string& file, ModelFolder& folder) {
  EIDETIC_RETURN_IF_ERROR(ReadFile({.name = file, .max_bytes = kMostModelBytes, .required = true}, folder));
  TowerFiles tower{.file = file};
  absl::StatusOr<OnnxFileFacts> facts = CheckOnnxFile(folder.Contents(file), file);
  if (!facts.ok()) return AddContext(facts.status(), folder.path);
  tower.facts = *std::move(facts);
  if (tower.facts.external_files.size() > kMostExternalFiles) {
    return absl::InvalidArgumentError(absl::StrCat(folder.path, "/", file, ": keeps weights in ",
                                                   tower.facts.external_files.size(), " files; at most ",
                                                   kMostExternalFiles, " are read"));
  }
  uint64_t total = 0;
  const std::string subfolder = file.substr(0, file.rfind('/') + 1);
  for (const auto& [location, needed] : tower.facts.external_files) {
    const std::string name =
        std::filesystem::path(absl::StrCat(subfolder, location)).lexically_normal().string();
    EIDETIC_RETURN_IF_ERROR(ReadExternalFile(tower, name, needed, folder));
    total += folder.Contents(name).size();
    if (total > MostExternalBytes()) {
      return absl::ResourceExhaustedError(absl::StrCat(folder.path, "/", file,
                                                       ": its weights take more than ", MostExternalBytes(),
                                                       " bytes, a third of this machine's memory"));
    }
    tower.external_files.emplace_back(location, name);
  }
  return tower;
}

}  // namespace

absl::string_view ModelFolder::Contents(absl::string_view file) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [file](const File& entry) { return entry.name == file; });
  return found == files.end() ? absl::string_view() : absl::string_view(found->contents);
}

void ModelFolder::DropTextTower() {
  const auto made_of = [](const TowerFiles& tower, const std::string& file) {
    return tower.file == file ||
           std::any_of(tower.external_files.begin(), tower.external_files.end(),
                       [&file](const auto& external) { return external.second == file; });
  };
  for (File& file : files) {
    if (made_of(text_tower, file.name) && !made_of(image_tower, file.name)) file.contents = std::string();
  }
}

absl::StatusOr<ModelFolder> ReadModelFolder(const std::string& path, const ModelFiles& layout,
                                            const ModelVariant& variant) {
  ModelFolder folder{.path = path, .layout = layout, .variant = variant};
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  folder.name = (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
  const WantedFile wanted[] = {
      {layout.config, kMostConfigBytes, true},
      {layout.preprocessor, kMostConfigBytes, true},
      {layout.tokenizer, kMostTokenizerBytes, true},
      {layout.tokenizer_config, kMostConfigBytes, false},
  };
  for (const WantedFile& file : wanted) EIDETIC_RETURN_IF_ERROR(ReadFile(file, folder));
  absl::StatusOr<ModelConfig> config = ParseModelConfig(folder.Contents(layout.config), layout.config);
  if (!config.ok()) return AddContext(config.status(), path);
  folder.config = *std::move(config);
  EIDETIC_ASSIGN_OR_RETURN(folder.image_tower, ReadTower(variant.image_file, folder));
  EIDETIC_ASSIGN_OR_RETURN(folder.text_tower, ReadTower(variant.text_file, folder));
  std::sort(folder.files.begin(), folder.files.end(),
            [](const ModelFolder::File& a, const ModelFolder::File& b) { return a.name < b.name; });
  return folder;
}

std::string FingerprintOf(const ModelFolder& folder) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const ModelFolder::File& file : folder.files) {
    // The size tells where one file ends and the next begins.
    const std::string head = absl::StrCat(file.name, "\n", file.contents.size(), "\n");
    EVP_DigestUpdate(context.get(), head.data(), head.size());
    EVP_DigestUpdate(context.get(), file.contents.data(), file.contents.size());
  }
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  const absl::string_view bytes(reinterpret_cast<const char*>(digest), size);
  return absl::BytesToHexString(bytes.substr(0, kFingerprintDigits / 2));
}

}  // namespace eidetic::encoder
