#include "encoder/model_check.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/file_contents.h"
#include "encoder/json_reader.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr uint64_t kMostReferenceBytes = uint64_t{64} << 20;
constexpr size_t kMostReferences = 10'000;

struct Reference {
  std::string name;
  std::vector<float> embedding;
};

double CosineDistance(std::span<const float> a, std::span<const float> b) {
  double dot = 0;
  double a_squares = 0;
  double b_squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    a_squares += static_cast<double>(a[i]) * a[i];
    b_squares += static_cast<double>(b[i]) * b[i];
  }
  return std::max(0.0, 1 - dot / std::sqrt(a_squares * b_squares));
}

// [{"<name_key>": "…", "embedding": [numbers]}, …]
absl::StatusOr<std::vector<Reference>> ReadReferences(const std::string& path, const char* name_key,
                                                      int dimension) {
  absl::StatusOr<std::string> text = ReadFileContents(path, kMostReferenceBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat("no reference vectors to check against: ", path, " is missing"));
  }
  EIDETIC_RETURN_IF_ERROR(text.status());
  EIDETIC_ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(*text, path));
  if (!document.is_array() || document.empty() || document.size() > kMostReferences) {
    return JsonReader(document, path)
        .Error(absl::StrCat("must be an array of 1 to ", kMostReferences, " references"));
  }
  std::vector<Reference> references;
  for (size_t i = 0; i < document.size(); ++i) {
    const JsonReader entry(document[i], absl::StrCat(path, ": ", i));
    Reference reference;
    EIDETIC_ASSIGN_OR_RETURN(reference.name, entry.String(name_key));
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader embedding, entry.Array("embedding"));
    for (const nlohmann::json& value : embedding.value()) {
      if (!value.is_number()) return embedding.Error("must hold numbers");
      reference.embedding.push_back(value.get<float>());
    }
    if (reference.embedding.size() != static_cast<size_t>(dimension)) {
      return embedding.Error(
          absl::StrCat("has ", reference.embedding.size(), " values; the model gives ", dimension));
    }
    const absl::Status unit = NormalizeEmbedding(reference.embedding);
    if (!unit.ok()) return embedding.Error(unit.message());
    references.push_back(std::move(reference));
  }
  return references;
}

// A file of the reference folder itself, not one elsewhere.
absl::StatusOr<PreparedPicture> ReadReferencePicture(const DualEncoder& encoder, const std::string& folder,
                                                     const std::string& name) {
  const std::filesystem::path relative = std::filesystem::path(name).lexically_normal();
  if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, "/images.json: \"", name, "\" is not inside the reference folder"));
  }
  const DecodeOptions options;
  const std::string path = absl::StrCat(folder, "/", name);
  EIDETIC_ASSIGN_OR_RETURN(const std::string bytes, ReadFileContents(path, options.max_file_bytes));
  absl::StatusOr<PreparedPicture> picture = encoder.PreparePicture(
      std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), options);
  if (!picture.ok()) return AddContext(picture.status(), path);
  return picture;
}

// Compares each input's embedding alone with its reference, and with the same
// input's among its batch-mates.
template <typename Input, typename Encode>
absl::Status Compare(const std::vector<Input>& inputs, const std::vector<Reference>& references,
                     const Encode& encode, std::vector<ModelCheckReport::Item>& items, double& max_distance,
                     double& max_batch_distance) {
  EIDETIC_ASSIGN_OR_RETURN(const Embeddings together, encode(std::span<const Input>(inputs)));
  for (size_t i = 0; i < inputs.size(); ++i) {
    EIDETIC_ASSIGN_OR_RETURN(const Embeddings alone, encode(std::span<const Input>(inputs).subspan(i, 1)));
    const double distance = CosineDistance(alone.row(0), references[i].embedding);
    items.push_back({.name = references[i].name, .cosine_distance = distance});
    max_distance = std::max(max_distance, distance);
    max_batch_distance = std::max(max_batch_distance, CosineDistance(alone.row(0), together.row(i)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelCheckReport> CheckModel(const DualEncoder& encoder) {
  const std::string folder = absl::StrCat(encoder.info().folder, "/reference");
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<Reference> texts,
                           ReadReferences(absl::StrCat(folder, "/texts.json"), "text", encoder.dimension()));
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<Reference> images,
                           ReadReferences(absl::StrCat(folder, "/images.json"), "file", encoder.dimension()));
  ModelCheckReport report;
  std::vector<std::string> strings;
  for (const Reference& text : texts) strings.push_back(text.name);
  EIDETIC_RETURN_IF_ERROR(Compare(
      strings, texts, [&](std::span<const std::string> some) { return encoder.EncodeTexts(some); },
      report.texts, report.max_text_distance, report.max_batch_distance));

  std::vector<PreparedPicture> pictures;
  for (const Reference& image : images) {
    EIDETIC_ASSIGN_OR_RETURN(PreparedPicture picture, ReadReferencePicture(encoder, folder, image.name));
    pictures.push_back(std::move(picture));
  }
  EIDETIC_RETURN_IF_ERROR(Compare(
      pictures, images, [&](std::span<const PreparedPicture> some) { return encoder.EncodePictures(some); },
      report.images, report.max_image_distance, report.max_batch_distance));

  report.passed = report.max_text_distance <= report.allowed_distance &&
                  report.max_image_distance <= report.allowed_distance &&
                  report.max_batch_distance <= report.allowed_batch_distance;
  return report;
}

}  // namespace eidetic::encoder
