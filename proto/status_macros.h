// Status plumbing shared by every folder: early return on error, and "what was
// being done" added in front of an error's message. Stateless; any thread.
//
//   absl::StatusOr<int> Parse(absl::string_view text);
//   absl::Status Use(absl::string_view text) {
//     EIDETIC_ASSIGN_OR_RETURN(const int value, Parse(text));
//     EIDETIC_RETURN_IF_ERROR(Store(value));
//     return absl::OkStatus();
//   }
#ifndef EIDETIC_PROTO_STATUS_MACROS_H_
#define EIDETIC_PROTO_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eidetic {

// Returns `status` with "context: " in front of its message; the code and the
// payloads stay. OK stays OK.
inline absl::Status AddContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&result](absl::string_view type_url, const absl::Cord& payload) {
    result.SetPayload(type_url, payload);
  });
  return result;
}

}  // namespace eidetic

#define EIDETIC_STATUS_CONCAT_INNER(a, b) a##b
#define EIDETIC_STATUS_CONCAT(a, b) EIDETIC_STATUS_CONCAT_INNER(a, b)

#define EIDETIC_RETURN_IF_ERROR(expression) \
  EIDETIC_RETURN_IF_ERROR_INNER(EIDETIC_STATUS_CONCAT(eidetic_status_, __COUNTER__), expression)

#define EIDETIC_RETURN_IF_ERROR_INNER(status, expression) \
  do {                                                    \
    absl::Status status = (expression);                   \
    if (!status.ok()) return status;                      \
  } while (false)

#define EIDETIC_ASSIGN_OR_RETURN(lhs, expression) \
  EIDETIC_ASSIGN_OR_RETURN_INNER(EIDETIC_STATUS_CONCAT(eidetic_statusor_, __COUNTER__), lhs, expression)

#define EIDETIC_ASSIGN_OR_RETURN_INNER(statusor, lhs, expression) \
  auto statusor = (expression);                                   \
  if (!statusor.ok()) return std::move(statusor).status();        \
  lhs = std::move(statusor).value()

#endif  // EIDETIC_PROTO_STATUS_MACROS_H_
