#include "storage/checked_json.h"

#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eidetic::storage {

std::string ContentChecksum(absl::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

std::string EncodeCheckedJson(const nlohmann::json& json) {
  const std::string line = json.dump();
  return absl::StrCat(line, "\n", ContentChecksum(line), "\n");
}

absl::StatusOr<nlohmann::json> DecodeCheckedJson(absl::string_view path, absl::string_view text) {
  const size_t end = text.find('\n');
  if (end == absl::string_view::npos ||
      text.substr(end + 1) != absl::StrCat(ContentChecksum(text.substr(0, end)), "\n")) {
    return absl::DataLossError(absl::StrCat(path, " has a wrong checksum"));
  }
  nlohmann::json json =
      nlohmann::json::parse(text.begin(), text.begin() + end, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError(absl::StrCat(path, " is not an object"));
  return json;
}

bool GetText(const nlohmann::json& json, const char* key, std::string& text) {
  if (!json.contains(key) || !json[key].is_string()) return false;
  text = json[key].get<std::string>();
  return true;
}

}  // namespace eidetic::storage
