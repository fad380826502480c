#include "storage/database_log.h"

#include <array>
#include <cstdio>

#include "absl/strings/ascii.h"

namespace eidetic::storage {
namespace {

constexpr size_t kMaxMessageBytes = 1024;

}  // namespace

DatabaseLog::~DatabaseLog() { Close().PermitUncheckedError(); }

// Headers and what has no level: the options of the database at each start.
void DatabaseLog::Logv(const char*, va_list) {}

void DatabaseLog::Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) {
  if (event_log_ == nullptr || level < rocksdb::WARN_LEVEL || level >= rocksdb::HEADER_LEVEL) return;
  std::array<char, kMaxMessageBytes> text{};
  if (std::vsnprintf(text.data(), text.size(), format, arguments) < 0) return;
  ReportEvent(event_log_, level == rocksdb::WARN_LEVEL ? EventSeverity::kWarning : EventSeverity::kError,
              "database_message", {{"detail", absl::StripTrailingAsciiWhitespace(text.data())}});
}

rocksdb::Status DatabaseLog::CloseImpl() { return rocksdb::Status::OK(); }

}  // namespace eidetic::storage
