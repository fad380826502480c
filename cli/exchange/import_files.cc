#include "cli/exchange/import_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/exchange/asset_json.h"
#include "cli/exchange/clip_retrieval.h"
#include "proto/status_macros.h"
#include "storage/file_system.h"

namespace eidetic::cli::exchange {
namespace {

namespace fs = std::filesystem;
using eidetic::v1::ExportHeader;

constexpr uint64_t kLongestManifest = 64 << 10;

absl::StatusOr<ExportHeader> ReadManifest(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kManifestName);
  ExportHeader header;
  const absl::StatusOr<std::string> json = storage::PosixFileSystem().ReadFile(path, 1, kLongestManifest);
  if (absl::IsNotFound(json.status())) return header;
  EIDETIC_RETURN_IF_ERROR(json.status());
  EIDETIC_RETURN_IF_ERROR(AddContext(FromJson(*json, header), path));
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImportFiles>> ImportFiles::Open(const std::string& path,
                                                               const std::string& scratch) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return absl::NotFoundError(absl::StrCat("nothing is at ", path));
  if (error) return absl::ErrnoToStatus(error.value(), path);
  if (fs::is_regular_file(status)) return OpenNdjson({path}, {});
  if (!fs::is_directory(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is neither a folder nor a regular file"));
  }
  EIDETIC_ASSIGN_OR_RETURN(const ExportHeader manifest, ReadManifest(path));
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           storage::PosixFileSystem().ListDirectory(path));
  std::vector<std::string> ndjson;
  for (const std::string& name : names) {
    if (name == kImageFolder) return OpenClipRetrieval(path, manifest, scratch);
    if (absl::EndsWith(name, kNdjsonSuffix)) ndjson.push_back(absl::StrCat(path, "/", name));
  }
  std::sort(ndjson.begin(), ndjson.end());
  if (!ndjson.empty()) return OpenNdjson(std::move(ndjson), manifest);
  return absl::InvalidArgumentError(absl::StrCat("the folder ", path, " has neither ", kImageFolder, "/ and ",
                                                 kMetadataFolder, "/ of clip-retrieval's layout nor files *",
                                                 kNdjsonSuffix));
}

}  // namespace eidetic::cli::exchange
