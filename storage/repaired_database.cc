#include "storage/repaired_database.h"

#include "proto/status_macros.h"
#include "storage/database_log.h"
#include "storage/family_options.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

constexpr size_t kBatchBytes = 4 << 20;

}  // namespace

RepairedDatabase::~RepairedDatabase() { ReleaseFamilies(); }

absl::Status RepairedDatabase::Open(const std::string& path, const std::vector<std::string>& families) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.atomic_flush = true;
  options.info_log = std::make_shared<DatabaseLog>(nullptr);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {
      {rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions()}};
  for (const std::string& name : families) {
    descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    descriptors.back().options.compression = FamilyCompression(name);
  }
  rocksdb::DB* db = nullptr;
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::Open(options, path, descriptors, &handles_, &db),
                                      "making the repaired database"));
  db_.reset(db);
  for (rocksdb::ColumnFamilyHandle* handle : handles_) families_[handle->GetName()] = handle;
  return absl::OkStatus();
}

absl::Status RepairedDatabase::Put(const std::string& family, absl::string_view key,
                                   absl::string_view value) {
  EIDETIC_RETURN_IF_ERROR(
      FromRocksDb(batch_.Put(families_.at(family), ToSlice(key), ToSlice(value)), "keeping a record"));
  return batch_.GetDataSize() < kBatchBytes ? absl::OkStatus() : WriteBatch();
}

absl::Status RepairedDatabase::Finish() {
  EIDETIC_RETURN_IF_ERROR(WriteBatch());
  EIDETIC_RETURN_IF_ERROR(
      FromRocksDb(db_->Flush(rocksdb::FlushOptions(), handles_), "writing the repaired database"));
  ReleaseFamilies();
  const rocksdb::Status closed = db_->Close();
  db_.reset();
  return FromRocksDb(closed, "closing the repaired database");
}

absl::Status RepairedDatabase::WriteBatch() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status written = db_->Write(options, &batch_);
  batch_.Clear();
  return FromRocksDb(written, "writing the repaired database");
}

void RepairedDatabase::ReleaseFamilies() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  handles_.clear();
}

}  // namespace eidetic::storage
