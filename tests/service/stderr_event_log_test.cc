#include "service/stderr_event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace eidetic::service {
namespace {

using storage::EventField;
using storage::EventSeverity;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string Format(LogForm form, const std::vector<EventField>& fields) {
  return FormatEvent(form, absl::FromUnixMillis(1'700'000'000'123), EventSeverity::kWarning,
                     "snapshot_rejected", fields);
}

TEST(FormatEventTest, TextIsOneLineOfKeysAndValues) {
  const std::string line = Format(LogForm::kText, {{"reason", "damaged"},
                                                   {"detail", "a \"b\"\nc"},
                                                   {"bytes", uint64_t{12}},
                                                   {"seconds", absl::Milliseconds(1500)},
                                                   {"empty", ""}});
  EXPECT_THAT(line, EndsWith(R"( warning snapshot_rejected reason=damaged detail="a \"b\"\nc" bytes=12 )"
                             R"(seconds=1.5 empty="")"));
  EXPECT_THAT(line, AllOf(HasSubstr("2023-11-1"), HasSubstr(".123"), Not(HasSubstr("\n"))));
}

TEST(FormatEventTest, JsonKeepsNumbersAndSurvivesAnyBytes) {
  const std::string line =
      Format(LogForm::kJson, {{"detail", "line\nbreak \xFF"}, {"bytes", 12}, {"seconds", absl::Seconds(2)}});
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["severity"], "warning");
  EXPECT_EQ(json["event"], "snapshot_rejected");
  EXPECT_EQ(json["bytes"], 12);
  EXPECT_EQ(json["seconds"], 2.0);
  EXPECT_THAT(json["detail"].get<std::string>(), testing::StartsWith("line\nbreak "));
}

TEST(StderrEventLogTest, WritesFromItsSeverityOn) {
  testing::internal::CaptureStderr();
  const auto log = NewStderrEventLog({.from = EventSeverity::kWarning});
  ReportEvent(log.get(), EventSeverity::kInfo, "quiet_event", {});
  ReportEvent(log.get(), EventSeverity::kError, "loud_event", {{"code", "INTERNAL"}});
  ReportEvent(nullptr, EventSeverity::kError, "nobody_listens", {});
  EXPECT_THAT(testing::internal::GetCapturedStderr(), EndsWith(" error loud_event code=INTERNAL\n"));
}

}  // namespace
}  // namespace eidetic::service
