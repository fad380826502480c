// Small files of the library that prove themselves: one line of JSON, and on the
// next its checksum. Against damage, not against an attacker. Stateless.
//
//   WriteFileDurably(files, path, EncodeCheckedJson({{"format", 1}}));
//   ASSIGN_OR_RETURN(const nlohmann::json json, DecodeCheckedJson(path, text));
#ifndef EIDETIC_STORAGE_CHECKED_JSON_H_
#define EIDETIC_STORAGE_CHECKED_JSON_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace eidetic::storage {

// XXH3-128 as 32 hexadecimal digits, high half first.
std::string ContentChecksum(absl::string_view bytes);

// The same of bytes that come piece by piece. Belongs to one thread.
class RunningChecksum {
 public:
  RunningChecksum();
  ~RunningChecksum();
  RunningChecksum(const RunningChecksum&) = delete;
  RunningChecksum& operator=(const RunningChecksum&) = delete;

  void Update(absl::string_view bytes);
  std::string Digest() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

std::string EncodeCheckedJson(const nlohmann::json& json);
// An object. kDataLoss otherwise; `path` is for the message.
absl::StatusOr<nlohmann::json> DecodeCheckedJson(absl::string_view path, absl::string_view text);

// False unless `json` has the field, of that type, and it fits.
template <typename Number>
bool GetNumber(const nlohmann::json& json, const char* key, Number& number) {
  if (!json.contains(key) || !json[key].is_number_unsigned()) return false;
  const auto value = json[key].get<uint64_t>();
  if (value > std::numeric_limits<Number>::max()) return false;
  number = static_cast<Number>(value);
  return true;
}
bool GetText(const nlohmann::json& json, const char* key, std::string& text);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_CHECKED_JSON_H_
