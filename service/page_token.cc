#include "service/page_token.h"

#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

// Of the token: version (1 byte), signature, content.
constexpr char kVersion = 1;
constexpr size_t kKeyBytes = 32;
constexpr size_t kSignatureBytes = 16;
constexpr size_t kHeaderBytes = 1 + kSignatureBytes;
constexpr size_t kMaxTokenBytes = 512;

const unsigned char* AsBytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

absl::Status RefusedToken() {
  return InvalidField("page_token",
                      "is not one that this server gave: pass next_page_token as it came, or leave it empty");
}

}  // namespace

absl::StatusOr<std::string> NewPageTokenKey() {
  std::string key(kKeyBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1) {
    return absl::InternalError("OpenSSL has no random bytes for the page token key");
  }
  return key;
}

PageTokenCodec::PageTokenCodec(std::string key) : key_(std::move(key)) {}

absl::StatusOr<std::string> PageTokenCodec::Encode(const google::protobuf::MessageLite& page) const {
  const std::string content = page.SerializeAsString();
  EIDETIC_ASSIGN_OR_RETURN(const std::string signature, Sign(page.GetTypeName(), content));
  return absl::WebSafeBase64Escape(absl::StrCat(absl::string_view(&kVersion, 1), signature, content));
}

absl::Status PageTokenCodec::Decode(absl::string_view token, google::protobuf::MessageLite& page) const {
  std::string bytes;
  if (token.size() > kMaxTokenBytes || !absl::WebSafeBase64Unescape(token, &bytes) ||
      bytes.size() < kHeaderBytes) {
    return RefusedToken();
  }
  if (bytes[0] > kVersion) {
    return InvalidField("page_token",
                        absl::StrCat("is of version ", static_cast<int>(bytes[0]),
                                     ", given by a newer Eidetic; this one reads version ",
                                     static_cast<int>(kVersion), ": ask again for the first page"));
  }
  const std::string content = bytes.substr(kHeaderBytes);
  EIDETIC_ASSIGN_OR_RETURN(const std::string signature, Sign(page.GetTypeName(), content));
  if (bytes[0] != kVersion || CRYPTO_memcmp(signature.data(), bytes.data() + 1, kSignatureBytes) != 0 ||
      !page.ParseFromString(content)) {
    return RefusedToken();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> PageTokenCodec::Sign(absl::string_view kind, absl::string_view content) const {
  const std::string message = absl::StrCat(kind, ":", content);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int mac_bytes = 0;
  if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), AsBytes(message), message.size(), mac,
           &mac_bytes) == nullptr ||
      mac_bytes < kSignatureBytes) {
    return absl::InternalError("OpenSSL cannot sign a page token");
  }
  return std::string(reinterpret_cast<const char*>(mac), kSignatureBytes);
}

absl::StatusOr<std::string> Digest(absl::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &digest_bytes, EVP_sha256(), nullptr) != 1 ||
      digest_bytes < 16) {
    return absl::InternalError("OpenSSL cannot compute a SHA-256");
  }
  return std::string(reinterpret_cast<const char*>(digest), 16);
}

}  // namespace eidetic::service
