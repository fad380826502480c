#include "service/request_validation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "service/bounded_text.h"
#include "service/grpc_status.h"
#include "storage/library.h"

namespace eidetic::service {
namespace {

// What fits into a trailer; see grpc_status.cc.
constexpr int kMaxListedViolations = 8;
constexpr size_t kMaxDescriptionBytes = 240;

void CheckText(absl::string_view text, absl::string_view field, size_t max_bytes,
               FieldViolations& violations) {
  if (absl::StripAsciiWhitespace(text).empty()) {
    violations.Add(field, "is empty: give at least one word");
  } else if (text.size() > max_bytes) {
    violations.Add(field, absl::StrCat("has ", text.size(), " bytes; the most is ", max_bytes));
  }
}

void CheckImage(absl::string_view image, absl::string_view field, FieldViolations& violations) {
  if (image.empty()) violations.Add(field, "is empty: give the bytes of a picture file");
}

// The dimension is checked by those who know the model.
void CheckEmbedding(const eidetic::v1::Embedding& embedding, absl::string_view field,
                    FieldViolations& violations) {
  const std::string values_field = absl::StrCat(field, ".values");
  if (embedding.values().empty()) {
    violations.Add(values_field, "is empty: give as many values as the model has dimensions");
    return;
  }
  for (int i = 0; i < embedding.values_size(); ++i) {
    if (!std::isfinite(embedding.values(i))) {
      violations.Add(values_field,
                     absl::StrCat("value ", i, " is ", embedding.values(i), ", not a finite number"));
      return;
    }
  }
  if (std::all_of(embedding.values().begin(), embedding.values().end(),
                  [](float value) { return value == 0; })) {
    violations.Add(values_field, "is all zero: it has no direction");
  }
}

void CheckQueryTerm(const eidetic::v1::QueryTerm& term, absl::string_view field,
                    FieldViolations& violations) {
  using eidetic::v1::QueryTerm;
  switch (term.input_case()) {
    case QueryTerm::kText:
      CheckText(term.text(), absl::StrCat(field, ".text"), kMaxTextBytes, violations);
      break;
    case QueryTerm::kImage:
      CheckImage(term.image(), absl::StrCat(field, ".image"), violations);
      break;
    case QueryTerm::kAssetId:
      CheckAssetId(term.asset_id(), absl::StrCat(field, ".asset_id"), violations);
      break;
    case QueryTerm::kEmbedding:
      CheckEmbedding(term.embedding(), absl::StrCat(field, ".embedding"), violations);
      break;
    case QueryTerm::INPUT_NOT_SET:
      violations.Add(field, "has no input: set text, image, asset_id or embedding");
      break;
  }
  if (!std::isfinite(term.weight())) {
    violations.Add(absl::StrCat(field, ".weight"),
                   absl::StrCat("is ", term.weight(), ", not a finite number"));
  }
}

void CheckPath(const std::string& path, absl::string_view field, FieldViolations& violations) {
  if (!absl::StartsWith(path, "/")) {
    violations.Add(field, absl::StrCat("is \"", path, "\": give an absolute path of the server's machine"));
  } else if (path.find('\0') != std::string::npos) {
    violations.Add(field, "holds a zero byte");
  }
}

void CheckPageSize(int page_size, FieldViolations& violations) {
  if (page_size < 0) violations.Add("page_size", absl::StrCat("is ", page_size, ": give 0 or more"));
}

}  // namespace

void FieldViolations::Add(absl::string_view field, absl::string_view description) {
  if (count_++ >= kMaxListedViolations) return;
  google::rpc::BadRequest::FieldViolation* violation = bad_request_.add_field_violations();
  violation->set_field(std::string(field));
  // Descriptions may quote what the client sent.
  violation->set_description(BoundedText(description, kMaxDescriptionBytes));
}

absl::Status FieldViolations::ToStatus() const {
  if (empty()) return absl::OkStatus();
  std::string message;
  for (const auto& violation : bad_request_.field_violations()) {
    absl::StrAppend(&message, message.empty() ? "" : "; ", violation.field(), " ", violation.description());
  }
  const int unlisted = count_ - bad_request_.field_violations_size();
  if (unlisted > 0) absl::StrAppend(&message, "; and ", unlisted, " more");
  absl::Status status = absl::InvalidArgumentError(message);
  SetDetail(status, bad_request_);
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view description) {
  FieldViolations violations;
  violations.Add(field, description);
  return violations.ToStatus();
}

absl::Status AsFieldError(const absl::Status& status, absl::string_view field) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kResourceExhausted:
      return InvalidField(field, status.message());
    default:
      return status;
  }
}

