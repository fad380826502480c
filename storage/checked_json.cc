#include "storage/checked_json.h"

#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eidetic::storage {

namespace {

std::string Hexadecimal(const XXH128_hash_t& hash) {
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace

std::string ContentChecksum(absl::string_view bytes) {
  return Hexadecimal(XXH3_128bits(bytes.data(), bytes.size()));
}

struct RunningChecksum::State {
  XXH3_state_t* const hash = XXH3_createState();
  ~State() { XXH3_freeState(hash); }
};

RunningChecksum::RunningChecksum() : state_(std::make_unique<State>()) { XXH3_128bits_reset(state_->hash); }
RunningChecksum::~RunningChecksum() = default;

void RunningChecksum::Update(absl::string_view bytes) {
  XXH3_128bits_update(state_->hash, bytes.data(), bytes.size());
}

std::string RunningChecksum::Digest() const { return Hexadecimal(XXH3_128bits_digest(state_->hash)); }

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
