#include "service/query_vector.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

using searcher::QueryVector;

// A sum of terms this much shorter than the terms themselves is rounding noise.
constexpr double kShortestSum = 1e-5;

absl::StatusOr<QueryVector> EmbedAsset(const std::string& asset_id, absl::string_view field,
                                       const storage::Library& library, ModelSession& model) {
  const absl::StatusOr<storage::Asset> asset = library.GetAsset(asset_id);
  if (!asset.ok()) return AddContext(asset.status(), field);
  EIDETIC_ASSIGN_OR_RETURN(const auto generation, model.Generation());
  absl::StatusOr<std::vector<float>> stored = generation->GetEmbedding(asset->record.ordinal());
  if (!stored.ok()) return AddContext(stored.status(), field);
  return QueryVector(generation->model_fingerprint(), *std::move(stored));
}

absl::StatusOr<QueryVector> EmbedImage(const std::string& image, absl::string_view field, ModelSession& model,
                                       const Cancellation& cancellation) {
  // The model's own errors are not the picture's.
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, model.Encoder());
  const absl::StatusOr<encoder::PreparedPicture> picture =
      model.PreparePicture(AsByteSpan(image), cancellation);
  if (!picture.ok()) return AsFieldError(picture.status(), field);
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  EIDETIC_ASSIGN_OR_RETURN(encoder::Embeddings embeddings, model.EmbedPictures({&*picture, 1}, cancellation));
  return QueryVector(encoder->info().fingerprint, std::move(embeddings.values));
}

}  // namespace

absl::StatusOr<QueryVector> EmbedTerm(const eidetic::v1::QueryTerm& term, absl::string_view field,
                                      const storage::Library& library, ModelSession& model,
                                      const Cancellation& cancellation) {
  using eidetic::v1::QueryTerm;
  switch (term.input_case()) {
    case QueryTerm::kText:
      return model.EmbedText(term.text(), cancellation);
    case QueryTerm::kImage:
      return EmbedImage(term.image(), absl::StrCat(field, ".image"), model, cancellation);
    case QueryTerm::kAssetId:
      return EmbedAsset(term.asset_id(), absl::StrCat(field, ".asset_id"), library, model);
    case QueryTerm::kEmbedding:
      return model.ClientVector(term.embedding(), absl::StrCat(field, ".embedding"));
    case QueryTerm::INPUT_NOT_SET:
      break;
  }
  return InvalidField(field, "has no input: set text, image, asset_id or embedding");
}

absl::StatusOr<QueryVector> EmbedQuery(
    const google::protobuf::RepeatedPtrField<eidetic::v1::QueryTerm>& terms, const storage::Library& library,
    ModelSession& model, const Cancellation& cancellation) {
  std::string fingerprint;
  std::vector<double> sum;
  double total_weight = 0;
  for (int i = 0; i < terms.size(); ++i) {
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    EIDETIC_ASSIGN_OR_RETURN(const QueryVector term, EmbedTerm(terms[i], absl::StrCat("terms[", i, "]"),
                                                               library, model, cancellation));
    // All are of the session's one model.
    fingerprint = term.model_fingerprint();
    const std::span<const float> unit = term.values();
    sum.resize(unit.size());
    const double weight = terms[i].weight() == 0 ? 1.0 : static_cast<double>(terms[i].weight());
    total_weight += std::abs(weight);
    for (size_t d = 0; d < unit.size(); ++d) sum[d] += weight * static_cast<double>(unit[d]);
  }
  double squares = 0;
  for (const double value : sum) squares += (value / total_weight) * (value / total_weight);
  const double length = std::sqrt(squares);
  if (!(length > kShortestSum)) {
    return InvalidField("terms", "cancel each other out: nothing is left to search for; change a weight");
  }
  std::vector<float> query(sum.size());
  std::transform(sum.begin(), sum.end(), query.begin(),
                 [&](double value) { return static_cast<float>(value / total_weight / length); });
  return QueryVector(std::move(fingerprint), std::move(query));
}

}  // namespace eidetic::service
