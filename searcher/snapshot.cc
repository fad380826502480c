#include "searcher/snapshot.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <thread>
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
using storage::GetNumber;
using storage::GetText;

constexpr int kFormat = 2;
constexpr char kManifest[] = "MANIFEST";
constexpr uint64_t kMaxManifestBytes = 64 << 10;
constexpr uint32_t kMaxEfSearch = 1 << 20;

// Read and summed at once, so that the sum finds them in the cache.
constexpr size_t kReadAtOnce = size_t{1} << 20;

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

// The field of the same name; false: it is not as it should be.
bool GetEffort(const Json& manifest, EffortCurve& curve) {
  const auto effort = manifest.find("image_effort");
  if (effort == manifest.end()) return true;
  if (!effort->is_object() || !GetNumber(*effort, "queries", curve.queries) || !effort->contains("points") ||
      !(*effort)["points"].is_array()) {
    return false;
  }
  for (const Json& point : (*effort)["points"]) {
    uint32_t ef_search = 0;
    if (!point.is_object() || !GetNumber(point, "ef_search", ef_search) || ef_search > kMaxEfSearch ||
        !point.contains("recall") || !point["recall"].is_number()) {
      return false;
    }
    curve.points.push_back({static_cast<int>(ef_search), point["recall"].get<double>()});
  }
  return true;
}

// A file as the manifest lists it, and what became of it.
struct ListedFile {
  std::string part;
  std::string path;
  uint64_t size = 0;
  std::string checksum;
  bool left_on_disk = false;

  PageBuffer bytes;
  std::shared_ptr<const storage::ReadableFile> file;
};

// Into memory, or past it, with its checksum proved.
absl::Status ReadListed(storage::FileSystem& files, ListedFile& listed) {
  absl::StatusOr<std::shared_ptr<const storage::ReadableFile>> file =
      files.OpenReadableFile(listed.path, listed.size, listed.size);
  if (absl::IsNotFound(file.status())) return absl::DataLossError(absl::StrCat(listed.path, " is missing"));
  EIDETIC_RETURN_IF_ERROR(file.status());
  EIDETIC_ASSIGN_OR_RETURN(
      listed.bytes,
      PageBuffer::Allocate(listed.left_on_disk ? std::min<uint64_t>(kReadAtOnce, listed.size) : listed.size));
  storage::RunningChecksum checksum;
  for (uint64_t done = 0; done < listed.size; done += kReadAtOnce) {
    uint8_t* const to = listed.bytes.data() + (listed.left_on_disk ? 0 : done);
    const size_t size = std::min<uint64_t>(kReadAtOnce, listed.size - done);
    EIDETIC_RETURN_IF_ERROR((*file)->ReadAt(done, {to, size}));
    checksum.Update({reinterpret_cast<const char*>(to), size});
  }
  if (checksum.Digest() != listed.checksum) {
    return absl::DataLossError(absl::StrCat(listed.path, " has a wrong checksum"));
  }
  if (listed.left_on_disk) listed.file = *std::move(file);
  return absl::OkStatus();
}

