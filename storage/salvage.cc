#include "storage/salvage.h"

#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/database_log.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostDamageTold = 100;

rocksdb::DBOptions ReadingOptions() {
  rocksdb::DBOptions options;
  options.paranoid_checks = false;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  options.max_open_files = 256;
  options.info_log = std::make_shared<DatabaseLog>(nullptr);
  return options;
}

bool TableOpens(const std::string& path) {
  rocksdb::SstFileReader reader{rocksdb::Options()};
  return reader.Open(path).ok();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Salvage>> Salvage::Open(const std::string& path, const std::string& scratch) {
  std::unique_ptr<Salvage> salvage(new Salvage(scratch));
  absl::Status opened = salvage->OpenReadOnly(path);
  if (opened.ok() && salvage->EveryTableOpens(path)) return salvage;
  if (!opened.ok()) salvage->damage_.emplace_back(opened.message());
  salvage->Close();
  // One table that does not open makes its whole family unreadable.
  EIDETIC_RETURN_IF_ERROR(salvage->OpenRepairedCopy(path));
  return salvage;
}

Salvage::~Salvage() {
  Close();
  std::error_code error;
  fs::remove_all(scratch_, error);
}

void Salvage::Close() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  handles_.clear();
  db_.reset();
}

absl::Status Salvage::OpenReadOnly(const std::string& path) {
  std::vector<std::string> names;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::ListColumnFamilies(ReadingOptions(), path, &names), path));
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
  rocksdb::DB* db = nullptr;
  EIDETIC_RETURN_IF_ERROR(
      FromRocksDb(rocksdb::DB::OpenForReadOnly(ReadingOptions(), path, descriptors, &handles_, &db), path));
  db_.reset(db);
  return absl::OkStatus();
}

bool Salvage::EveryTableOpens(const std::string& path) {
  std::vector<rocksdb::LiveFileMetaData> tables;
  db_->GetLiveFilesMetaData(&tables);
  bool all = true;
  for (const rocksdb::LiveFileMetaData& table : tables) {
    const std::string file = absl::StrCat(path, table.name);
    std::error_code error;
    if (fs::is_regular_file(file, error) && fs::file_size(file, error) == table.size && TableOpens(file))
      continue;
    damage_.push_back(absl::StrCat(file, " (", table.column_family_name, ") does not open"));
    all = false;
  }
  return all;
}

absl::Status Salvage::OpenRepairedCopy(const std::string& path) {
  std::error_code error;
  fs::remove_all(scratch_, error);
  fs::create_directory(scratch_, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("making ", scratch_));
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string from = entry.path().string();
    const std::string to = absl::StrCat(scratch_, "/", entry.path().filename().string());
    std::error_code copied;
    if (!fs::is_regular_file(fs::status(entry.path(), copied))) continue;
    if (absl::EndsWith(from, ".sst")) {
      if (!TableOpens(from)) continue;
      // RocksDB never writes into a table that is there.
      fs::create_hard_link(fs::canonical(from, copied), to, copied);
      if (copied) fs::copy_file(from, to, copied);
    } else if (absl::EndsWith(from, ".log")) {
      fs::copy_file(from, to, copied);
    }
    if (copied) damage_.push_back(absl::StrCat(from, ": ", copied.message()));
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("reading ", path));
  rocksdb::DBOptions options = ReadingOptions();
  options.create_if_missing = true;
  EIDETIC_RETURN_IF_ERROR(
      FromRocksDb(rocksdb::RepairDB(scratch_, options,
                                    {{rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions()}},
                                    rocksdb::ColumnFamilyOptions()),
                  "collecting the tables that open"));
  return AddContext(OpenReadOnly(scratch_), "reading the tables that open");
}

std::vector<std::string> Salvage::families() const {
  std::vector<std::string> names;
  for (const rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle->GetName() != rocksdb::kDefaultColumnFamilyName) names.push_back(handle->GetName());
  }
  return names;
}

rocksdb::ColumnFamilyHandle* Salvage::Find(const std::string& family) const {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle->GetName() == family) return handle;
  }
  return nullptr;
}

void Salvage::ForEach(const std::string& family, std::vector<std::string> candidates,
                      const std::function<void(absl::string_view, absl::string_view)>& visit) {
  rocksdb::ColumnFamilyHandle* handle = Find(family);
  if (handle == nullptr) return;
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  std::vector<std::string> passed_over;
  std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options, handle));
  auto next = candidates.begin();
  std::string last;
  bool any = false;
  iterator->SeekToFirst();
  while (true) {
    for (; iterator->Valid(); iterator->Next()) {
      last.assign(iterator->key().data(), iterator->key().size());
      any = true;
      for (; next != candidates.end() && *next <= last; ++next) {
        if (*next != last) passed_over.push_back(*next);
      }
      visit(last, ToView(iterator->value()));
    }
    if (iterator->status().ok()) break;
    if (damage_.size() < kMostDamageTold) {
      damage_.push_back(absl::StrCat(family, " behind ", any ? absl::CHexEscape(last) : "its start", ": ",
                                     iterator->status().ToString()));
    }
    // The first candidate behind the damage from which reading goes on.
    bool goes_on = false;
    for (; next != candidates.end() && !goes_on; ++next) {
      if (any && *next <= last) continue;
      iterator.reset(db_->NewIterator(options, handle));
      iterator->Seek(*next);
      goes_on = iterator->Valid();
      // Readable up to its end: nothing comes any more.
      if (!goes_on && iterator->status().ok()) break;
      if (!goes_on) passed_over.push_back(*next);
      if (goes_on) break;
    }
    if (!goes_on) break;
  }
  passed_over.insert(passed_over.end(), next, candidates.end());
  for (const std::string& key : passed_over) {
    if (const std::optional<std::string> value = Get(family, key)) visit(key, *value);
  }
}

std::optional<std::string> Salvage::Get(const std::string& family, absl::string_view key) {
  rocksdb::ColumnFamilyHandle* handle = Find(family);
  std::string value;
  if (handle == nullptr || !db_->Get(rocksdb::ReadOptions(), handle, ToSlice(key), &value).ok()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace eidetic::storage
