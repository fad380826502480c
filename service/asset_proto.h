// Stored records → the assets clients see. Stateless; any thread.
#ifndef EIDETIC_SERVICE_ASSET_PROTO_H_
#define EIDETIC_SERVICE_ASSET_PROTO_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <google/protobuf/timestamp.pb.h>

#include "absl/status/statusor.h"
#include "eidetic/v1/asset.pb.h"
#include "storage/library.h"

namespace eidetic::service {

// `asset` with its captions, which are read from `library`.
absl::StatusOr<eidetic::v1::Asset> MakeAssetProto(const storage::Asset& asset,
                                                  const storage::Library& library);

google::protobuf::Timestamp MakeTimestamp(int64_t micros_since_epoch);

eidetic::v1::Embedding MakeEmbedding(std::span<const float> values, const std::string& model_fingerprint);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_ASSET_PROTO_H_
