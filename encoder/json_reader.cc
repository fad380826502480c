#include "encoder/json_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {

using Json = nlohmann::json;

absl::StatusOr<Json> ParseJson(absl::string_view text, absl::string_view name) {
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not valid JSON: ", error.what()));
  }
}

absl::Status JsonReader::Error(absl::string_view problem) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ": ", problem));
}

bool JsonReader::Has(const char* key) const {
  const auto found = value_->is_object() ? value_->find(key) : value_->end();
  return found != value_->end() && !found->is_null();
}

absl::StatusOr<JsonReader> JsonReader::Find(const char* key) const {
  if (!value_->is_object()) return Error("must be an object");
  const auto found = value_->find(key);
  if (found == value_->end()) return Error(absl::StrCat("the key \"", key, "\" is missing"));
  return JsonReader(*found, absl::StrCat(path_, ": ", key));
}

absl::StatusOr<JsonReader> JsonReader::Object(const char* key) const {
  EIDETIC_ASSIGN_OR_RETURN(JsonReader found, Find(key));
  if (!found.value().is_object()) return found.Error("must be an object");
  return found;
}

absl::StatusOr<JsonReader> JsonReader::Array(const char* key) const {
  EIDETIC_ASSIGN_OR_RETURN(JsonReader found, Find(key));
  if (!found.value().is_array()) return found.Error("must be an array");
  return found;
}

absl::StatusOr<std::string> JsonReader::String(const char* key) const {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader found, Find(key));
  if (!found.value().is_string()) return found.Error("must be a string");
  return found.value().get<std::string>();
}

absl::StatusOr<int64_t> JsonReader::Integer(const char* key, int64_t least, int64_t most) const {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader found, Find(key));
  const Json& value = found.value();
  const bool in_range = value.is_number_integer() &&
                        (!value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{INT64_MAX}) &&
                        value.get<int64_t>() >= least && value.get<int64_t>() <= most;
  if (!in_range) return found.Error(absl::StrCat("must be a whole number from ", least, " to ", most));
  return value.get<int64_t>();
}

absl::StatusOr<bool> JsonReader::Bool(const char* key, bool absent) const {
  if (!Has(key)) return absent;
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader found, Find(key));
  if (!found.value().is_boolean()) return found.Error("must be true or false");
  return found.value().get<bool>();
}

absl::StatusOr<std::string> JsonReader::StringOr(const char* key, absl::string_view absent) const {
  if (!Has(key)) return std::string(absent);
  return String(key);
}

absl::StatusOr<int64_t> JsonReader::IntegerOr(const char* key, int64_t least, int64_t most,
                                              int64_t absent) const {
  if (!Has(key)) return absent;
  return Integer(key, least, most);
}

}  // namespace eidetic::encoder
