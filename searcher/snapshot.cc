#include "searcher/snapshot.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/status_macros.h"
#include "storage/checked_json.h"

namespace eidetic::searcher {
namespace {

using Json = nlohmann::json;
using storage::ContentChecksum;
using storage::GetNumber;
using storage::GetText;

constexpr int kFormat = 1;
constexpr char kManifest[] = "MANIFEST";
constexpr uint64_t kMaxManifestBytes = 64 << 10;

// The manifest is one line of JSON and, on the next, its checksum.
absl::StatusOr<Json> ReadManifest(storage::FileSystem& files, const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kManifest);
  absl::StatusOr<std::string> text = files.ReadFile(path, 0, kMaxManifestBytes);
  if (absl::IsNotFound(text.status())) return absl::NotFoundError("there is no snapshot");
  EIDETIC_RETURN_IF_ERROR(text.status());
  EIDETIC_ASSIGN_OR_RETURN(Json json, storage::DecodeCheckedJson(path, *text));
  if (!json.contains("format") || !json["format"].is_number_integer()) {
    return absl::DataLossError(absl::StrCat(path, " is not a manifest"));
  }
  if (json["format"] != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(path, " has format ", json["format"].dump(),
                                                      ", this version of Eidetic reads format ", kFormat,
                                                      "; the index is built anew from the database"));
  }
  return json;
}

absl::Status RemoveOthers(storage::FileSystem& files, const std::string& folder,
                          const std::set<std::string>& keep) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.ListDirectory(folder));
  for (const std::string& name : names) {
    if (keep.count(name) == 0) EIDETIC_RETURN_IF_ERROR(files.RemoveAll(absl::StrCat(folder, "/", name)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> WriteSnapshot(const std::string& folder, const SnapshotInfo& info,
                                       const std::map<std::string, std::string>& parts,
                                       storage::FileSystem& files) {
  // A cache: whatever else stands in its folder's place makes room.
  if (!files.IsDirectory(folder)) EIDETIC_RETURN_IF_ERROR(files.RemoveAll(folder));
  EIDETIC_RETURN_IF_ERROR(storage::CreateDirectoriesDurably(files, folder));
  Json manifest = {{"format", kFormat},
                   {"database_id", info.database_id},
                   {"generation", info.generation},
                   {"epoch", info.epoch},
                   {"last_sequence", info.last_sequence},
                   {"dimension", info.dimension},
                   {"metric", "inner_product"},
                   {"model_fingerprint", info.model_fingerprint}};
  Json& listed = manifest["files"] = Json::array();
  std::set<std::string> keep = {kManifest};
  uint64_t total = 0;
  for (const auto& [part, bytes] : parts) {
    const std::string name = absl::StrCat(info.generation, "-", info.epoch, ".", part);
    EIDETIC_RETURN_IF_ERROR(storage::WriteFileDurably(files, absl::StrCat(folder, "/", name), bytes));
    listed.push_back(
        {{"part", part}, {"name", name}, {"size", bytes.size()}, {"xxh3_128", ContentChecksum(bytes)}});
    keep.insert(name);
    total += bytes.size();
  }
  EIDETIC_RETURN_IF_ERROR(storage::WriteFileDurably(files, absl::StrCat(folder, "/", kManifest),
                                                    storage::EncodeCheckedJson(manifest)));
  EIDETIC_RETURN_IF_ERROR(RemoveOthers(files, folder, keep));
  return total;
}

absl::StatusOr<Snapshot> ReadSnapshot(const std::string& folder, storage::FileSystem& files) {
  EIDETIC_ASSIGN_OR_RETURN(const Json manifest, ReadManifest(files, folder));
  const absl::Status malformed = absl::DataLossError(absl::StrCat(folder, "/", kManifest, " lacks a field"));
  Snapshot snapshot;
  SnapshotInfo& info = snapshot.info;
  if (!GetNumber(manifest, "generation", info.generation) || !GetNumber(manifest, "epoch", info.epoch) ||
      !GetNumber(manifest, "last_sequence", info.last_sequence) ||
      !GetNumber(manifest, "dimension", info.dimension) ||
      !GetText(manifest, "database_id", info.database_id) ||
      !GetText(manifest, "model_fingerprint", info.model_fingerprint) || !manifest.contains("files") ||
      !manifest["files"].is_array()) {
    return malformed;
  }
  for (const Json& file : manifest["files"]) {
    uint64_t size = 0;
    std::string part;
    std::string name;
    std::string checksum;
    if (!file.is_object() || !GetNumber(file, "size", size) || !GetText(file, "part", part) ||
        !GetText(file, "name", name) || !GetText(file, "xxh3_128", checksum)) {
      return malformed;
    }
    if (snapshot.parts.contains(part) || name.empty() || absl::StrContains(name, "/")) return malformed;
    if (!absl::EndsWith(name, absl::StrCat(".", part))) {
      return absl::DataLossError(
          absl::StrCat(folder, "/", kManifest, " gives the part ", part, " as ", name));
    }
    const std::string path = absl::StrCat(folder, "/", name);
    absl::StatusOr<std::string> bytes = files.ReadFile(path, size, size);
    if (absl::IsNotFound(bytes.status())) return absl::DataLossError(absl::StrCat(path, " is missing"));
    EIDETIC_RETURN_IF_ERROR(bytes.status());
    if (ContentChecksum(*bytes) != checksum) {
      return absl::DataLossError(absl::StrCat(path, " has a wrong checksum"));
    }
    snapshot.total_bytes += bytes->size();
    snapshot.parts[part] = *std::move(bytes);
  }
  return snapshot;
}

}  // namespace eidetic::searcher