bool OnlyTexts(const eidetic::v1::SearchRequest& request) {
  return std::all_of(request.terms().begin(), request.terms().end(),
                     [](const eidetic::v1::QueryTerm& term) { return term.has_text(); });
}

int EffectivePageSize(int page_size, int standard) {
  return page_size == 0 ? standard : std::min(page_size, kMaxPageSize);
}

void CheckSearchRequest(const eidetic::v1::SearchRequest& request, FieldViolations& violations) {
  if (request.terms().empty()) violations.Add("terms", "is empty: give at least one term");
  if (request.terms_size() > kMaxQueryTerms) {
    violations.Add("terms",
                   absl::StrCat("has ", request.terms_size(), " entries; the most is ", kMaxQueryTerms));
  } else {
    for (int i = 0; i < request.terms_size(); ++i) {
      CheckQueryTerm(request.terms(i), absl::StrCat("terms[", i, "]"), violations);
    }
  }
  CheckPageSize(request.page_size(), violations);
  if (!(request.min_confidence() >= 0 && request.min_confidence() <= 1)) {
    violations.Add("min_confidence", absl::StrCat("is ", request.min_confidence(), ": give 0 to 1"));
  } else if (request.min_confidence() > 0 && !OnlyTexts(request)) {
    violations.Add("min_confidence",
                   "is for queries of texts alone: hits of other queries have no confidence");
  }
  if (request.ef_search() < 0 || request.ef_search() > kMaxRankedHits) {
    violations.Add("ef_search", absl::StrCat("is ", request.ef_search(), ": give 0 to ", kMaxRankedHits));
  }
}

std::optional<searcher::FilterExpression> CheckFilter(const std::string& filter, absl::string_view field,
                                                      FieldViolations& violations) {
  absl::StatusOr<searcher::FilterExpression> compiled = searcher::CompileFilter(filter);
  if (!compiled.ok()) {
    violations.Add(field, compiled.status().message());
    return std::nullopt;
  }
  if (compiled->is_trivial()) return std::nullopt;
  return *std::move(compiled);
}

void CheckCaptionRequest(const eidetic::v1::CaptionRequest& request, FieldViolations& violations) {
  if (request.query().has_text()) {
    violations.Add("query.text", "is not a picture: give image, asset_id or embedding");
  } else {
    CheckQueryTerm(request.query(), "query", violations);
  }
  CheckPageSize(request.page_size(), violations);
  if (request.library_only() && request.phrase_bank_only()) {
    violations.Add("phrase_bank_only",
                   "leaves nothing to choose from together with library_only: set one of them");
  }
}

void CheckEmbedRequest(const eidetic::v1::EmbedRequest& request, const ServiceLimits& limits,
                       FieldViolations& violations) {
  using eidetic::v1::EmbedInput;
  if (request.inputs().empty()) violations.Add("inputs", "is empty: give at least one item");
  if (request.inputs_size() > limits.max_embed_batch) {
    violations.Add("inputs", absl::StrCat("has ", request.inputs_size(), " items; the most is ",
                                          limits.max_embed_batch));
    return;
  }
  for (int i = 0; i < request.inputs_size(); ++i) {
    const EmbedInput& input = request.inputs(i);
    const std::string field = absl::StrCat("inputs[", i, "]");
    switch (input.input_case()) {
      case EmbedInput::kText:
        CheckText(input.text(), absl::StrCat(field, ".text"), kMaxTextBytes, violations);
        break;
      case EmbedInput::kImage:
        CheckImage(input.image(), absl::StrCat(field, ".image"), violations);
        break;
      case EmbedInput::INPUT_NOT_SET:
        violations.Add(field, "has no input: set text or image");
        break;
    }
  }
}

namespace {

void CheckAttributes(const google::protobuf::Map<std::string, std::string>& attributes,
                     absl::string_view field, FieldViolations& violations) {
  if (attributes.size() > kMaxAttributes) {
    violations.Add(absl::StrCat(field, ".attributes"),
                   absl::StrCat("has ", attributes.size(), " entries; the most is ", kMaxAttributes));
  } else {
    for (const auto& [key, value] : attributes) {
      if (key.empty() || key.size() > kMaxAttributeKeyBytes) {
        violations.Add(
            absl::StrCat(field, ".attributes"),
            absl::StrCat("has a key of ", key.size(), " bytes; give 1 to ", kMaxAttributeKeyBytes));
      } else if (value.size() > kMaxAttributeValueBytes) {
        violations.Add(absl::StrCat(field, ".attributes[\"", key, "\"]"),
                       absl::StrCat("has ", value.size(), " bytes; the most is ", kMaxAttributeValueBytes));
      }
    }
  }
}

}  // namespace

