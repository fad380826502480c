// The model of one generation of a library: loaded when the first call needs it,
// then shared. Refuses to be another model than the generation's, keeps recent
// text embeddings, and lets each tower run once at a time (a tower uses all the cores
// it was given, so that more clients would only get in each other's way).
// Borrows the library. Any thread.
//
//   ModelSession model(library, generation, {.folder = "models/default"});
//   EIDETIC_ASSIGN_OR_RETURN(searcher::QueryVector dog, model.EmbedText("a dog", cancellation));
#ifndef EIDETIC_SERVICE_MODEL_SESSION_H_
#define EIDETIC_SERVICE_MODEL_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eidetic/v1/asset.pb.h"
#include "encoder/dual_encoder.h"
#include "searcher/query_vector.h"
#include "searcher/vector_index.h"
#include "service/cancellation.h"
#include "service/service_limits.h"
#include "service/text_embedding_cache.h"
#include "service/weighted_semaphore.h"
#include "storage/generation.h"
#include "storage/library.h"

namespace eidetic::service {

struct ModelSessionOptions {
  std::string folder;
  // `folder` was not asked for by name: the one that the library remembers for its
  // model comes first.
  bool prefer_remembered_folder = false;
  // Of `folder`; empty: the generation's, or else the best that fits the memory.
  std::string variant;
  // Threads of one tower; 0: as many as cores.
  int threads = 0;
  // Make the image tower's session only when a picture comes.
  bool lazy = false;
  ServiceLimits limits;
};

// The phrases that ship with the model, ready to be searched.
struct PhraseIndex {
  std::string model_fingerprint;
  std::vector<std::string> phrases;
  // Ids are positions in `phrases`; null when there are none.
  std::unique_ptr<searcher::VectorIndex> vectors;
};

// What a library notes of a model.
storage::v1::GenerationRecord MakeGenerationRecord(const encoder::ModelInfo& model);

class ModelSession {
 public:
  // `generation` may be null: the library's first one, as soon as it has one.
  ModelSession(storage::Library* library, std::shared_ptr<const storage::Generation> generation,
               const ModelSessionOptions& options);
  // Of an encoder that is loaded already and known to be the generation's.
  ModelSession(storage::Library* library, std::shared_ptr<const storage::Generation> generation,
               const ModelSessionOptions& options, std::unique_ptr<encoder::DualEncoder> encoder);

  // kNotFound while the library has no model.
  absl::StatusOr<std::shared_ptr<const storage::Generation>> Generation();

  // The encoder, loaded if need be. Errors: DualEncoder::Load's;
  // kFailedPrecondition when the generation is of another model, or no model
  // folder was given.
  absl::StatusOr<const encoder::DualEncoder*> Encoder();

  // Makes this the library's model when it has none. Call before writing.
  absl::Status UseWithLibrary();

  // A vector that a client made, as a unit vector of this model. kInvalidArgument
  // naming `field`: it says it is of another model, or says nothing though the
  // library has moved from one model to another; it has another dimension, is all
  // zero or not finite.
  absl::StatusOr<searcher::QueryVector> ClientVector(const eidetic::v1::Embedding& embedding,
                                                     absl::string_view field);

  absl::StatusOr<searcher::QueryVector> EmbedText(const std::string& text, const Cancellation& cancellation);
  absl::StatusOr<encoder::Embeddings> EmbedTexts(std::span<const std::string> texts,
                                                 const Cancellation& cancellation);

  // Header only; for pictures that come with their own vector.
  absl::StatusOr<encoder::ImageInfo> ReadPictureInfo(std::span<const uint8_t> bytes) const;
  absl::StatusOr<encoder::PreparedPicture> PreparePicture(std::span<const uint8_t> bytes,
                                                          const Cancellation& cancellation);
  absl::StatusOr<encoder::Embeddings> EmbedPictures(std::span<const encoder::PreparedPicture> pictures,
                                                    const Cancellation& cancellation);

  // Loaded and indexed at the first call.
  absl::StatusOr<const PhraseIndex*> Phrases();
  // 0 before the first call of Phrases.
  uint64_t loaded_phrase_count() const;
  TextEmbeddingCache::Requests text_cache_requests() const { return text_cache_.requests(); }

 private:
  absl::StatusOr<const encoder::DualEncoder*> LoadEncoder();
  absl::Status CheckModel(const encoder::ModelInfo& model);
  std::string Folder() const;
  encoder::DualEncoderOptions EncoderOptions() const;

  storage::Library* const library_;
  const ModelSessionOptions options_;
  const encoder::DecodeOptions decode_options_;

  mutable absl::Mutex generation_mutex_;
  // Set once.
  std::shared_ptr<const storage::Generation> generation_ ABSL_GUARDED_BY(generation_mutex_);

  absl::Mutex load_mutex_;
  std::unique_ptr<encoder::DualEncoder> owned_encoder_ ABSL_GUARDED_BY(load_mutex_);
  std::unique_ptr<PhraseIndex> owned_phrases_ ABSL_GUARDED_BY(load_mutex_);
  // Set once, when whole; read without the mutex.
  std::atomic<const encoder::DualEncoder*> encoder_ = nullptr;
  std::atomic<const PhraseIndex*> phrases_ = nullptr;
  // The generation is known to be this model's; it stays so.
  std::atomic<bool> matches_generation_ = false;

  TextEmbeddingCache text_cache_;
  WeightedSemaphore text_tower_{1};
  WeightedSemaphore image_tower_{1};
  WeightedSemaphore decoding_pixels_;
};

// Bytes of a protobuf field as the encoder takes them.
inline std::span<const uint8_t> AsByteSpan(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_MODEL_SESSION_H_
