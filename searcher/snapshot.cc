#include "searcher/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr char kManifest[] = "MANIFEST";
constexpr uint64_t kMaxManifestBytes = 64 << 10;

std::string Checksum(const std::string& bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

absl::Status SyncFolder(const std::string& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", folder));
  const absl::Cleanup close_file = [file] { close(file); };
  if (fsync(file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("syncing ", folder));
  return absl::OkStatus();
}

// Whole or not at all: written beside, synced, renamed.
absl::Status WriteFile(const std::string& folder, const std::string& name, const std::string& bytes) {
  const std::string path = absl::StrCat(folder, "/", name);
  const std::string temporary = absl::StrCat(path, ".tmp");
  {
    const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("making ", temporary));
    const absl::Cleanup close_file = [file] { close(file); };
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t wrote = write(file, bytes.data() + done, bytes.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return absl::ErrnoToStatus(errno, absl::StrCat("writing ", temporary));
      done += static_cast<size_t>(wrote);
    }
    if (fsync(file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("syncing ", temporary));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("renaming to ", path));
  return SyncFolder(folder);
}

// The size the manifest gives is compared before memory is taken.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t min_bytes, uint64_t max_bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup close_file = [file] { close(file); };
  struct stat info {};
  if (fstat(file, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::DataLossError(absl::StrCat(path, " is not a regular file"));
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < min_bytes || size > max_bytes) {
    return absl::DataLossError(absl::StrCat(path, " has ", size, " bytes, not ", max_bytes));
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(file, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) return absl::DataLossError(absl::StrCat(path, " became shorter while it was read"));
    done += static_cast<size_t>(got);
  }
  return bytes;
}

// The manifest is one line of JSON and, on the next, its checksum.
absl::StatusOr<Json> ReadManifest(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kManifest);
  absl::StatusOr<std::string> text = ReadFile(path, 0, kMaxManifestBytes);
  if (absl::IsNotFound(text.status())) return absl::NotFoundError("there is no snapshot");
  EIDETIC_RETURN_IF_ERROR(text.status());
  const size_t end = text->find('\n');
  if (end == std::string::npos || text->substr(end + 1) != Checksum(text->substr(0, end)) + "\n") {
    return absl::DataLossError(absl::StrCat(path, " has a wrong checksum"));
  }
  Json json = Json::parse(text->substr(0, end), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("format") || !json["format"].is_number_integer()) {
    return absl::DataLossError(absl::StrCat(path, " is not a manifest"));
  }
  if (json["format"] != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has format ", json["format"].dump(), ", this version reads ", kFormat));
  }
  return json;
}

absl::Status RemoveOthers(const std::string& folder, const std::set<std::string>& keep) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (keep.count(name) > 0) continue;
    std::error_code remove_error;
    fs::remove_all(entry->path(), remove_error);
    if (remove_error)
      return absl::ErrnoToStatus(remove_error.value(), absl::StrCat("removing ", entry->path().string()));
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("reading ", folder));
  return absl::OkStatus();
}

template <typename Number>
bool GetNumber(const Json& json, const char* key, Number& number) {
  if (!json.contains(key) || !json[key].is_number_unsigned()) return false;
  number = json[key].get<Number>();
  return true;
}

}  // namespace

absl::StatusOr<uint64_t> WriteSnapshot(const std::string& folder, const SnapshotInfo& info,
                                       const std::map<std::string, std::string>& parts) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("making ", folder));
  Json manifest = {{"format", kFormat},
                   {"generation", info.generation},
                   {"epoch", info.epoch},
                   {"last_sequence", info.last_sequence},
                   {"dimension", info.dimension},
                   {"metric", "inner_product"},
                   {"model_fingerprint", info.model_fingerprint}};
  Json& files = manifest["files"] = Json::array();
  std::set<std::string> keep = {kManifest};
  uint64_t total = 0;
  for (const auto& [part, bytes] : parts) {
    const std::string name = absl::StrCat(info.generation, "-", info.epoch, ".", part);
    // A folder of that name, say, must not stop the new snapshot.
    if (fs::is_directory(absl::StrCat(folder, "/", name), error))
      fs::remove_all(absl::StrCat(folder, "/", name), error);
    EIDETIC_RETURN_IF_ERROR(WriteFile(folder, name, bytes));
    files.push_back({{"part", part}, {"name", name}, {"size", bytes.size()}, {"xxh3_128", Checksum(bytes)}});
    keep.insert(name);
    total += bytes.size();
  }
  const std::string text = manifest.dump();
  const std::string manifest_path = absl::StrCat(folder, "/", kManifest);
  if (fs::is_directory(manifest_path, error)) fs::remove_all(manifest_path, error);
  EIDETIC_RETURN_IF_ERROR(WriteFile(folder, kManifest, absl::StrCat(text, "\n", Checksum(text), "\n")));
  EIDETIC_RETURN_IF_ERROR(RemoveOthers(folder, keep));
  return total;
}

absl::StatusOr<Snapshot> ReadSnapshot(const std::string& folder) {
  EIDETIC_ASSIGN_OR_RETURN(const Json manifest, ReadManifest(folder));
  const absl::Status malformed = absl::DataLossError(absl::StrCat(folder, "/", kManifest, " lacks a field"));
  Snapshot snapshot;
  SnapshotInfo& info = snapshot.info;
  if (!GetNumber(manifest, "generation", info.generation) || !GetNumber(manifest, "epoch", info.epoch) ||
      !GetNumber(manifest, "last_sequence", info.last_sequence) ||
      !GetNumber(manifest, "dimension", info.dimension) || !manifest.contains("model_fingerprint") ||
      !manifest["model_fingerprint"].is_string() || !manifest.contains("files") ||
      !manifest["files"].is_array()) {
    return malformed;
  }
  info.model_fingerprint = manifest["model_fingerprint"].get<std::string>();
  for (const Json& file : manifest["files"]) {
    uint64_t size = 0;
    if (!file.is_object() || !GetNumber(file, "size", size) || !file.contains("part") ||
        !file["part"].is_string() || !file.contains("name") || !file["name"].is_string() ||
        !file.contains("xxh3_128") || !file["xxh3_128"].is_string()) {
      return malformed;
    }
    const auto name = file["name"].get<std::string>();
    if (name.empty() || absl::StrContains(name, "/")) return malformed;
    const std::string path = absl::StrCat(folder, "/", name);
    absl::StatusOr<std::string> bytes = ReadFile(path, size, size);
    if (absl::IsNotFound(bytes.status())) return absl::DataLossError(absl::StrCat(path, " is missing"));
    EIDETIC_RETURN_IF_ERROR(bytes.status());
    if (Checksum(*bytes) != file["xxh3_128"].get<std::string>()) {
      return absl::DataLossError(absl::StrCat(path, " has a wrong checksum"));
    }
    snapshot.total_bytes += bytes->size();
    snapshot.parts[file["part"].get<std::string>()] = *std::move(bytes);
  }
  return snapshot;
}

}  // namespace eidetic::searcher
