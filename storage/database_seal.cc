#include "storage/database_seal.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "proto/status_macros.h"
#include "storage/checked_json.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxSealBytes = 1 << 20;
constexpr char kClosed[] = "closed";
constexpr char kOpen[] = "open";
constexpr char kRepairing[] = "repairing";
constexpr char kManifestPrefix[] = "MANIFEST-";
// So much writing may go unpromised after a crash; three syncs each time.
constexpr absl::Duration kRefreshInterval = absl::Seconds(2);

uint64_t ManifestNumber(absl::string_view name) {
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&name, kManifestPrefix) || !absl::SimpleAtoi(name, &number)) return 0;
  return number;
}

}  // namespace

std::string RepairAdvice(const std::string& directory) {
  return absl::StrCat("; nothing was changed. Restore the library from a backup, or save what can be read: ",
                      "eidetic verify --repair --library ", directory);
}

DatabaseSeal::DatabaseSeal(std::string directory, FileSystem& files, rocksdb::Env& env)
    : directory_(std::move(directory)),
      database_(absl::StrCat(directory_, "/rocksdb")),
      files_(files),
      env_(env) {}

absl::Status DatabaseSeal::Damage(const std::string& what) const {
  return absl::DataLossError(
      absl::StrCat("the database of ", directory_, " is damaged: ", what, RepairAdvice(directory_)));
}

absl::Status DatabaseSeal::CheckFolder() const {
  std::error_code error;
  for (fs::directory_iterator entry(database_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string path = entry->path().string();
    std::error_code type_error;
    if (!fs::is_regular_file(fs::status(path, type_error))) {
      // Deleted since it was listed.
      if (!fs::exists(fs::symlink_status(path, type_error))) continue;
      return Damage(absl::StrCat(path, " is not a file"));
    }
    if (access(path.c_str(), R_OK) != 0 && errno == EACCES) {
      return absl::PermissionDeniedError(absl::StrCat(path, " may not be read; give its owner the right to"));
    }
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("reading ", database_));
  return absl::OkStatus();
}

absl::Status DatabaseSeal::Check() {
  EIDETIC_RETURN_IF_ERROR(CheckFolder());
  const std::string path = absl::StrCat(directory_, "/SEAL");
  std::error_code error;
  const fs::file_status type = fs::symlink_status(path, error);
  if (fs::exists(type) && !fs::is_regular_file(type)) return Damage(absl::StrCat(path, " is not a file"));
  const absl::StatusOr<std::string> text = files_.ReadFile(path, 0, kMaxSealBytes);
  // A library of before there were seals, or one that was just made.
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (absl::IsDataLoss(text.status())) return Damage(std::string(text.status().message()));
  EIDETIC_RETURN_IF_ERROR(text.status());
  const absl::StatusOr<Json> json = DecodeCheckedJson(path, *text);
  if (!json.ok()) return Damage(std::string(json.status().message()));
  uint32_t format = 0;
  std::string state;
  if (!GetNumber(*json, "format", format)) return Damage(absl::StrCat(path, " lacks a field"));
  if (format != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(path, " has format ", format, ", this version reads ",
                                                      kFormat, "; use a newer version of Eidetic"));
  }
  if (!GetText(*json, "state", state) || !GetNumber(*json, "last_sequence", least_sequence_) ||
      !json->contains("files") || !(*json)["files"].is_array()) {
    return Damage(absl::StrCat(path, " lacks a field"));
  }
  if (state == kRepairing) return Damage("a repair was begun and not finished");
  for (const Json& entry : (*json)["files"]) {
    File file;
    if (!entry.is_object() || !GetText(entry, "name", file.name) || !GetNumber(entry, "size", file.size) ||
        !GetText(entry, "xxh3_128", file.checksum) || absl::StrContains(file.name, "/")) {
      return Damage(absl::StrCat(path, " lacks a field"));
    }
    EIDETIC_RETURN_IF_ERROR(Compare(file, /*may_have_grown=*/state != kClosed));
  }
  was_closed_ = state == kClosed;
  return absl::OkStatus();
}

absl::StatusOr<std::string> DatabaseSeal::Read(const std::string& name) const {
  std::string bytes;
  const std::string path = absl::StrCat(database_, "/", name);
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(&env_, path, &bytes), path));
  return bytes;
}

