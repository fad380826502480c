#include "cli/model_folders.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/pull/model_pull.h"

namespace eidetic::cli {
namespace {

namespace fs = std::filesystem;

// Not one that `model pull` has not finished.
bool IsModelFolder(const fs::path& folder) {
  std::error_code error;
  if (folder.extension() == kPartialEnding) return false;
  return fs::is_regular_file(folder / "config.json", error);
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> ListedFolders() {
  return absl::StrSplit(Variable("EIDETIC_MODELS"), ':', absl::SkipEmpty());
}

std::string DataFolder() {
  if (const std::string data = Variable("XDG_DATA_HOME"); !data.empty())
    return absl::StrCat(data, "/eidetic-models");
  if (const std::string home = Variable("HOME"); !home.empty()) {
    return absl::StrCat(home, "/.local/share/eidetic-models");
  }
  return "";
}

}  // namespace

std::string UserModelFolder() {
  const std::vector<std::string> listed = ListedFolders();
  return listed.empty() ? DataFolder() : listed.front();
}

std::vector<std::string> ModelSearchPath() {
  std::vector<fs::path> candidates;
  for (const std::string& folder : ListedFolders()) candidates.emplace_back(folder);
  if (const std::string folder = DataFolder(); !folder.empty()) candidates.emplace_back(folder);
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
