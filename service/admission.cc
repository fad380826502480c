#include "service/admission.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "service/grpc_status.h"

namespace eidetic::service {
namespace {

constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<Admission::Ticket> Admission::Enter() {
  if (in_flight_.fetch_add(1) >= max_concurrent_calls_) {
    in_flight_.fetch_sub(1);
    ++rejected_;
    return WithRetryDelay(
        absl::ResourceExhaustedError(absl::StrCat(
            max_concurrent_calls_, " calls are in flight, as many as this server takes: try again")),
        kRetryDelay);
  }
  return Ticket(this);
}

}  // namespace eidetic::service
