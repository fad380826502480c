// The event log of a process on its standard error, a line an event, in one of
// two forms:
//
//   2026-01-31T12:00:00.123+01:00 warning snapshot_rejected reason=damaged detail="…"
//   {"time":"2026-01-31T12:00:00.123+01:00","severity":"warning","event":"snapshot_rejected","reason":"damaged",…}
//
// Owned by the command, which outlives the LibraryHost; any thread.
//
//   const auto log = NewStderrEventLog({.form = LogForm::kJson, .from = EventSeverity::kInfo});
//   LibraryHost::Open({.event_log = log.get(), …});
#ifndef EIDETIC_SERVICE_STDERR_EVENT_LOG_H_
#define EIDETIC_SERVICE_STDERR_EVENT_LOG_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/event_log.h"

namespace eidetic::service {

enum class LogForm { kText, kJson };

struct EventLogOptions {
  LogForm form = LogForm::kText;
  // Events below this severity are not written.
  storage::EventSeverity from = storage::EventSeverity::kInfo;
};

std::unique_ptr<storage::EventLog> NewStderrEventLog(const EventLogOptions& options);

// One line without its end. Values with spaces, quotes or control characters are
// quoted and escaped; bytes that are not UTF-8 are escaped too.
std::string FormatEvent(LogForm form, absl::Time time, storage::EventSeverity severity,
                        absl::string_view event, std::span<const storage::EventField> fields);

// "debug", "info", "warning", "error".
const char* SeverityName(storage::EventSeverity severity);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_STDERR_EVENT_LOG_H_
