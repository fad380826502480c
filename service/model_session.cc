#include "service/model_session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "encoder/phrase_bank.h"
#include "proto/status_macros.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

absl::StatusOr<std::unique_ptr<PhraseIndex>> LoadPhraseIndex(const encoder::ModelInfo& model) {
  EIDETIC_ASSIGN_OR_RETURN(encoder::PhraseBank bank, encoder::LoadPhraseBank(model.folder, model.dimension));
  auto result = std::make_unique<PhraseIndex>();
  result->model_fingerprint = model.fingerprint;
  if (bank.phrases.empty()) return result;
  EIDETIC_ASSIGN_OR_RETURN(result->vectors, searcher::NewVectorIndex({.dimension = model.dimension}));
  std::vector<uint64_t> ids(bank.phrases.size());
  std::iota(ids.begin(), ids.end(), uint64_t{0});
  EIDETIC_RETURN_IF_ERROR(result->vectors->Add(ids, bank.embeddings));
  result->phrases = std::move(bank.phrases);
  return result;
}

// `embedding` as a unit vector; kInvalidArgument naming `field`.
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

}  // namespace

storage::v1::GenerationRecord MakeGenerationRecord(const encoder::ModelInfo& model) {
  storage::v1::GenerationRecord record;
  record.set_model_name(model.name);
  record.set_model_fingerprint(model.fingerprint);
  record.set_dimension(static_cast<uint32_t>(model.dimension));
  record.set_model_folder(model.folder);
  return record;
}

ModelSession::ModelSession(storage::Library* library, std::shared_ptr<const storage::Generation> generation,
                           const ModelSessionOptions& options)
    : library_(library),
      options_(options),
      decode_options_{.max_file_bytes = static_cast<uint64_t>(options.limits.max_message_bytes),
                      .max_pixels = options.limits.max_pixels},
      generation_(std::move(generation)),
      text_cache_(static_cast<size_t>(options.limits.text_cache_entries)),
      decoding_pixels_(options.limits.max_pixels) {}

ModelSession::ModelSession(storage::Library* library, std::shared_ptr<const storage::Generation> generation,
                           const ModelSessionOptions& options, std::unique_ptr<encoder::DualEncoder> encoder)
    : ModelSession(library, std::move(generation), options) {
  const absl::MutexLock lock(&load_mutex_);
  owned_encoder_ = std::move(encoder);
  encoder_ = owned_encoder_.get();
}

absl::StatusOr<std::shared_ptr<const storage::Generation>> ModelSession::Generation() {
  const absl::MutexLock lock(&generation_mutex_);
  if (generation_ == nullptr) {
    EIDETIC_ASSIGN_OR_RETURN(generation_, library_->OpenGeneration(0));
  }
  return generation_;
}

absl::StatusOr<const encoder::DualEncoder*> ModelSession::Encoder() {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, LoadEncoder());
  if (!matches_generation_) EIDETIC_RETURN_IF_ERROR(CheckModel(encoder->info()));
  return encoder;
}

// The remembered folder is only a hint: it may be gone.
std::string ModelSession::Folder() const {
  if (!options_.prefer_remembered_folder) return options_.folder;
  const absl::MutexLock lock(&generation_mutex_);
  if (generation_ == nullptr) return options_.folder;
  const std::string& remembered = generation_->record().model_folder();
  std::error_code error;
  return std::filesystem::is_directory(remembered, error) ? remembered : options_.folder;
}

// The folder may hold the model in several precisions: the generation's is wanted.
encoder::DualEncoderOptions ModelSession::EncoderOptions() const {
  encoder::DualEncoderOptions wanted{.threads = options_.threads, .lazy = options_.lazy};
  const absl::MutexLock lock(&generation_mutex_);
  if (generation_ != nullptr) wanted.fingerprint = generation_->model_fingerprint();
  if (generation_ == nullptr || !options_.prefer_remembered_folder) wanted.variant = options_.variant;
  return wanted;
}

absl::StatusOr<const encoder::DualEncoder*> ModelSession::LoadEncoder() {
  if (const encoder::DualEncoder* encoder = encoder_) return encoder;
  absl::MutexLock lock(&load_mutex_);
  if (owned_encoder_ == nullptr) {
    const std::string folder = Folder();
    if (folder.empty()) {
      return absl::FailedPreconditionError("this needs a model, but none was given: name a model folder");
    }
    EIDETIC_ASSIGN_OR_RETURN(owned_encoder_, encoder::DualEncoder::Load(folder, EncoderOptions()));
    encoder_ = owned_encoder_.get();
  }
  return owned_encoder_.get();
}