absl::StatusOr<DatabaseSeal::File> DatabaseSeal::Measure(const std::string& name, uint64_t size) const {
  EIDETIC_ASSIGN_OR_RETURN(const std::string bytes, Read(name));
  if (bytes.size() < size)
    return absl::DataLossError(absl::StrCat(name, " is shorter than ", size, " bytes"));
  return File{name, size, ContentChecksum(absl::string_view(bytes).substr(0, size))};
}

absl::Status DatabaseSeal::Compare(const File& file, bool may_have_grown) const {
  if (may_have_grown) {
    // RocksDB begins a new manifest after a fault of the disk; the old one goes.
    const absl::StatusOr<std::string> current = Read("CURRENT");
    if (!current.ok()) return Damage(std::string(current.status().message()));
    if (ManifestNumber(absl::StripSuffix(*current, "\n")) > ManifestNumber(file.name))
      return absl::OkStatus();
  }
  const absl::StatusOr<std::string> bytes = Read(file.name);
  if (!bytes.ok()) return Damage(std::string(bytes.status().message()));
  if (bytes->size() < file.size || (bytes->size() > file.size && !may_have_grown)) {
    return Damage(absl::StrCat(database_, "/", file.name, " has ", bytes->size(), " bytes, not ", file.size));
  }
  if (ContentChecksum(absl::string_view(*bytes).substr(0, file.size)) != file.checksum) {
    return Damage(absl::StrCat(database_, "/", file.name, " has a wrong checksum"));
  }
  return absl::OkStatus();
}

absl::Status DatabaseSeal::Write(const char* state, uint64_t last_sequence, const std::vector<File>& sealed) {
  Json json = {{"format", kFormat}, {"state", state}, {"last_sequence", last_sequence}};
  Json& listed = json["files"] = Json::array();
  for (const File& file : sealed) {
    listed.push_back({{"name", file.name}, {"size", file.size}, {"xxh3_128", file.checksum}});
  }
  return WriteFileDurably(files_, absl::StrCat(directory_, "/SEAL"), EncodeCheckedJson(json));
}

absl::Status DatabaseSeal::MarkOpen() { return Write(kOpen, least_sequence_, {}); }

absl::Status DatabaseSeal::MarkRepairing() { return Write(kRepairing, least_sequence_, {}); }

absl::Status DatabaseSeal::Refresh(rocksdb::DB& db, uint64_t last_sequence) {
  std::vector<std::string> live;
  uint64_t manifest_size = 0;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(db.GetLiveFiles(live, &manifest_size, /*flush_memtable=*/false),
                                      "listing the database's files"));
  std::vector<File> sealed;
  for (const std::string& path : live) {
    const absl::string_view name = absl::StripPrefix(path, "/");
    if (!absl::StartsWith(name, kManifestPrefix)) continue;
    EIDETIC_ASSIGN_OR_RETURN(sealed.emplace_back(), Measure(std::string(name), manifest_size));
  }
  EIDETIC_RETURN_IF_ERROR(Write(kOpen, last_sequence, sealed));
  refreshed_ = absl::Now();
  return absl::OkStatus();
}

absl::Status DatabaseSeal::RefreshIfDue(rocksdb::DB& db, uint64_t last_sequence) {
  if (absl::Now() - refreshed_ < kRefreshInterval) return absl::OkStatus();
  // Also when it fails: not tried again with each write.
  refreshed_ = absl::Now();
  return Refresh(db, last_sequence);
}

absl::Status DatabaseSeal::MarkClosed(uint64_t last_sequence) {
  EIDETIC_ASSIGN_OR_RETURN(const std::string current, Read("CURRENT"));
  const absl::string_view manifest = absl::StripSuffix(current, "\n");
  std::vector<std::string> names;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(env_.GetChildren(database_, &names), "listing the database's files"));
  std::sort(names.begin(), names.end());
  std::vector<File> sealed;
  for (const std::string& name : names) {
    if (name != "CURRENT" && name != manifest && !absl::EndsWith(name, ".log")) continue;
    uint64_t size = 0;
    EIDETIC_RETURN_IF_ERROR(
        FromRocksDb(env_.GetFileSize(absl::StrCat(database_, "/", name), &size), "measuring a log"));
    // An empty log says nothing, and its name need not be durable.
    if (size == 0) continue;
    EIDETIC_ASSIGN_OR_RETURN(sealed.emplace_back(), Measure(name, size));
  }
  return Write(kClosed, last_sequence, sealed);
}

}  // namespace eidetic::storage
