// eidetic.v1.GenerationService over one library. Borrows the session; any thread.
#ifndef EIDETIC_SERVICE_GENERATION_SERVICE_H_
#define EIDETIC_SERVICE_GENERATION_SERVICE_H_

#include "eidetic/v1/generation_service.grpc.pb.h"
#include "service/library_session.h"

namespace eidetic::service {

class GenerationServiceImpl final : public eidetic::v1::GenerationService::Service {
 public:
  explicit GenerationServiceImpl(LibrarySession* session) : session_(session) {}

  grpc::Status ListGenerations(grpc::ServerContext* context,
                               const eidetic::v1::ListGenerationsRequest* request,
                               eidetic::v1::ListGenerationsResponse* response) override;
  grpc::Status FillGeneration(grpc::ServerContext* context, const eidetic::v1::FillGenerationRequest* request,
                              grpc::ServerWriter<eidetic::v1::FillGenerationResponse>* writer) override;
  grpc::Status AbortGeneration(grpc::ServerContext* context,
                               const eidetic::v1::AbortGenerationRequest* request,
                               eidetic::v1::AbortGenerationResponse* response) override;
  grpc::Status DropGeneration(grpc::ServerContext* context, const eidetic::v1::DropGenerationRequest* request,
                              eidetic::v1::DropGenerationResponse* response) override;

 private:
  LibrarySession* session_;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_GENERATION_SERVICE_H_
