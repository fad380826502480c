#include "cli/model_folders.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace eidetic::cli {
namespace {

namespace fs = std::filesystem;

bool IsModelFolder(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "config.json", error);
}

}  // namespace

std::vector<std::string> ModelSearchPath() {
  std::vector<fs::path> candidates;
  if (const char* listed = std::getenv("EIDETIC_MODELS"); listed != nullptr) {
    for (absl::string_view folder : absl::StrSplit(listed, ':', absl::SkipEmpty())) {
      candidates.emplace_back(std::string(folder));
    }
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    candidates.push_back(program.parent_path().parent_path() / "share" / "eidetic" / "models");
    candidates.push_back(program.parent_path().parent_path() / "models");
  }
  std::vector<std::string> found;
  for (const fs::path& candidate : candidates) {
    if (fs::is_directory(candidate, error)) found.push_back(fs::absolute(candidate, error).string());
  }
  return found;
}

std::vector<std::string> ListModelFolders() {
  std::map<std::string, std::string> by_name;
  for (const std::string& folder : ModelSearchPath()) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      if (IsModelFolder(entry->path())) {
        by_name.emplace(entry->path().filename().string(), entry->path().string());
      }
    }
  }
  std::vector<std::string> folders;
  for (auto& [name, folder] : by_name) folders.push_back(folder);
  return folders;
}

absl::StatusOr<std::string> FindModelFolder(const std::string& model) {
  std::string wanted = model;
  if (wanted.empty()) {
    const char* from_environment = std::getenv("EIDETIC_MODEL");
    wanted = from_environment != nullptr && *from_environment != '\0' ? from_environment : kDefaultModel;
  }
  std::error_code error;
  if (wanted.find('/') != std::string::npos) {
    if (!fs::is_directory(wanted, error)) {
      return absl::NotFoundError(absl::StrCat("no model folder ", wanted));
    }
    return fs::absolute(wanted, error).lexically_normal().string();
  }
  const std::vector<std::string> search_path = ModelSearchPath();
  for (const std::string& folder : search_path) {
    const fs::path candidate = fs::path(folder) / wanted;
    if (IsModelFolder(candidate)) return candidate.string();
  }
  if (fs::is_directory(wanted, error)) return fs::absolute(wanted, error).lexically_normal().string();
  return absl::NotFoundError(
      absl::StrCat("no model \"", wanted, "\" in ",
                   search_path.empty() ? "any known place" : absl::StrJoin(search_path, ", "),
                   "; give a model's folder with --model, or its parent in $EIDETIC_MODELS"));
}

}  // namespace eidetic::cli
