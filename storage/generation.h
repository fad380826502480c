// Generations: the vectors of one model each, side by side in one library
// (docs/storage.md). One is active, searches use it; others are being filled or
// are kept for a way back.
//
// A Generation reads the vectors of one of them and of no other, also after
// another became active, and even after it was dropped. Made by
// Library::OpenGeneration; must not outlive its Library. Any thread.
//
//   ASSIGN_OR_RETURN(auto generation, library->OpenGeneration(number));
//   auto missing = generation->NewView()->ListMissing(std::nullopt, 64);
//   … encode them with the generation's model …
//   library->PutGenerationVectors(number, fingerprint, vectors);
//   library->SwitchGeneration(number, {});
#ifndef EIDETIC_STORAGE_GENERATION_H_
#define EIDETIC_STORAGE_GENERATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eidetic/storage/v1/records.pb.h"
#include "storage/library.h"

namespace eidetic::storage {

class Generation {
 public:
  virtual ~Generation() = default;

  uint64_t number() const { return record_.number(); }
  const std::string& model_fingerprint() const { return record_.model_fingerprint(); }
  size_t dimension() const { return record_.dimension(); }
  // As it was when this was opened; the state may have changed since.
  const eidetic::storage::v1::GenerationRecord& record() const { return record_; }

  // kNotFound: the asset is gone, has no vector here yet, or was left out.
  virtual absl::StatusOr<std::vector<float>> GetEmbedding(Ordinal ordinal) const = 0;
  virtual absl::StatusOr<std::vector<std::pair<CaptionId, std::vector<float>>>> GetCaptionEmbeddings(
      Ordinal ordinal) const = 0;
  virtual std::unique_ptr<ReadView> NewView() const = 0;

 protected:
  explicit Generation(eidetic::storage::v1::GenerationRecord record) : record_(std::move(record)) {}

 private:
  const eidetic::storage::v1::GenerationRecord record_;
};

// How far a generation is.
struct GenerationStatus {
  eidetic::storage::v1::GenerationRecord record;
  // Vectors that are there.
  uint64_t embeddings = 0;
  uint64_t caption_embeddings = 0;
  // Assets and captions without one. In the active generation: assets left out.
  uint64_t missing_embeddings = 0;
  uint64_t missing_caption_embeddings = 0;

  bool complete() const { return missing_embeddings == 0 && missing_caption_embeddings == 0; }
};

struct CaptionVector {
  CaptionId id = 0;
  // What was embedded: must be what is stored there still.
  std::string text;
  std::vector<float> embedding;
};

// Vectors made of an asset by the model of a generation.
struct GenerationVectors {
  std::string asset_id;
  // AssetRecord.embedding_version of the asset that was embedded.
  uint64_t embedding_version = 0;
  // Unit length; empty: only captions.
  std::vector<float> embedding;
  std::vector<CaptionVector> captions;
};

struct SwitchOptions {
  // Assets without a vector in the new generation stay in the library but are not
  // found by searches, until a vector of theirs is put.
  bool leave_out_missing = false;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_GENERATION_H_
