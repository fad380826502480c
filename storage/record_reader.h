// Reads one record of a column family. Stateless.
#ifndef EIDETIC_STORAGE_RECORD_READER_H_
#define EIDETIC_STORAGE_RECORD_READER_H_

#include <rocksdb/db.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {

// kNotFound when there is none; errors name `what`.
template <typename Record>
absl::Status ReadRecord(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, absl::string_view key,
                        const std::string& what, Record& record) {
  rocksdb::PinnableSlice frame;
  const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), family, ToSlice(key), &frame);
  if (status.IsNotFound()) return absl::NotFoundError(absl::StrCat("no ", what, " in the library"));
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(status, absl::StrCat("reading ", what)));
  return AddContext(DecodeRecord(key, ToView(frame), record), what);
}

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_RECORD_READER_H_
