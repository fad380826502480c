#include "cli/pull/model_tree.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "encoder/json_reader.h"
#include "encoder/model_layout.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

constexpr size_t kMostFiles = 10'000;
constexpr int64_t kMostFileBytes = int64_t{1} << 40;
constexpr size_t kSha1Digits = 40;
constexpr size_t kSha256Digits = 64;

// A name of a repository, its owner or a revision.
bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool IsInside(absl::string_view path) {
  const auto plain = [](char c) { return !absl::ascii_iscntrl(c) && c != '\\'; };
  if (!std::all_of(path.begin(), path.end(), plain)) return false;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

std::string EscapePath(absl::string_view path) {
  std::string escaped;
  for (const char c : path) {
    if (absl::ascii_isalnum(c) || absl::StrContains("-_.~/", absl::string_view(&c, 1))) {
      escaped.push_back(c);
    } else {
      absl::StrAppend(&escaped, "%", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  return escaped;
}

bool IsHash(absl::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

absl::StatusOr<RemoteFile> ParseFile(const encoder::JsonReader& entry) {
  RemoteFile file;
  EIDETIC_ASSIGN_OR_RETURN(file.path, entry.String("path"));
  if (!IsInside(file.path))
    return entry.Error(absl::StrCat("\"", file.path, "\" is not a path inside a folder"));
  EIDETIC_ASSIGN_OR_RETURN(const int64_t size, entry.Integer("size", 0, kMostFileBytes));
  file.size = static_cast<uint64_t>(size);
  if (entry.Has("lfs")) {
    EIDETIC_ASSIGN_OR_RETURN(const encoder::JsonReader large, entry.Object("lfs"));
    EIDETIC_ASSIGN_OR_RETURN(file.sha256, large.String("oid"));
    EIDETIC_ASSIGN_OR_RETURN(const int64_t large_size, large.IntegerOr("size", 0, kMostFileBytes, size));
    file.size = static_cast<uint64_t>(large_size);
  } else {
    EIDETIC_ASSIGN_OR_RETURN(file.git_sha1, entry.String("oid"));
  }
  if (!IsHash(file.sha256, kSha256Digits) && !IsHash(file.git_sha1, kSha1Digits)) {
    return entry.Error(absl::StrCat("\"", file.path, "\" comes without a checksum"));
  }
  return file;
}

std::string FolderOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? "" : path.substr(0, slash + 1));
}

// Immich's exports keep each weight in a file of its own beside the graph.
bool IsWeight(const std::string& path, const std::string& tower) {
  if (absl::StartsWith(path, tower)) return true;
  const bool beside =
      FolderOf(path) == FolderOf(tower) && !FolderOf(tower).empty() && FolderOf(tower) != "onnx/";
  const bool other =
      absl::StrContains(path, ".onnx") || absl::EndsWith(path, ".json") || absl::EndsWith(path, ".txt");
  return beside && !other;
}

}  // namespace

std::string ModelSource::name() const { return repository.substr(repository.find('/') + 1); }

std::string ModelSource::TreeUrl() const {
  return absl::StrCat(endpoint, "/api/models/", repository, "/tree/", revision, "?recursive=true");
}

std::string ModelSource::FileUrl(absl::string_view path) const {
  return absl::StrCat(endpoint, "/", repository, "/resolve/", revision, "/", EscapePath(path));
}

absl::StatusOr<ModelSource> ParseModelSource(absl::string_view model, absl::string_view revision,
                                             absl::string_view endpoint) {
  ModelSource source{.endpoint = std::string(absl::StripSuffix(endpoint, "/")),
                     .revision = std::string(revision)};
  absl::string_view rest = absl::StripSuffix(model, "/");
  if (const size_t scheme = rest.find("://"); scheme != absl::string_view::npos) {
    const size_t slash = rest.find('/', scheme + 3);
    source.endpoint = std::string(rest.substr(0, slash));
    rest = slash == absl::string_view::npos ? absl::string_view() : rest.substr(slash + 1);
  }
  std::vector<std::string> parts = absl::StrSplit(rest, '/');
  if (parts.size() == 4 && parts[2] == "tree") {
    source.revision = parts[3];
    parts.resize(2);
  }
  if (parts.size() != 2 || !IsName(parts[0]) || !IsName(parts[1]) || !IsName(source.revision)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", model, "\" at revision \"", source.revision,
                     "\" is not a model: expected OWNER/NAME, or https://SERVER/OWNER/NAME with or without "
                     "/tree/REVISION"));
  }
  source.repository = absl::StrCat(parts[0], "/", parts[1]);
  return source;
}

absl::StatusOr<std::vector<RemoteFile>> ParseModelTree(absl::string_view json) {
  EIDETIC_ASSIGN_OR_RETURN(const nlohmann::json document,
                           encoder::ParseJson(json, "the list of the model's files"));
  const encoder::JsonReader root(document, "the list of the model's files");
  if (!document.is_array()) return root.Error("must be an array");
  if (document.size() > kMostFiles) return root.Error(absl::StrCat("has more than ", kMostFiles, " entries"));
  std::vector<RemoteFile> files;
  for (const nlohmann::json& element : document) {
    const encoder::JsonReader entry(element, root.path());
    EIDETIC_ASSIGN_OR_RETURN(const std::string type, entry.String("type"));
    if (type != "file") continue;
    EIDETIC_ASSIGN_OR_RETURN(RemoteFile file, ParseFile(entry));
    files.push_back(std::move(file));
  }
  return files;
}

absl::StatusOr<ChosenFiles> ChooseFiles(const std::vector<RemoteFile>& files, const std::string& repository,
                                        absl::string_view variant, uint64_t memory_bytes) {
  encoder::FileSizes sizes;
  for (const RemoteFile& file : files) sizes.emplace(file.path, file.size);
  EIDETIC_ASSIGN_OR_RETURN(const encoder::ModelFiles layout, encoder::FindModelFiles(sizes, repository));
  EIDETIC_ASSIGN_OR_RETURN(const encoder::ModelVariant chosen,
                           encoder::ChooseVariant(layout, variant, memory_bytes));
  for (const std::string& required : {layout.config, layout.preprocessor, layout.tokenizer}) {
    if (!sizes.contains(required)) {
      return absl::NotFoundError(
          absl::StrCat(repository, " has no ", required, ", which a model folder needs; see docs/models.md"));
    }
  }
  ChosenFiles result{.variant = chosen.name};
  for (const RemoteFile& file : files) {
    const std::string& path = file.path;
    const bool wanted = path == layout.config || path == layout.preprocessor || path == layout.tokenizer ||
                        path == layout.tokenizer_config || IsWeight(path, chosen.image_file) ||
                        IsWeight(path, chosen.text_file) || path == "README.md" ||
                        absl::StartsWith(path, "LICENSE");
    if (!wanted) continue;
    result.bytes += file.size;
    result.files.push_back(file);
  }
  return result;
}

}  // namespace eidetic::cli
