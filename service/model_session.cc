#include "service/model_session.h"

#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "encoder/phrase_bank.h"
#include "proto/status_macros.h"

namespace eidetic::service {
namespace {

absl::StatusOr<std::unique_ptr<PhraseIndex>> LoadPhraseIndex(const std::string& folder, int dimension) {
  EIDETIC_ASSIGN_OR_RETURN(encoder::PhraseBank bank, encoder::LoadPhraseBank(folder, dimension));
  auto result = std::make_unique<PhraseIndex>();
  if (bank.phrases.empty()) return result;
  EIDETIC_ASSIGN_OR_RETURN(result->vectors, searcher::NewVectorIndex({.dimension = dimension}));
  std::vector<uint64_t> ids(bank.phrases.size());
  std::iota(ids.begin(), ids.end(), uint64_t{0});
  EIDETIC_RETURN_IF_ERROR(result->vectors->Add(ids, bank.embeddings));
  result->phrases = std::move(bank.phrases);
  return result;
}

}  // namespace

ModelSession::ModelSession(storage::Library* library, const ModelSessionOptions& options)
    : library_(library),
      options_(options),
      decode_options_{.max_file_bytes = static_cast<uint64_t>(options.limits.max_message_bytes),
                      .max_pixels = options.limits.max_pixels},
      text_cache_(static_cast<size_t>(options.limits.text_cache_entries)),
      decoding_pixels_(options.limits.max_pixels) {}

absl::StatusOr<const encoder::DualEncoder*> ModelSession::Encoder() {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, LoadEncoder());
  if (!matches_library_) EIDETIC_RETURN_IF_ERROR(CheckLibraryModel(encoder->info()));
  return encoder;
}

absl::StatusOr<const encoder::DualEncoder*> ModelSession::LoadEncoder() {
  if (const encoder::DualEncoder* encoder = encoder_) return encoder;
  absl::MutexLock lock(&load_mutex_);
  if (owned_encoder_ == nullptr) {
    if (options_.folder.empty()) {
      return absl::FailedPreconditionError("this needs a model, but none was given: name a model folder");
    }
    EIDETIC_ASSIGN_OR_RETURN(
        owned_encoder_,
        encoder::DualEncoder::Load(options_.folder, {.threads = options_.threads, .lazy = options_.lazy}));
    encoder_ = owned_encoder_.get();
  }
  return owned_encoder_.get();
}

absl::Status ModelSession::CheckLibraryModel(const encoder::ModelInfo& model) {
  const auto generation = library_->ActiveGeneration();
  // A library without vectors takes any model.
  if (absl::IsNotFound(generation.status())) return absl::OkStatus();
  EIDETIC_RETURN_IF_ERROR(generation.status());
  if (generation->model_fingerprint() != model.fingerprint) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the library ", library_->directory(), " holds vectors of model \"", generation->model_name(),
        "\" (fingerprint ", generation->model_fingerprint(), "), but model \"", model.name,
        "\" (fingerprint ", model.fingerprint, ") of folder ", options_.folder,
        " was given: vectors of two models cannot be compared; use the library's model, or index into a new "
        "library"));
  }
  matches_library_ = true;
  return absl::OkStatus();
}

absl::Status ModelSession::UseWithLibrary() {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  if (matches_library_) return absl::OkStatus();
  storage::v1::GenerationRecord generation;
  generation.set_model_name(encoder->info().name);
  generation.set_model_fingerprint(encoder->info().fingerprint);
  generation.set_dimension(static_cast<uint32_t>(encoder->dimension()));
  EIDETIC_RETURN_IF_ERROR(library_->UseModel(generation));
  return CheckLibraryModel(encoder->info());
}

absl::StatusOr<int> ModelSession::Dimension() {
  const auto generation = library_->ActiveGeneration();
  if (generation.ok()) return static_cast<int>(generation->dimension());
  if (!absl::IsNotFound(generation.status())) return generation.status();
  EIDETIC_ASSIGN_OR_RETURN(const encoder::DualEncoder* encoder, Encoder());
  return encoder->dimension();
}

absl::StatusOr<std::vector<float>> ModelSession::EmbedText(const std::string& text,
                                                           const Cancellation& cancellation) {
  // Before the cache: a cached answer must not pass a library of another model.
  EIDETIC_RETURN_IF_ERROR(Encoder().status());
  if (std::optional<std::vector<float>> cached = text_cache_.Get(text)) return *std::move(cached);
  EIDETIC_ASSIGN_OR_RETURN(encoder::Embeddings embeddings, EmbedTexts({&text, 1}, cancellation));
  text_cache_.Put(text, embeddings.values);
  return std::move(embeddings.values);
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
    EIDETIC_ASSIGN_OR_RETURN(owned_phrases_, LoadPhraseIndex(options_.folder, encoder->dimension()));
    phrases_ = owned_phrases_.get();
  }
  return owned_phrases_.get();
}

uint64_t ModelSession::loaded_phrase_count() const {
  const PhraseIndex* phrases = phrases_;
  return phrases == nullptr ? 0 : phrases->phrases.size();
}

}  // namespace eidetic::service
