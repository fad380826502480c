#include "service/generation_service.h"

#include <vector>

#include "proto/status_macros.h"
#include "service/call_boundary.h"
#include "service/generation_runs.h"

namespace eidetic::service {

grpc::Status GenerationServiceImpl::ListGenerations(grpc::ServerContext* context,
                                                    const eidetic::v1::ListGenerationsRequest*,
                                                    eidetic::v1::ListGenerationsResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation&) -> absl::Status {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                             session_->library->ListGenerations());
    for (const storage::GenerationStatus& status : generations) {
      *response->add_generations() = MakeGenerationProto(status);
    }
    return absl::OkStatus();
  });
}

grpc::Status GenerationServiceImpl::FillGeneration(
    grpc::ServerContext* context, const eidetic::v1::FillGenerationRequest* request,
    grpc::ServerWriter<eidetic::v1::FillGenerationResponse>* writer) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return RunFillGeneration(*request, *session_, cancellation, *writer);
  });
}

grpc::Status GenerationServiceImpl::AbortGeneration(grpc::ServerContext* context,
                                                    const eidetic::v1::AbortGenerationRequest*,
                                                    eidetic::v1::AbortGenerationResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return RunAbortGeneration(*session_, cancellation, *response);
  });
}

grpc::Status GenerationServiceImpl::DropGeneration(grpc::ServerContext* context,
                                                   const eidetic::v1::DropGenerationRequest* request,
                                                   eidetic::v1::DropGenerationResponse*) {
  return AtCallBoundary(session_->admission, context,
                        [&](const Cancellation&) { return RunDropGeneration(*request, *session_); });
}

}  // namespace eidetic::service
