// A database while a repair writes it: no log, durable when finished. One thread.
//
//   RepairedDatabase database;
//   RETURN_IF_ERROR(database.Open(path, families));
//   RETURN_IF_ERROR(database.Put("assets", id, frame));
//   RETURN_IF_ERROR(database.Finish());
#ifndef EIDETIC_STORAGE_REPAIRED_DATABASE_H_
#define EIDETIC_STORAGE_REPAIRED_DATABASE_H_

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eidetic::storage {

class RepairedDatabase {
 public:
  RepairedDatabase() = default;
  ~RepairedDatabase();
  RepairedDatabase(const RepairedDatabase&) = delete;
  RepairedDatabase& operator=(const RepairedDatabase&) = delete;

  absl::Status Open(const std::string& path, const std::vector<std::string>& families);
  absl::Status Put(const std::string& family, absl::string_view key, absl::string_view value);
  absl::Status Finish();

 private:
  absl::Status WriteBatch();
  void ReleaseFamilies();

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> families_;
  rocksdb::WriteBatch batch_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_REPAIRED_DATABASE_H_
