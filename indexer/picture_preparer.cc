#include "indexer/picture_preparer.h"

#include <algorithm>
#include <thread>

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

int WorkerCount(const IndexerOptions& options) {
  return options.workers > 0 ? options.workers
                             : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

size_t PreparedCapacity(const IndexerOptions& options, const encoder::ModelInfo& model) {
  const uint64_t tensor = uint64_t{3} * sizeof(float) * static_cast<uint64_t>(model.image_width) *
                          static_cast<uint64_t>(model.image_height);
  const uint64_t fits = options.memory_budget_bytes / 2 / std::max<uint64_t>(tensor, 1);
  return static_cast<size_t>(
      std::clamp<uint64_t>(fits, 2, uint64_t{4} * static_cast<uint64_t>(options.encode_batch)));
}

std::vector<absl::StatusOr<std::vector<float>>> EncodeEach(
    const encoder::DualEncoder& encoder, std::span<const encoder::PreparedPicture> pictures) {
  std::vector<absl::StatusOr<std::vector<float>>> embeddings;
  if (pictures.empty()) return embeddings;
  embeddings.reserve(pictures.size());
  const absl::StatusOr<encoder::Embeddings> together = encoder.EncodePictures(pictures);
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (together.ok()) {
      embeddings.emplace_back(std::vector<float>(together->row(i).begin(), together->row(i).end()));
      continue;
    }
    const absl::StatusOr<encoder::Embeddings> alone = encoder.EncodePictures(pictures.subspan(i, 1));
    if (alone.ok()) {
      embeddings.emplace_back(std::vector<float>(alone->row(0).begin(), alone->row(0).end()));
    } else {
      embeddings.emplace_back(alone.status());
    }
  }
  return embeddings;
}

}  // namespace eidetic::indexer
