#include "service/call_boundary.h"

#include <exception>
#include <new>

#include "absl/strings/str_cat.h"
#include "service/grpc_status.h"

namespace eidetic::service {

grpc::Status AtCallBoundary(Admission& admission, const grpc::ServerContext* context,
                            const std::function<absl::Status(const Cancellation&)>& call) {
  const absl::StatusOr<Admission::Ticket> ticket = admission.Enter();
  if (!ticket.ok()) return ToGrpcStatus(ticket.status());
  try {
    return ToGrpcStatus(call(Cancellation(context)));
  } catch (const std::bad_alloc&) {
    return ToGrpcStatus(absl::ResourceExhaustedError("the server has not enough memory for this call"));
  } catch (const std::exception& error) {
    return ToGrpcStatus(absl::InternalError(absl::StrCat("unexpected exception: ", error.what())));
  }
}

}  // namespace eidetic::service
