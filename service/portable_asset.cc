#include "service/portable_asset.h"

#include <array>
#include <string>
#include <utility>

#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "service/asset_proto.h"
#include "service/query_vector.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

using eidetic::v1::PortableAsset;
using eidetic::v1::PortableCaption;
using eidetic::v1::PortablePath;
using google::protobuf::util::TimeUtil;

// The sources whose texts belong to an asset.
constexpr std::array kSources = {
    eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, eidetic::v1::CAPTION_SOURCE_SIDECAR,
    eidetic::v1::CAPTION_SOURCE_XMP,           eidetic::v1::CAPTION_SOURCE_IPTC,
    eidetic::v1::CAPTION_SOURCE_EXIF,          eidetic::v1::CAPTION_SOURCE_CLIENT,
};

storage::PathInput MakePathInput(const PortablePath& path) {
  storage::PathInput input;
  input.path = path.path_bytes().empty() ? path.path() : path.path_bytes();
  input.record.set_mtime_nanos(path.mtime_nanos());
  input.record.set_size_bytes(path.size_bytes());
  if (path.has_sidecar_mtime_nanos()) input.record.set_sidecar_mtime_nanos(path.sidecar_mtime_nanos());
  if (path.has_sidecar_size_bytes()) input.record.set_sidecar_size_bytes(path.sidecar_size_bytes());
  return input;
}

absl::StatusOr<int64_t> Microseconds(const google::protobuf::Timestamp& time, absl::string_view field) {
  // The years 1 to 9999, as google.protobuf.Timestamp has it.
  if (time.seconds() < TimeUtil::kTimestampMinSeconds || time.seconds() > TimeUtil::kTimestampMaxSeconds ||
      time.nanos() < 0 || time.nanos() > 999'999'999) {
    return InvalidField(field, "is not a time between the years 1 and 9999");
  }
  return TimeUtil::TimestampToMicroseconds(time);
}

// Every source gets its set, so that none keeps texts of before.
absl::Status PrepareCaptions(const PortableAsset& asset, ModelSession& model, absl::string_view field,
                             storage::PutAsset& put) {
  for (const eidetic::v1::CaptionSource source : kSources) {
    storage::CaptionSet& set = put.caption_sets.emplace_back();
    set.source = source;
    for (int i = 0; i < asset.captions_size(); ++i) {
      const PortableCaption& caption = asset.captions(i);
      if (caption.source() != source) continue;
      storage::CaptionInput& input = set.captions.emplace_back();
      input.text = caption.text();
      if (!caption.has_embedding()) continue;
      EIDETIC_ASSIGN_OR_RETURN(
          const searcher::QueryVector given,
          model.ClientVector(caption.embedding(), absl::StrCat(field, ".captions[", i, "].embedding")));
      input.embedding.assign(given.values().begin(), given.values().end());
    }
  }
  return absl::OkStatus();
}

}  // namespace

PortableAsset MakePortableAsset(const storage::WholeAsset& whole, bool with_embeddings) {
  const storage::v1::AssetRecord& record = whole.asset.record;
  PortableAsset asset;
  asset.set_asset_id(whole.asset.asset_id);
  for (int i = 0; i < record.paths_size(); ++i) {
    PortablePath* path = asset.add_paths();
    const storage::v1::PathRecord& known = whole.paths[static_cast<size_t>(i)];
    // Shown as it is, it is UTF-8.
    if (storage::DisplayPath(record.paths(i)) == record.paths(i)) {
      path->set_path(record.paths(i));
    } else {
      path->set_path_bytes(record.paths(i));
    }
    path->set_mtime_nanos(known.mtime_nanos());
    path->set_size_bytes(known.size_bytes());
    if (known.has_sidecar_mtime_nanos()) path->set_sidecar_mtime_nanos(known.sidecar_mtime_nanos());
    if (known.has_sidecar_size_bytes()) path->set_sidecar_size_bytes(known.sidecar_size_bytes());
  }
  if (with_embeddings) *asset.mutable_embedding() = MakeEmbedding(whole.embedding, /*model_fingerprint=*/"");
  for (size_t i = 0; i < whole.captions.size(); ++i) {
    PortableCaption* caption = asset.add_captions();
    caption->set_text(whole.captions[i].record.text());
    caption->set_source(whole.captions[i].record.source());
    if (with_embeddings) *caption->mutable_embedding() = MakeEmbedding(whole.caption_embeddings[i], "");
  }
  asset.set_width(record.width());
  asset.set_height(record.height());
  asset.set_media_type(record.media_type());
  asset.set_size_bytes(record.size_bytes());
  *asset.mutable_create_time() = MakeTimestamp(record.create_time_micros());
  if (record.has_taken_time_micros()) *asset.mutable_taken_time() = MakeTimestamp(record.taken_time_micros());
  if (record.has_metadata()) *asset.mutable_metadata() = record.metadata();
  *asset.mutable_attributes() = record.attributes();
  asset.set_put_by_client(record.put_by_client());
  return asset;
}

absl::StatusOr<PendingAsset> PreparePortableAsset(const PortableAsset& asset, ModelSession& model,
                                                  absl::string_view field) {
  FieldViolations violations;
  CheckPortableAsset(asset, field, violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  PendingAsset pending;
  storage::PutAsset& put = pending.put;
  put.asset_id = asset.asset_id();
  if (asset.has_embedding()) {
    EIDETIC_ASSIGN_OR_RETURN(const searcher::QueryVector given,
                             model.ClientVector(asset.embedding(), absl::StrCat(field, ".embedding")));
    put.embedding.assign(given.values().begin(), given.values().end());
  }
  EIDETIC_RETURN_IF_ERROR(PrepareCaptions(asset, model, field, put));
  for (const PortablePath& path : asset.paths()) {
    if (!put.path.has_value()) {
      put.path = MakePathInput(path);
    } else {
      pending.more_paths.push_back(MakePathInput(path));
    }
  }
  put.record.set_width(asset.width());
  put.record.set_height(asset.height());
  put.record.set_media_type(asset.media_type());
  put.record.set_size_bytes(asset.size_bytes());
  if (asset.has_create_time()) {
    EIDETIC_ASSIGN_OR_RETURN(const int64_t created,
                             Microseconds(asset.create_time(), absl::StrCat(field, ".create_time")));
    put.record.set_create_time_micros(created);
  }
  if (asset.has_taken_time()) {
    EIDETIC_ASSIGN_OR_RETURN(const int64_t taken,
                             Microseconds(asset.taken_time(), absl::StrCat(field, ".taken_time")));
    put.record.set_taken_time_micros(taken);
  }
  if (asset.has_metadata()) *put.record.mutable_metadata() = asset.metadata();
  *put.record.mutable_attributes() = asset.attributes();
  // Without a path nothing else would keep it.
  put.record.set_put_by_client(asset.put_by_client() || asset.paths().empty());
  return pending;
}

}  // namespace eidetic::service
