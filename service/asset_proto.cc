#include "service/asset_proto.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proto/status_macros.h"

namespace eidetic::service {

absl::StatusOr<eidetic::v1::Asset> MakeAssetProto(const storage::Asset& asset,
                                                  const storage::Library& library) {
  const storage::v1::AssetRecord& record = asset.record;
  eidetic::v1::Asset result;
  result.set_asset_id(asset.asset_id);
  for (const std::string& path : record.paths()) result.add_paths(storage::DisplayPath(path));
  std::sort(result.mutable_paths()->begin(), result.mutable_paths()->end());
  result.set_width(record.width());
  result.set_height(record.height());
  result.set_media_type(record.media_type());
  result.set_size_bytes(record.size_bytes());
  *result.mutable_create_time() = MakeTimestamp(record.create_time_micros());
  if (record.has_taken_time_micros())
    *result.mutable_taken_time() = MakeTimestamp(record.taken_time_micros());
  if (record.has_metadata()) *result.mutable_metadata() = record.metadata();
  *result.mutable_attributes() = record.attributes();
  EIDETIC_ASSIGN_OR_RETURN(std::vector<storage::CaptionEntry> captions,
                           library.GetCaptions(record.ordinal()));
  for (storage::CaptionEntry& entry : captions) {
    eidetic::v1::Caption* caption = result.add_captions();
    caption->set_text(std::move(*entry.record.mutable_text()));
    caption->set_source(entry.record.source());
  }
  return result;
}

google::protobuf::Timestamp MakeTimestamp(int64_t micros_since_epoch) {
  constexpr int64_t kMicrosPerSecond = 1'000'000;
  int64_t seconds = micros_since_epoch / kMicrosPerSecond;
  int64_t micros = micros_since_epoch % kMicrosPerSecond;
  // Nanoseconds of a Timestamp count forward, before 1970 too.
  if (micros < 0) {
    --seconds;
    micros += kMicrosPerSecond;
  }
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(micros * 1000));
  return timestamp;
}

eidetic::v1::Embedding MakeEmbedding(std::span<const float> values, const std::string& model_fingerprint) {
  eidetic::v1::Embedding embedding;
  embedding.mutable_values()->Add(values.begin(), values.end());
  embedding.set_model_fingerprint(model_fingerprint);
  return embedding;
}

}  // namespace eidetic::service