// All files, on all cores, the largest first.
absl::Status ReadAllListed(storage::FileSystem& files, std::vector<ListedFile>& listed) {
  std::vector<ListedFile*> order;
  for (ListedFile& file : listed) order.push_back(&file);
  std::sort(order.begin(), order.end(),
            [](const ListedFile* a, const ListedFile* b) { return a->size > b->size; });
  std::atomic<size_t> next = 0;
  std::vector<absl::Status> read(order.size());
  const auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++) read[i] = ReadListed(files, *order[i]);
  };
  std::vector<std::thread> others;
  const size_t threads = std::min<size_t>(std::thread::hardware_concurrency(), order.size());
  for (size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  for (const absl::Status& status : read) EIDETIC_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> WriteSnapshot(const std::string& folder, const SnapshotInfo& info,
                                       const std::map<std::string, SnapshotPart>& parts,
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
  if (info.image_effort.queries > 0) {
    Json& effort =
        manifest["image_effort"] = {{"queries", info.image_effort.queries}, {"points", Json::array()}};
    for (const EffortPoint& point : info.image_effort.points) {
      effort["points"].push_back({{"ef_search", point.ef_search}, {"recall", point.recall}});
    }
  }
  Json& listed = manifest["files"] = Json::array();
  std::set<std::string> keep = {kManifest};
  uint64_t total = 0;
  for (const auto& [part_name, part] : parts) {
    const std::string name = absl::StrCat(info.generation, "-", info.epoch, ".", part_name);
    storage::RunningChecksum checksum;
    EIDETIC_RETURN_IF_ERROR(
        storage::WriteFileDurably(files, absl::StrCat(folder, "/", name), [&](storage::WritableFile& file) {
          return part.ForEachPiece([&](absl::string_view piece) {
            checksum.Update(piece);
            return file.Append(piece);
          });
        }));
    listed.push_back(
        {{"part", part_name}, {"name", name}, {"size", part.size()}, {"xxh3_128", checksum.Digest()}});
    keep.insert(name);
    total += part.size();
  }
  EIDETIC_RETURN_IF_ERROR(storage::WriteFileDurably(files, absl::StrCat(folder, "/", kManifest),
                                                    storage::EncodeCheckedJson(manifest)));
  EIDETIC_RETURN_IF_ERROR(RemoveOthers(files, folder, keep));
  return total;
}

absl::StatusOr<Snapshot> ReadSnapshot(const std::string& folder, storage::FileSystem& files,
                                      absl::string_view left_on_disk) {
  EIDETIC_ASSIGN_OR_RETURN(const Json manifest, ReadManifest(files, folder));
  const absl::Status malformed = absl::DataLossError(absl::StrCat(folder, "/", kManifest, " lacks a field"));
  Snapshot snapshot;
  SnapshotInfo& info = snapshot.info;
  if (!GetNumber(manifest, "generation", info.generation) || !GetNumber(manifest, "epoch", info.epoch) ||
      !GetNumber(manifest, "last_sequence", info.last_sequence) ||
      !GetNumber(manifest, "dimension", info.dimension) ||
      !GetText(manifest, "database_id", info.database_id) ||
      !GetText(manifest, "model_fingerprint", info.model_fingerprint) || !manifest.contains("files") ||
      !manifest["files"].is_array() || !GetEffort(manifest, info.image_effort)) {
    return malformed;
  }
  std::vector<ListedFile> listed;
  std::set<std::string> parts;
  for (const Json& file : manifest["files"]) {
    ListedFile entry;
    std::string name;
    if (!file.is_object() || !GetNumber(file, "size", entry.size) || !GetText(file, "part", entry.part) ||
        !GetText(file, "name", name) || !GetText(file, "xxh3_128", entry.checksum)) {
      return malformed;
    }
    if (!parts.insert(entry.part).second || name.empty() || absl::StrContains(name, "/")) return malformed;
    if (!absl::EndsWith(name, absl::StrCat(".", entry.part))) {
      return absl::DataLossError(
          absl::StrCat(folder, "/", kManifest, " gives the part ", entry.part, " as ", name));
    }
    entry.path = absl::StrCat(folder, "/", name);
    entry.left_on_disk = !left_on_disk.empty() && absl::EndsWith(entry.part, left_on_disk);
    listed.push_back(std::move(entry));
  }
  EIDETIC_RETURN_IF_ERROR(ReadAllListed(files, listed));
  for (ListedFile& file : listed) {
    snapshot.total_bytes += file.size;
    if (file.left_on_disk) {
      snapshot.files[file.part] = std::move(file.file);
    } else {
      snapshot.parts[file.part] = std::move(file.bytes);
    }
  }
  return snapshot;
}

}  // namespace eidetic::searcher
