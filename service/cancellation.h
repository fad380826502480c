// Whether somebody still waits for an answer: asked between the stages of a
// call, so that work nobody wants ends early. Borrows the context; any thread.
//
//   Cancellation cancellation(context);
//   EIDETIC_RETURN_IF_ERROR(cancellation.Check());
#ifndef EIDETIC_SERVICE_CANCELLATION_H_
#define EIDETIC_SERVICE_CANCELLATION_H_

#include <chrono>

#include <grpcpp/server_context.h>

#include "absl/status/status.h"

namespace eidetic::service {

class Cancellation {
 public:
  // Never cancelled.
  Cancellation() = default;
  explicit Cancellation(const grpc::ServerContext* context) : context_(context) {}

  // kDeadlineExceeded or kCancelled when nobody waits any more.
  absl::Status Check() const {
    if (context_ == nullptr) return absl::OkStatus();
    if (context_->deadline() <= std::chrono::system_clock::now()) {
      return absl::DeadlineExceededError("the call's deadline passed before the answer was ready");
    }
    if (context_->IsCancelled()) return absl::CancelledError("the client cancelled the call");
    return absl::OkStatus();
  }

 private:
  const grpc::ServerContext* context_ = nullptr;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_CANCELLATION_H_
