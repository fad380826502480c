#include "service/query_vector.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

// A sum of terms this much shorter than the terms themselves is rounding noise.
constexpr double kShortestSum = 1e-5;

absl::StatusOr<std::vector<float>> EmbedAsset(const std::string& asset_id, absl::string_view field,
                                              const storage::Library& library) {
  const absl::StatusOr<storage::Asset> asset = library.GetAsset(asset_id);
  if (!asset.ok()) return AddContext(asset.status(), field);
  return library.GetEmbedding(asset->record.ordinal());
}

absl::StatusOr<std::vector<float>> EmbedImage(const std::string& image, absl::string_view field,
                                              ModelSession& model, const Cancellation& cancellation) {
  // The model's own errors are not the picture's.
  EIDETIC_RETURN_IF_ERROR(model.Encoder().status());
  const absl::StatusOr<encoder::PreparedPicture> picture =
      model.PreparePicture(AsByteSpan(image), cancellation);
  if (!picture.ok()) return AsFieldError(picture.status(), field);
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  EIDETIC_ASSIGN_OR_RETURN(encoder::Embeddings embeddings, model.EmbedPictures({&*picture, 1}, cancellation));
  return std::move(embeddings.values);
}

}  // namespace

absl::StatusOr<std::vector<float>> UnitVector(const eidetic::v1::Embedding& embedding, int dimension,
                                              absl::string_view field) {
  if (embedding.values_size() != dimension) {
    return InvalidField(absl::StrCat(field, ".values"),
                        absl::StrCat("has ", embedding.values_size(), " values; the model has ", dimension));
  }
  // In double precision and scaled first: squares of large floats overflow.
  double largest = 0;
  for (const float value : embedding.values())
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  std::vector<float> result;
  result.reserve(static_cast<size_t>(dimension));
  for (const float value : embedding.values()) result.push_back(static_cast<float>(value / largest));
  const absl::Status normalized = encoder::NormalizeEmbedding(result);
  if (!normalized.ok()) return AsFieldError(normalized, absl::StrCat(field, ".values"));
  return result;
}

absl::StatusOr<std::vector<float>> EmbedTerm(const eidetic::v1::QueryTerm& term, absl::string_view field,
                                             const storage::Library& library, ModelSession& model,
                                             const Cancellation& cancellation) {
  using eidetic::v1::QueryTerm;
  switch (term.input_case()) {
    case QueryTerm::kText:
      return model.EmbedText(term.text(), cancellation);
    case QueryTerm::kImage:
      return EmbedImage(term.image(), absl::StrCat(field, ".image"), model, cancellation);
    case QueryTerm::kAssetId:
      return EmbedAsset(term.asset_id(), absl::StrCat(field, ".asset_id"), library);
    case QueryTerm::kEmbedding: {
      EIDETIC_ASSIGN_OR_RETURN(const int dimension, model.Dimension());
      return UnitVector(term.embedding(), dimension, absl::StrCat(field, ".embedding"));
    }
    case QueryTerm::INPUT_NOT_SET:
      break;
  }
  return InvalidField(field, "has no input: set text, image, asset_id or embedding");
}

absl::StatusOr<std::vector<float>> EmbedQuery(
    const google::protobuf::RepeatedPtrField<eidetic::v1::QueryTerm>& terms, const storage::Library& library,
    ModelSession& model, const Cancellation& cancellation) {
  std::vector<double> sum;
  double total_weight = 0;
  for (int i = 0; i < terms.size(); ++i) {
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    EIDETIC_ASSIGN_OR_RETURN(
        const std::vector<float> unit,
        EmbedTerm(terms[i], absl::StrCat("terms[", i, "]"), library, model, cancellation));
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
  return query;
}

}  // namespace eidetic::service
