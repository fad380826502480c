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
#include "encoder/json_reader.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr uint64_t kMostModelBytes = uint64_t{2} << 30;
constexpr uint64_t kMostTokenizerBytes = uint64_t{64} << 20;
constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;
constexpr int64_t kMostDimension = 1 << 16;
constexpr int64_t kMostPositions = 1 << 20;
constexpr int64_t kMostTokens = 4'000'000;
constexpr size_t kFingerprintDigits = 32;

struct LayoutFile {
  const char* name;
  uint64_t max_bytes;
  bool required;
};

// Sorted by name.
constexpr LayoutFile kLayout[] = {
    {kConfigFile, kMostConfigBytes, true},       {kTextModelFile, kMostModelBytes, true},
    {kVisionModelFile, kMostModelBytes, true},   {kPreprocessorFile, kMostConfigBytes, true},
    {kTokenizerFile, kMostTokenizerBytes, true}, {kTokenizerConfigFile, kMostConfigBytes, false},
};

absl::StatusOr<std::optional<int>> OptionalSize(const JsonReader& config, const char* key, int64_t most) {
  if (!config.Has(key)) return std::nullopt;
  EIDETIC_ASSIGN_OR_RETURN(const int64_t value, config.Integer(key, 1, most));
  return static_cast<int>(value);
}

absl::StatusOr<ModelConfig> ParseConfig(absl::string_view text) {
  EIDETIC_ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(text, kConfigFile));
  const JsonReader root(document, kConfigFile);
  if (!document.is_object()) return root.Error("must be an object");
  ModelConfig config;
  EIDETIC_ASSIGN_OR_RETURN(config.dimension, OptionalSize(root, "projection_dim", kMostDimension));
  if (root.Has("vision_config")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader vision, root.Object("vision_config"));
    EIDETIC_ASSIGN_OR_RETURN(config.image_size, OptionalSize(vision, "image_size", kMostDimension));
  }
  if (root.Has("text_config")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader text_config, root.Object("text_config"));
    EIDETIC_ASSIGN_OR_RETURN(config.max_tokens,
                             OptionalSize(text_config, "max_position_embeddings", kMostPositions));
    if (text_config.Has("vocab_size")) {
      EIDETIC_ASSIGN_OR_RETURN(config.vocabulary_size, text_config.Integer("vocab_size", 1, kMostTokens));
    }
  }
  return config;
}

}  // namespace

absl::string_view ModelFolder::Contents(absl::string_view file) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [file](const File& entry) { return entry.name == file; });
  return found == files.end() ? absl::string_view() : absl::string_view(found->contents);
}

std::string ModelFolder::TakeContents(absl::string_view file) {
  for (File& entry : files) {
    if (entry.name == file) return std::exchange(entry.contents, {});
  }
  return {};
}

absl::StatusOr<ModelFolder> ReadModelFolder(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status facts = std::filesystem::status(path, error);
  if (facts.type() == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat("no model folder at ", path));
  }
  if (error)
    return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot look at the model folder ", path));
  if (!std::filesystem::is_directory(facts)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a model folder but a file"));
  }

  ModelFolder folder;
  folder.path = path;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  folder.name = (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
  for (const LayoutFile& file : kLayout) {
    absl::StatusOr<std::string> contents =
        ReadFileContents(absl::StrCat(path, "/", file.name), file.max_bytes);
    if (absl::IsNotFound(contents.status()) && !file.required) continue;
    if (absl::IsNotFound(contents.status())) {
      return absl::NotFoundError(absl::StrCat("the model folder ", path, " has no ", file.name));
    }
    EIDETIC_RETURN_IF_ERROR(contents.status());
    folder.files.push_back({.name = file.name, .contents = *std::move(contents)});
  }
  absl::StatusOr<ModelConfig> config = ParseConfig(folder.Contents(kConfigFile));
  if (!config.ok()) return AddContext(config.status(), path);
  folder.config = *config;
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