void CheckAssetInput(const eidetic::v1::AssetInput& asset, absl::string_view field,
                     FieldViolations& violations) {
  if (asset.image().empty() && !asset.has_embedding()) {
    violations.Add(field, "has neither image nor embedding: give at least one");
  }
  if (!asset.asset_id().empty()) {
    CheckAssetId(asset.asset_id(), absl::StrCat(field, ".asset_id"), violations);
  } else if (asset.image().empty()) {
    violations.Add(absl::StrCat(field, ".asset_id"),
                   "is empty: it can be left out only when there is an image");
  }
  if (asset.has_embedding()) CheckEmbedding(asset.embedding(), absl::StrCat(field, ".embedding"), violations);
  if (asset.captions_size() > kMaxCaptionsOfAsset) {
    violations.Add(absl::StrCat(field, ".captions"),
                   absl::StrCat("has ", asset.captions_size(), " texts; the most is ", kMaxCaptionsOfAsset));
  } else {
    for (int i = 0; i < asset.captions_size(); ++i) {
      CheckText(asset.captions(i), absl::StrCat(field, ".captions[", i, "]"), kMaxCaptionBytes, violations);
    }
  }
  CheckAttributes(asset.attributes(), field, violations);
}

void CheckPortableAsset(const eidetic::v1::PortableAsset& asset, absl::string_view field,
                        FieldViolations& violations) {
  CheckAssetId(asset.asset_id(), absl::StrCat(field, ".asset_id"), violations);
  if (asset.has_embedding()) CheckEmbedding(asset.embedding(), absl::StrCat(field, ".embedding"), violations);
  if (asset.captions_size() > kMaxCaptionsOfPortableAsset) {
    violations.Add(
        absl::StrCat(field, ".captions"),
        absl::StrCat("has ", asset.captions_size(), " texts; the most is ", kMaxCaptionsOfPortableAsset));
  } else {
    for (int i = 0; i < asset.captions_size(); ++i) {
      const std::string name = absl::StrCat(field, ".captions[", i, "]");
      CheckText(asset.captions(i).text(), absl::StrCat(name, ".text"), kMaxCaptionBytes, violations);
      if (asset.captions(i).source() < eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE ||
          asset.captions(i).source() > eidetic::v1::CAPTION_SOURCE_CLIENT) {
        violations.Add(absl::StrCat(name, ".source"), "is not a source that an asset's text can have");
      }
    }
  }
  CheckAttributes(asset.attributes(), field, violations);
}

void CheckListAssetsRequest(const eidetic::v1::ListAssetsRequest& request, FieldViolations& violations) {
  CheckPageSize(request.page_size(), violations);
}

void CheckIndexPathsRequest(const eidetic::v1::IndexPathsRequest& request, FieldViolations& violations) {
  if (request.paths().empty()) violations.Add("paths", "is empty: give at least one folder or file");
  if (request.paths_size() > kMaxIndexRoots) {
    violations.Add("paths",
                   absl::StrCat("has ", request.paths_size(), " entries; the most is ", kMaxIndexRoots));
  } else {
    for (int i = 0; i < request.paths_size(); ++i)
      CheckPath(request.paths(i), absl::StrCat("paths[", i, "]"), violations);
  }
  if (!request.captions_path().empty()) CheckPath(request.captions_path(), "captions_path", violations);
}

void CheckFillGenerationRequest(const eidetic::v1::FillGenerationRequest& request,
                                FieldViolations& violations) {
  using eidetic::v1::FillGenerationRequest;
  if (request.target_case() == FillGenerationRequest::TARGET_NOT_SET) {
    violations.Add("target", "is not set: give model_folder, generation or rollback");
  } else if (request.target_case() == FillGenerationRequest::kModelFolder) {
    CheckPath(request.model_folder(), "model_folder", violations);
  }
  if (!request.model_variant().empty() && request.target_case() != FillGenerationRequest::kModelFolder) {
    violations.Add("model_variant", "says nothing without model_folder");
  }
  if (request.model_variant().size() > kMaxModelVariantBytes) {
    violations.Add("model_variant", absl::StrCat("is longer than ", kMaxModelVariantBytes, " bytes"));
  }
  if (request.leave_out_unreadable() && !request.switch_when_filled()) {
    violations.Add("leave_out_unreadable", "says nothing without switch_when_filled");
  }
}

void CheckAssetId(absl::string_view asset_id, absl::string_view field, FieldViolations& violations) {
  const absl::Status status = storage::ValidateAssetId(asset_id);
  if (!status.ok()) violations.Add(field, status.message());
}

}  // namespace eidetic::service
