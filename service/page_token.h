// Page tokens: a small message, signed so that only what this service gave out
// is taken back, in characters that need no escaping. Immutable; any thread.
//
//   PageTokenCodec codec(NewPageTokenKey());
//   std::string token = codec.Encode(search_page);
//   EIDETIC_RETURN_IF_ERROR(codec.Decode(token, search_page));
#ifndef EIDETIC_SERVICE_PAGE_TOKEN_H_
#define EIDETIC_SERVICE_PAGE_TOKEN_H_

#include <string>

#include <google/protobuf/message_lite.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::service {

// 32 random bytes: tokens of one process mean nothing to the next.
absl::StatusOr<std::string> NewPageTokenKey();

class PageTokenCodec {
 public:
  explicit PageTokenCodec(std::string key);

  absl::StatusOr<std::string> Encode(const google::protobuf::MessageLite& page) const;

  // kInvalidArgument (field "page_token") when the token was altered, is of
  // another kind, was signed with another key, or is of a newer version.
  absl::Status Decode(absl::string_view token, google::protobuf::MessageLite& page) const;

 private:
  absl::StatusOr<std::string> Sign(absl::string_view kind, absl::string_view content) const;

  std::string key_;
};

// First 128 bits of SHA-256.
absl::StatusOr<std::string> Digest(absl::string_view bytes);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_PAGE_TOKEN_H_
