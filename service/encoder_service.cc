#include "service/encoder_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "service/asset_proto.h"
#include "service/call_boundary.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

// Pictures held ready for the image tower at once, about 1 MB each.
constexpr size_t kPicturesAtOnce = 16;

}  // namespace

grpc::Status EncoderServiceImpl::Embed(grpc::ServerContext* context, const eidetic::v1::EmbedRequest* request,
                                       eidetic::v1::EmbedResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return EmbedInputs(*request, cancellation, *response);
  });
}

absl::Status EncoderServiceImpl::EmbedInputs(const eidetic::v1::EmbedRequest& request,
                                             const Cancellation& cancellation,
                                             eidetic::v1::EmbedResponse& response) {
  FieldViolations violations;
  CheckEmbedRequest(request, session_->limits, violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  const std::shared_ptr<GenerationSession> searched = session_->searched();
  ModelSession& model = *searched->model;
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, model.Encoder());
  response.set_model_fingerprint(encoder->info().fingerprint);
  for (int i = 0; i < request.inputs_size(); ++i) response.add_embeddings();
  EIDETIC_RETURN_IF_ERROR(EmbedTexts(request, model, cancellation, response));
  return EmbedImages(request, model, cancellation, response);
}

absl::Status EncoderServiceImpl::EmbedTexts(const eidetic::v1::EmbedRequest& request, ModelSession& model,
                                            const Cancellation& cancellation,
                                            eidetic::v1::EmbedResponse& response) {
  std::vector<std::string> texts;
  std::vector<int> positions;
  for (int i = 0; i < request.inputs_size(); ++i) {
    if (!request.inputs(i).has_text()) continue;
    texts.push_back(request.inputs(i).text());
    positions.push_back(i);
  }
  if (texts.empty()) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings, model.EmbedTexts(texts, cancellation));
  for (size_t i = 0; i < positions.size(); ++i) {
    *response.mutable_embeddings(positions[i]) =
        MakeEmbedding(embeddings.row(i), response.model_fingerprint());
  }
  return absl::OkStatus();
}

absl::Status EncoderServiceImpl::EmbedImages(const eidetic::v1::EmbedRequest& request, ModelSession& model,
                                             const Cancellation& cancellation,
                                             eidetic::v1::EmbedResponse& response) {
  FieldViolations violations;
  std::vector<encoder::PreparedPicture> pictures;
  std::vector<int> positions;
  for (int i = 0; i < request.inputs_size(); ++i) {
    if (request.inputs(i).has_image()) {
      EIDETIC_RETURN_IF_ERROR(cancellation.Check());
      absl::StatusOr<encoder::PreparedPicture> picture =
          model.PreparePicture(AsByteSpan(request.inputs(i).image()), cancellation);
      if (picture.ok()) {
        pictures.push_back(*std::move(picture));
        positions.push_back(i);
      } else {
        const std::string field = absl::StrCat("inputs[", i, "].image");
        const absl::Status fault = AsFieldError(picture.status(), field);
        if (!absl::IsInvalidArgument(fault)) return fault;
        violations.Add(field, picture.status().message());
      }
    }
    const bool is_last = i + 1 == request.inputs_size();
    // After a fault the rest is only looked through for more of them.
    if (!violations.empty()) pictures.clear(), positions.clear();
    if (pictures.empty() || (pictures.size() < kPicturesAtOnce && !is_last)) continue;
    EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings,
                             model.EmbedPictures(pictures, cancellation));
    for (size_t row = 0; row < positions.size(); ++row) {
      *response.mutable_embeddings(positions[row]) =
          MakeEmbedding(embeddings.row(row), response.model_fingerprint());
    }
    pictures.clear();
    positions.clear();
  }
  return violations.ToStatus();
}

}  // namespace eidetic::service