absl::Status ModelSession::CheckModel(const encoder::ModelInfo& model) {
  const auto generation = Generation();
  // A library without vectors takes any model.
  if (absl::IsNotFound(generation.status())) return absl::OkStatus();
  EIDETIC_RETURN_IF_ERROR(generation.status());
  if ((*generation)->model_fingerprint() != model.fingerprint) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the library ", library_->directory(), " holds vectors of model \"",
        (*generation)->record().model_name(), "\" (fingerprint ", (*generation)->model_fingerprint(),
        "), but model \"", model.name, "\" (fingerprint ", model.fingerprint, ") of folder ", model.folder,
        " was given: vectors of two models cannot be compared; use the library's model, or move the library "
        "to the other one with: eidetic index --model MODEL"));
  }
  matches_generation_ = true;
  return absl::OkStatus();
}

absl::Status ModelSession::UseWithLibrary() {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  EIDETIC_RETURN_IF_ERROR(library_->UseModel(MakeGenerationRecord(encoder->info())));
  return CheckModel(encoder->info());
}

absl::StatusOr<searcher::QueryVector> ModelSession::ClientVector(const eidetic::v1::Embedding& embedding,
                                                                 absl::string_view field) {
  std::string fingerprint;
  int dimension = 0;
  const auto generation = Generation();
  if (generation.ok()) {
    fingerprint = (*generation)->model_fingerprint();
    dimension = static_cast<int>((*generation)->dimension());
  } else if (absl::IsNotFound(generation.status())) {
    EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
    fingerprint = encoder->info().fingerprint;
    dimension = encoder->dimension();
  } else {
    return generation.status();
  }
  const std::string fingerprint_field = absl::StrCat(field, ".model_fingerprint");
  if (embedding.model_fingerprint().empty()) {
    // Who never heard of the first model's end may still send its vectors.
    if (generation.ok() && (*generation)->number() > 1) {
      return InvalidField(
          fingerprint_field,
          absl::StrCat("is empty: the library has had several models, so say that the vector is of ",
                       fingerprint, " if it is"));
    }
  } else if (embedding.model_fingerprint() != fingerprint) {
    return InvalidField(fingerprint_field,
                        absl::StrCat("is \"", embedding.model_fingerprint(), "\", the library's model is ",
                                     fingerprint, ": vectors of two models cannot be compared"));
  }
  EIDETIC_ASSIGN_OR_RETURN(std::vector<float> values, UnitVector(embedding, dimension, field));
  return searcher::QueryVector(std::move(fingerprint), std::move(values));
}

absl::StatusOr<searcher::QueryVector> ModelSession::EmbedText(const std::string& text,
                                                              const Cancellation& cancellation) {
  // Before the cache: a cached answer must not pass a library of another model.
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  const std::string& fingerprint = encoder->info().fingerprint;
  if (std::optional<std::vector<float>> cached = text_cache_.Get(text)) {
    return searcher::QueryVector(fingerprint, *std::move(cached));
  }
  EIDETIC_ASSIGN_OR_RETURN(encoder::Embeddings embeddings, EmbedTexts({&text, 1}, cancellation));
  text_cache_.Put(text, embeddings.values);
  return searcher::QueryVector(fingerprint, std::move(embeddings.values));
}

absl::StatusOr<encoder::Embeddings> ModelSession::EmbedTexts(std::span<const std::string> texts,
                                                             const Cancellation& cancellation) {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  EIDETIC_ASSIGN_OR_RETURN(const auto permit, text_tower_.Acquire(1, cancellation));
  return encoder->EncodeTexts(texts);
}

absl::StatusOr<encoder::ImageInfo> ModelSession::ReadPictureInfo(std::span<const uint8_t> bytes) const {
  return encoder::ReadImageInfo(bytes, decode_options_);
}

absl::StatusOr<encoder::PreparedPicture> ModelSession::PreparePicture(std::span<const uint8_t> bytes,
                                                                      const Cancellation& cancellation) {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  EIDETIC_ASSIGN_OR_RETURN(const encoder::ImageInfo info, ReadPictureInfo(bytes));
  const uint64_t pixels = static_cast<uint64_t>(info.width) * static_cast<uint64_t>(info.height);
  EIDETIC_ASSIGN_OR_RETURN(const auto permit, decoding_pixels_.Acquire(pixels, cancellation));
  return encoder->PreparePicture(bytes, decode_options_);
}

absl::StatusOr<encoder::Embeddings> ModelSession::EmbedPictures(
    std::span<const encoder::PreparedPicture> pictures, const Cancellation& cancellation) {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  EIDETIC_ASSIGN_OR_RETURN(const auto permit, image_tower_.Acquire(1, cancellation));
  return encoder->EncodePictures(pictures);
}

absl::StatusOr<const PhraseIndex*> ModelSession::Phrases() {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  if (const PhraseIndex* phrases = phrases_) return phrases;
  absl::MutexLock lock(&load_mutex_);
  if (owned_phrases_ == nullptr) {
    EIDETIC_ASSIGN_OR_RETURN(owned_phrases_, LoadPhraseIndex(encoder->info()));
    phrases_ = owned_phrases_.get();
  }
  return owned_phrases_.get();
}

uint64_t ModelSession::loaded_phrase_count() const {
  const PhraseIndex* phrases = phrases_;
  return phrases == nullptr ? 0 : phrases->phrases.size();
}

}  // namespace eidetic::service
