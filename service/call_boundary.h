// The border of every RPC: admission, and nothing but a Status gets out, whatever
// a library below throws. Stateless; any thread.
//
//   return AtCallBoundary(session->admission, context, [&](const Cancellation& cancellation) {
//     return Search(*request, cancellation, *response);
//   });
#ifndef EIDETIC_SERVICE_CALL_BOUNDARY_H_
#define EIDETIC_SERVICE_CALL_BOUNDARY_H_

#include <functional>

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "service/admission.h"
#include "service/cancellation.h"

namespace eidetic::service {

// `call`'s status for gRPC. std::bad_alloc becomes RESOURCE_EXHAUSTED, other
// exceptions INTERNAL, both with their message.
grpc::Status AtCallBoundary(Admission& admission, const grpc::ServerContext* context,
                            const std::function<absl::Status(const Cancellation&)>& call);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_CALL_BOUNDARY_H_
