#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/library.h"

namespace eidetic::storage {
namespace {

constexpr size_t kContentIdBytes = 16;
constexpr size_t kMaxAssetIdBytes = 128;

}  // namespace

std::string ContentAssetId(std::span<const uint8_t> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), kContentIdBytes));
}

absl::Status ValidateAssetId(absl::string_view asset_id) {
  if (asset_id.empty() || asset_id.size() > kMaxAssetIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("an asset id has 1 to ", kMaxAssetIdBytes,
                                                   " characters, this one has ", asset_id.size()));
  }
  for (const char c : asset_id) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') {
      return absl::InvalidArgumentError(absl::StrCat("asset id \"", absl::CHexEscape(asset_id),
                                                     "\" has characters other than [A-Za-z0-9._-]"));
    }
  }
  return absl::OkStatus();
}

}  // namespace eidetic::storage
