// A picture's bytes → what a library keeps of it: size, media type, dates,
// camera, place, tags, and the descriptions found in EXIF, XMP and IPTC (read
// with exiv2). Stateless; any thread.
#ifndef EIDETIC_INDEXER_ASSET_FACTS_H_
#define EIDETIC_INDEXER_ASSET_FACTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eidetic/storage/v1/records.pb.h"
#include "eidetic/v1/asset.pb.h"
#include "encoder/image_decoder.h"

namespace eidetic::indexer {

struct AssetFacts {
  // width, height, media_type, size_bytes, taken_time_micros and metadata set.
  eidetic::storage::v1::AssetRecord record;
  // Descriptions in the file, at most one a source, trimmed, not empty.
  std::vector<std::pair<eidetic::v1::CaptionSource, std::string>> captions;
};

// Never fails for odd metadata: what cannot be read is left out.
AssetFacts ReadAssetFacts(std::span<const uint8_t> bytes, const encoder::ImageInfo& info);

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_ASSET_FACTS_H_
