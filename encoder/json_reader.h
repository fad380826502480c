// Reads the JSON files of a model folder: each accessor checks the type and
// range and its error names the file and the path of the key. A view: the
// document must outlive it. Any thread.
//
//   ASSIGN_OR_RETURN(nlohmann::json document, ParseJson(text, "config.json"));
//   JsonReader config(document, "config.json");
//   ASSIGN_OR_RETURN(JsonReader vision, config.Object("vision_config"));
//   ASSIGN_OR_RETURN(int64_t size, vision.Integer("image_size", 1, 4096));
#ifndef EIDETIC_ENCODER_JSON_READER_H_
#define EIDETIC_ENCODER_JSON_READER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

// kInvalidArgument names the file and the byte at which it stops being JSON.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, absl::string_view name);

class JsonReader {
 public:
  JsonReader(const nlohmann::json& value, absl::string_view path) : value_(&value), path_(path) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& path() const { return path_; }
  absl::Status Error(absl::string_view problem) const;

  // Whether this is an object with `key` that is not null.
  bool Has(const char* key) const;

  // Each fails when the key is missing or of another type.
  absl::StatusOr<JsonReader> Object(const char* key) const;
  absl::StatusOr<JsonReader> Array(const char* key) const;
  absl::StatusOr<std::string> String(const char* key) const;
  absl::StatusOr<int64_t> Integer(const char* key, int64_t least, int64_t most) const;

  // These give `absent` when the key is missing or null.
  absl::StatusOr<bool> Bool(const char* key, bool absent) const;
  absl::StatusOr<std::string> StringOr(const char* key, absl::string_view absent) const;
  absl::StatusOr<int64_t> IntegerOr(const char* key, int64_t least, int64_t most, int64_t absent) const;

 private:
  absl::StatusOr<JsonReader> Find(const char* key) const;

  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_JSON_READER_H_
