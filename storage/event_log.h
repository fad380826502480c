// Where the layers tell what happened beside their answers: a snapshot that was
// refused, writes that fail since the disk is full. An interface, so that they
// know neither where it is written nor who counts it. Borrowed through option
// structs; null means that nobody listens. Report may be called from any thread,
// also with locks held, and must not call back.
//
//   ReportEvent(options.event_log, EventSeverity::kWarning, "snapshot_rejected",
//               {{"reason", "damaged"}, {"detail", status.message()}});
#ifndef EIDETIC_STORAGE_EVENT_LOG_H_
#define EIDETIC_STORAGE_EVENT_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace eidetic::storage {

enum class EventSeverity { kDebug, kInfo, kWarning, kError };

// A key and its value. The key "reason" is for one of few fixed words, by which
// events are counted; "detail" is for free text.
class EventField {
 public:
  EventField(absl::string_view key, absl::string_view value) : key_(key), value_(std::string(value)) {}
  EventField(absl::string_view key, const char* value) : EventField(key, absl::string_view(value)) {}
  EventField(absl::string_view key, const std::string& value) : EventField(key, absl::string_view(value)) {}
  template <std::integral Integer>
  EventField(absl::string_view key, Integer value) : key_(key), value_(static_cast<int64_t>(value)) {}
  // Seconds.
  EventField(absl::string_view key, absl::Duration value) : key_(key), value_(absl::ToDoubleSeconds(value)) {}

  absl::string_view key() const { return key_; }
  const std::variant<int64_t, double, std::string>& value() const { return value_; }

 private:
  absl::string_view key_;
  std::variant<int64_t, double, std::string> value_;
};

class EventLog {
 public:
  virtual ~EventLog() = default;
  // `event` is a short name_in_snake_case (docs/metrics.md lists them).
  virtual void Report(EventSeverity severity, absl::string_view event,
                      std::span<const EventField> fields) = 0;
};

inline void ReportEvent(EventLog* log, EventSeverity severity, absl::string_view event,
                        std::initializer_list<EventField> fields) {
  if (log != nullptr) log->Report(severity, event, {fields.begin(), fields.size()});
}

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_EVENT_LOG_H_
