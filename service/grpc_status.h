// absl::Status ↔ grpc::Status with google.rpc details: payloads of the one are
// the details of the other (trailer grpc-status-details-bin). Stateless; any
// thread.
//
//   return ToGrpcStatus(WithRetryDelay(absl::ResourceExhaustedError("busy"), absl::Milliseconds(200)));
//   absl::Status status = FromGrpcStatus(stub->Search(&context, request, &response));
#ifndef EIDETIC_SERVICE_GRPC_STATUS_H_
#define EIDETIC_SERVICE_GRPC_STATUS_H_

#include <optional>

#include <google/protobuf/message.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"

namespace eidetic::service {

// Message and details are cut so that they fit into gRPC's metadata; bytes that
// are not UTF-8 become \xNN.
grpc::Status ToGrpcStatus(const absl::Status& status);

absl::Status FromGrpcStatus(const grpc::Status& status);

// Attaches `detail`, replacing one of the same type.
void SetDetail(absl::Status& status, const google::protobuf::Message& detail);

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// The details, when `status` has them.
std::optional<google::rpc::BadRequest> GetBadRequest(const absl::Status& status);
std::optional<google::rpc::RetryInfo> GetRetryInfo(const absl::Status& status);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_GRPC_STATUS_H_
