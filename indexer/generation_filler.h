// Makes the vectors that a generation lacks: reads each photo's file again, which
// must still be the content that was indexed, and each caption's text, encodes
// them with the generation's model and stores them. What is stored stays when a
// run is stopped or killed; the next one goes on with what is missing then. What
// changes meanwhile is done too, but a run does not wait for a writer that never
// pauses.
//
// Used by one thread at a time; library and encoder must outlive it and may be
// shared.
//
//   GenerationFiller filler(library, generation, encoder, {});
//   ASSIGN_OR_RETURN(FillSummary summary, filler.Run(callbacks));
#ifndef EIDETIC_INDEXER_GENERATION_FILLER_H_
#define EIDETIC_INDEXER_GENERATION_FILLER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "encoder/dual_encoder.h"
#include "indexer/indexer.h"
#include "storage/generation.h"
#include "storage/library.h"

namespace eidetic::indexer {

// An asset whose vector cannot be made. kFailedPrecondition: none of its files
// has its content any more, or it never had one; kNotFound and the like: reading
// failed; others: the picture cannot be decoded.
struct FillFailure {
  std::string asset_id;
  std::string path;  // bytes as the system gave them; empty when it has no file
  absl::Status status;
};

struct FillProgress {
  uint64_t done = 0;   // assets
  uint64_t total = 0;  // known so far
  double assets_per_second = 0;
};

struct FillCallbacks {
  // About twenty times a second, from Run's thread.
  std::function<void(const FillProgress&)> progress;
  // Once per asset, from Run's thread, in no fixed order.
  std::function<void(const FillFailure&)> failure;
  // Polled often; true stops the run cleanly.
  std::function<bool()> cancelled;
};

struct FillSummary {
  uint64_t embedded = 0;
  uint64_t captions = 0;
  uint64_t failed = 0;
  double seconds = 0;
  bool cancelled = false;
};

class GenerationFiller {
 public:
  // `encoder` is the generation's model: vectors of another one are refused.
  GenerationFiller(storage::Library* library, std::shared_ptr<const storage::Generation> generation,
                   const encoder::DualEncoder* encoder, const IndexerOptions& options);

  // An error means the run could not go on (library failed, generation dropped);
  // assets that cannot be encoded are failures, told once by each filler.
  absl::StatusOr<FillSummary> Run(const FillCallbacks& callbacks);

 private:
  storage::Library* const library_;
  const std::shared_ptr<const storage::Generation> generation_;
  const encoder::DualEncoder* const encoder_;
  const IndexerOptions options_;
  // Assets that could not be encoded, by the version of them that was tried.
  absl::flat_hash_map<storage::Ordinal, uint64_t> failed_;
};

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_GENERATION_FILLER_H_
