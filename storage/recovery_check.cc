#include "storage/recovery_check.h"

#include <rocksdb/db.h>
#include <rocksdb/wal_filter.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eidetic/storage/v1/records.pb.h"
#include "proto/status_macros.h"
#include "storage/column_families.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"
#include "storage/write_ahead_log.h"

namespace eidetic::storage {
namespace {

// Learns from which log on there is something to recover: older ones may lie
// there still and hold writes that were refused.
class FirstLog final : public rocksdb::WalFilter {
 public:
  const char* Name() const override { return "eidetic.FirstLog"; }
  void ColumnFamilyLogNumberMap(const std::map<uint32_t, uint64_t>& first_of_family,
                                const std::map<std::string, uint32_t>& /*id_of_name*/) override {
    for (const auto& [family, log] : first_of_family) first_ = std::min(first_, log);
  }
  uint64_t first() const { return first_; }

 private:
  uint64_t first_ = std::numeric_limits<uint64_t>::max();
};

class Rehearsal {
 public:
  Rehearsal(const rocksdb::DBOptions& options, const std::string& path) : options_(options), path_(path) {}
  ~Rehearsal() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      if (db_ != nullptr) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
  }
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  absl::Status Open() {
    options_.wal_filter = &first_log_;
    options_.create_if_missing = false;
    options_.create_missing_column_families = false;
    std::vector<std::string> names;
    rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options_, path_, &names);
    if (status.ok()) {
      std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
      for (const std::string& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
      rocksdb::DB* db = nullptr;
      status = rocksdb::DB::OpenForReadOnly(options_, path_, descriptors, &handles_, &db);
      db_.reset(db);
    }
    if (status.ok()) return absl::OkStatus();
    // A file that is gone is as lost as one that is damaged.
    const bool missing = status.IsPathNotFound() || status.IsNotFound();
    const absl::Status mapped = FromRocksDb(status, "it does not open");
    return missing ? absl::DataLossError(mapped.message()) : mapped;
  }

  absl::Status CheckLogs() const {
    std::vector<std::string> names;
    EIDETIC_RETURN_IF_ERROR(FromRocksDb(options_.env->GetChildren(path_, &names), path_));
    for (const std::string& name : names) {
      uint64_t number = 0;
      if (!absl::EndsWith(name, ".log") || !absl::SimpleAtoi(absl::StripSuffix(name, ".log"), &number) ||
          number < first_log_.first()) {
        continue;
      }
      const std::string file = absl::StrCat(path_, "/", name);
      std::string bytes;
      EIDETIC_RETURN_IF_ERROR(FromRocksDb(rocksdb::ReadFileToString(options_.env, file, &bytes), file));
      const uint64_t last = LastWholeWrite(bytes);
      if (last <= db_->GetLatestSequenceNumber()) continue;
      return absl::DataLossError(
          absl::StrCat(file, " is damaged in front of writes that are whole: they go up to number ", last,
                       ", and only those up to ", db_->GetLatestSequenceNumber(), " could be recovered"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckChanges(uint64_t least_sequence) const {
    v1::StateRecord state;
    rocksdb::ColumnFamilyHandle* meta = Family(kMetaFamily);
    rocksdb::ColumnFamilyHandle* changes = Family(kChangesFamily);
    if (meta != nullptr) {
      std::string frame;
      const rocksdb::Status read = db_->Get(rocksdb::ReadOptions(), meta, kStateKey, &frame);
      if (!read.IsNotFound()) {
        EIDETIC_RETURN_IF_ERROR(FromRocksDb(read, "reading the state record"));
        EIDETIC_RETURN_IF_ERROR(AddContext(DecodeRecord(kStateKey, frame, state), "the state record"));
      }
    }
    if (state.last_sequence() < least_sequence) {
      return absl::DataLossError(absl::StrCat("changes ", state.last_sequence() + 1, " to ", least_sequence,
                                              " were acknowledged and are lost"));
    }
    if (changes == nullptr) return absl::OkStatus();
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.readahead_size = 1 << 20;
    uint64_t expected = state.trimmed_sequence();
    const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options, changes));
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      if (ParseUint64Key(ToView(iterator->key())) != ++expected) {
        return absl::DataLossError(absl::StrCat("change ", expected, " is missing from the change log"));
      }
    }
    EIDETIC_RETURN_IF_ERROR(FromRocksDb(iterator->status(), "reading the change log"));
    if (expected == state.last_sequence()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("the change log ends at ", expected, ", not at ", state.last_sequence()));
  }

 private:
  rocksdb::ColumnFamilyHandle* Family(const char* name) const {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      if (handle->GetName() == name) return handle;
    }
    return nullptr;
  }

  rocksdb::DBOptions options_;
  const std::string path_;
  FirstLog first_log_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace

absl::Status CheckRecovery(const rocksdb::DBOptions& options, const std::string& path,
                           uint64_t least_sequence) {
  Rehearsal rehearsal(options, path);
  EIDETIC_RETURN_IF_ERROR(rehearsal.Open());
  EIDETIC_RETURN_IF_ERROR(rehearsal.CheckLogs());
  return rehearsal.CheckChanges(least_sequence);
}

}  // namespace eidetic::storage
