// A PortableAsset as one line of JSON: protobuf's JSON mapping with the proto's
// field names. Stateless.
#ifndef EIDETIC_EXCHANGE_ASSET_JSON_H_
#define EIDETIC_EXCHANGE_ASSET_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace eidetic::cli::exchange {

// Without line breaks.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);
// Fields that the message does not have are passed over. kInvalidArgument.
absl::Status FromJson(absl::string_view json, google::protobuf::Message& message);

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_ASSET_JSON_H_
