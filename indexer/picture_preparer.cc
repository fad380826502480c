#include "indexer/picture_preparer.h"

#include <algorithm>

#include "proto/status_macros.h"

namespace eidetic::indexer {
namespace {

// Decoded pictures from this size on are decoded one at a time.
constexpr uint64_t kLargePictureBytes = uint64_t{64} << 20;

}  // namespace

absl::StatusOr<encoder::PreparedPicture> PicturePreparer::Prepare(std::span<const uint8_t> bytes) {
  EIDETIC_ASSIGN_OR_RETURN(const encoder::ImageInfo info, encoder::ReadImageInfo(bytes, decode_));
  const uint64_t size = uint64_t{3} * static_cast<uint64_t>(info.width) * static_cast<uint64_t>(info.height);
  if (size < kLargePictureBytes) return encoder_->PreparePicture(bytes, decode_);
  const absl::MutexLock lock(&large_picture_mutex_);
  return encoder_->PreparePicture(bytes, decode_);
}

size_t PreparedCapacity(const IndexerOptions& options, const encoder::ModelInfo& model) {
  const uint64_t tensor = uint64_t{3} * sizeof(float) * static_cast<uint64_t>(model.image_width) *
                          static_cast<uint64_t>(model.image_height);
  const uint64_t fits = options.memory_budget_bytes / 2 / std::max<uint64_t>(tensor, 1);
  return static_cast<size_t>(
      std::clamp<uint64_t>(fits, 2, uint64_t{4} * static_cast<uint64_t>(options.encode_batch)));
}

}  // namespace eidetic::indexer
