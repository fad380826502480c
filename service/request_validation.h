// Checks of requests that need no library: what is missing, too many, too long,
// not finite. Every fault of a request is collected, then reported at once as
// INVALID_ARGUMENT with google.rpc.BadRequest. Stateless but for the collector;
// any thread.
//
//   FieldViolations violations;
//   CheckSearchRequest(request, violations);
//   EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
#ifndef EIDETIC_SERVICE_REQUEST_VALIDATION_H_
#define EIDETIC_SERVICE_REQUEST_VALIDATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eidetic/v1/encoder_service.pb.h"
#include "eidetic/v1/generation_service.pb.h"
#include "eidetic/v1/library_service.pb.h"
#include "eidetic/v1/portable_asset.pb.h"
#include "eidetic/v1/search_service.pb.h"
#include "google/rpc/error_details.pb.h"
#include "searcher/filter_expression.h"
#include "service/service_limits.h"

namespace eidetic::service {

inline constexpr int kMaxQueryTerms = 16;
inline constexpr size_t kMaxTextBytes = 65'536;
inline constexpr int kMaxPageSize = 1'000;
inline constexpr int kMaxRankedHits = 100'000;
inline constexpr int kMaxCaptionsOfAsset = 256;
inline constexpr size_t kMaxCaptionBytes = 4'096;
// As many as the library has slots for.
inline constexpr int kMaxCaptionsOfPortableAsset = 65'536;
inline constexpr int kMaxAttributes = 64;
inline constexpr size_t kMaxAttributeKeyBytes = 64;
inline constexpr size_t kMaxAttributeValueBytes = 1'024;
inline constexpr int kMaxIndexRoots = 1'000;
inline constexpr size_t kMaxModelVariantBytes = 64;

class FieldViolations {
 public:
  // `field` as in google.rpc.BadRequest, for example "terms[2].weight".
  void Add(absl::string_view field, absl::string_view description);
  bool empty() const { return count_ == 0; }
  // OK when empty. The first violations are listed, all are counted.
  absl::Status ToStatus() const;

 private:
  google::rpc::BadRequest bad_request_;
  int count_ = 0;
};

// INVALID_ARGUMENT for one field.
absl::Status InvalidField(absl::string_view field, absl::string_view description);

// `status` of working on `field`: what was wrong with the field's content
// becomes a violation of it, other errors stay what they are.
absl::Status AsFieldError(const absl::Status& status, absl::string_view field);

// page_size of a request → what to use: 0 means `standard`, large ones are cut.
int EffectivePageSize(int page_size, int standard);

// Whether the query has no other terms than texts.
bool OnlyTexts(const eidetic::v1::SearchRequest& request);

void CheckSearchRequest(const eidetic::v1::SearchRequest& request, FieldViolations& violations);
void CheckCaptionRequest(const eidetic::v1::CaptionRequest& request, FieldViolations& violations);
void CheckEmbedRequest(const eidetic::v1::EmbedRequest& request, const ServiceLimits& limits,
                       FieldViolations& violations);
// `field` is the path of `asset` in its request.
void CheckAssetInput(const eidetic::v1::AssetInput& asset, absl::string_view field,
                     FieldViolations& violations);
void CheckListAssetsRequest(const eidetic::v1::ListAssetsRequest& request, FieldViolations& violations);
void CheckPortableAsset(const eidetic::v1::PortableAsset& asset, absl::string_view field,
                        FieldViolations& violations);
void CheckIndexPathsRequest(const eidetic::v1::IndexPathsRequest& request, FieldViolations& violations);
void CheckFillGenerationRequest(const eidetic::v1::FillGenerationRequest& request,
                                FieldViolations& violations);
// The filter compiled; nullopt when it lets every photo pass, or has a mistake,
// which becomes a violation of `field` that tells the position.
std::optional<searcher::FilterExpression> CheckFilter(const std::string& filter, absl::string_view field,
                                                      FieldViolations& violations);
void CheckAssetId(absl::string_view asset_id, absl::string_view field, FieldViolations& violations);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_REQUEST_VALIDATION_H_
