// eidetic.v1.EncoderService over a library's model. Borrows the session; any
// thread.
#ifndef EIDETIC_SERVICE_ENCODER_SERVICE_H_
#define EIDETIC_SERVICE_ENCODER_SERVICE_H_

#include "absl/status/status.h"
#include "eidetic/v1/encoder_service.grpc.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

class EncoderServiceImpl final : public eidetic::v1::EncoderService::Service {
 public:
  explicit EncoderServiceImpl(LibrarySession* session) : session_(session) {}

  grpc::Status Embed(grpc::ServerContext* context, const eidetic::v1::EmbedRequest* request,
                     eidetic::v1::EmbedResponse* response) override;

 private:
  absl::Status EmbedInputs(const eidetic::v1::EmbedRequest& request, const Cancellation& cancellation,
                           eidetic::v1::EmbedResponse& response);
  absl::Status EmbedTexts(const eidetic::v1::EmbedRequest& request, ModelSession& model,
                          const Cancellation& cancellation, eidetic::v1::EmbedResponse& response);
  absl::Status EmbedImages(const eidetic::v1::EmbedRequest& request, ModelSession& model,
                           const Cancellation& cancellation, eidetic::v1::EmbedResponse& response);

  LibrarySession* session_;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_ENCODER_SERVICE_H_
