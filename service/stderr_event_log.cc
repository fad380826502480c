#include "service/stderr_event_log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

namespace eidetic::service {
namespace {

using storage::EventField;
using storage::EventSeverity;
using Json = nlohmann::ordered_json;

constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E3S%Ez";

spdlog::level::level_enum SpdlogLevel(EventSeverity severity) {
  switch (severity) {
    case EventSeverity::kDebug:
      return spdlog::level::debug;
    case EventSeverity::kInfo:
      return spdlog::level::info;
    case EventSeverity::kWarning:
      return spdlog::level::warn;
    case EventSeverity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string QuoteIfNeeded(const std::string& value) {
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '"' && c != '\\' && c != '=';
  });
  return plain ? value : absl::StrCat("\"", absl::Utf8SafeCHexEscape(value), "\"");
}

std::string FormatText(const EventField& field) {
  if (const auto* text = std::get_if<std::string>(&field.value())) return QuoteIfNeeded(*text);
  if (const auto* number = std::get_if<int64_t>(&field.value())) return absl::StrCat(*number);
  return absl::StrCat(std::get<double>(field.value()));
}

class StderrEventLog final : public storage::EventLog {
 public:
  explicit StderrEventLog(const EventLogOptions& options)
      : options_(options), logger_("eidetic", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");
    logger_.set_level(SpdlogLevel(options.from));
    logger_.flush_on(spdlog::level::trace);
  }

  void Report(EventSeverity severity, absl::string_view event, std::span<const EventField> fields) override {
    const spdlog::level::level_enum level = SpdlogLevel(severity);
    if (!logger_.should_log(level)) return;
    logger_.log(level,
                spdlog::string_view_t(FormatEvent(options_.form, absl::Now(), severity, event, fields)));
  }

 private:
  const EventLogOptions options_;
  spdlog::logger logger_;
};

}  // namespace

const char* SeverityName(EventSeverity severity) {
  switch (severity) {
    case EventSeverity::kDebug:
      return "debug";
    case EventSeverity::kInfo:
      return "info";
    case EventSeverity::kWarning:
      return "warning";
    case EventSeverity::kError:
      return "error";
  }
  return "error";
}

std::string FormatEvent(LogForm form, absl::Time time, EventSeverity severity, absl::string_view event,
                        std::span<const EventField> fields) {
  const std::string when = absl::FormatTime(kTimeFormat, time, absl::LocalTimeZone());
  if (form == LogForm::kText) {
    std::string line = absl::StrCat(when, " ", SeverityName(severity), " ", event);
    for (const EventField& field : fields) absl::StrAppend(&line, " ", field.key(), "=", FormatText(field));
    return line;
  }
  Json json = {{"time", when}, {"severity", SeverityName(severity)}, {"event", std::string(event)}};
  for (const EventField& field : fields) {
    std::visit([&](const auto& value) { json[std::string(field.key())] = value; }, field.value());
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::unique_ptr<storage::EventLog> NewStderrEventLog(const EventLogOptions& options) {
  return std::make_unique<StderrEventLog>(options);
}

}  // namespace eidetic::service
