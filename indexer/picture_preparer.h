// Pictures' bytes → tensors, with bounded memory: pictures of many pixels are
// decoded one at a time, whoever asks. Borrows the encoder. Any thread.
//
//   PicturePreparer preparer(encoder, {});
//   ASSIGN_OR_RETURN(encoder::PreparedPicture picture, preparer.Prepare(bytes));
#ifndef EIDETIC_INDEXER_PICTURE_PREPARER_H_
#define EIDETIC_INDEXER_PICTURE_PREPARER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "encoder/dual_encoder.h"
#include "indexer/indexer.h"

namespace eidetic::indexer {

class PicturePreparer {
 public:
  PicturePreparer(const encoder::DualEncoder* encoder, const encoder::DecodeOptions& decode)
      : encoder_(encoder), decode_(decode) {}

  // Errors: those of encoder::ReadImageInfo and DualEncoder::PreparePicture.
  absl::StatusOr<encoder::PreparedPicture> Prepare(std::span<const uint8_t> bytes);

 private:
  const encoder::DualEncoder* const encoder_;
  const encoder::DecodeOptions decode_;
  absl::Mutex large_picture_mutex_;
};

// Threads that read and decode.
int WorkerCount(const IndexerOptions& options);

// Prepared pictures that may wait for the encoder within the memory budget.
size_t PreparedCapacity(const IndexerOptions& options, const encoder::ModelInfo& model);

// One result a picture. They are encoded together; when that fails, one by one:
// the others must not suffer from the one at fault.
std::vector<absl::StatusOr<std::vector<float>>> EncodeEach(
    const encoder::DualEncoder& encoder, std::span<const encoder::PreparedPicture> pictures);

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_PICTURE_PREPARER_H_
