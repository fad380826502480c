// RocksDB's own log, told as events ("database_message") instead of written into a
// file of the library: on a full disk its file logger aborts the process (7.8, built
// with assertions). Give it to DBOptions::info_log; any thread.
//
//   db_options.info_log = std::make_shared<DatabaseLog>(options.event_log);
#ifndef EIDETIC_STORAGE_DATABASE_LOG_H_
#define EIDETIC_STORAGE_DATABASE_LOG_H_

#include <rocksdb/env.h>

#include <cstdarg>

#include "storage/event_log.h"

namespace eidetic::storage {

// Warnings and errors alone.
class DatabaseLog final : public rocksdb::Logger {
 public:
  // `event_log` may be null.
  explicit DatabaseLog(EventLog* event_log) : Logger(rocksdb::WARN_LEVEL), event_log_(event_log) {}
  ~DatabaseLog() override;

  void Logv(const char* format, va_list arguments) override;
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override;

 protected:
  rocksdb::Status CloseImpl() override;

 private:
  EventLog* const event_log_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_DATABASE_LOG_H_
