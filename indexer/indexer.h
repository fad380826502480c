// Folders of photos → library: scan → read → hash → decode → encode → write, as
// threads with bounded queues, so that memory stays flat whatever the folder's
// size. Only what changed is worked on: an unchanged file costs one stat and one
// look-up, a moved or copied one is recognised by its content and not encoded.
// What was committed stays when a run is stopped or killed; the next run goes on.
//
// An Indexer is used by one thread at a time; library and encoder must outlive
// it and may be shared.
//
//   Indexer indexer(library, encoder, {});
//   ASSIGN_OR_RETURN(IndexSummary summary, indexer.Run({.roots = {"/photos"}}, callbacks));
#ifndef EIDETIC_INDEXER_INDEXER_H_
#define EIDETIC_INDEXER_INDEXER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "encoder/dual_encoder.h"
#include "storage/library.h"

namespace eidetic::indexer {

struct IndexerOptions {
  // Threads that read, hash, decode and preprocess; 0: as many as cores.
  int workers = 0;
  // Pictures in one run of the image tower.
  int encode_batch = 8;
  // Assets in one synced write.
  int commit_batch = 64;
  // Bytes of file contents and tensors in flight, all queues together.
  uint64_t memory_budget_bytes = uint64_t{256} << 20;
  encoder::DecodeOptions decode;
};

struct IndexRequest {
  // Absolute paths of folders (walked to the bottom, symbolic links to files
  // followed, to folders not) and files. Files that were indexed under a root
  // and are gone are removed from the library. A root that does not exist is a
  // failure of its own and removes nothing.
  std::vector<std::string> roots;
  // Captions file (docs/captions.md); empty for none.
  std::string captions_path;
};

struct IndexFailure {
  std::string path;  // bytes as the system gave them
  absl::Status status;
};

struct IndexProgress {
  enum class Stage { kScanning, kIndexing, kCaptions };
  Stage stage = Stage::kScanning;
  uint64_t done = 0;
  uint64_t total = 0;  // known so far; 0: unknown
  double units_per_second = 0;
};

struct IndexCallbacks {
  // About ten times a second, from Run's thread.
  std::function<void(const IndexProgress&)> progress;
  // Once per bad input, from Run's thread, in no fixed order.
  std::function<void(const IndexFailure&)> failure;
  // Polled often; true stops the run cleanly.
  std::function<bool()> cancelled;
};

struct IndexSummary {
  uint64_t indexed = 0;
  uint64_t unchanged = 0;
  uint64_t moved = 0;
  uint64_t removed = 0;
  uint64_t failed = 0;
  uint64_t captions = 0;
  double seconds = 0;
  bool cancelled = false;
};

class Indexer {
 public:
  Indexer(storage::Library* library, const encoder::DualEncoder* encoder, const IndexerOptions& options);

  // An error status means the run could not go on (library failed, captions
  // file unreadable); bad inputs are failures, not errors.
  absl::StatusOr<IndexSummary> Run(const IndexRequest& request, const IndexCallbacks& callbacks);

 private:
  storage::Library* library_;
  const encoder::DualEncoder* encoder_;
  IndexerOptions options_;
};

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_INDEXER_H_
