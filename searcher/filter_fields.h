// The fields that filters know: their names, types and what each may be compared
// by (docs/filters.md). Immutable tables; any thread.
#ifndef EIDETIC_SEARCHER_FILTER_FIELDS_H_
#define EIDETIC_SEARCHER_FILTER_FIELDS_H_

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace eidetic::searcher {

enum class NumberField { kTaken, kAdded, kWidth, kHeight, kIso, kFocalLength, kAperture, kShutter, kRating };
inline constexpr size_t kNumberFields = 9;

enum class TextField { kCamera, kLens, kPlace, kTag, kAlbum, kExtension, kOrientation };
inline constexpr size_t kTextFields = 7;

enum class FieldType {
  kTime,      // microseconds since the epoch, as a NumberField
  kNumber,    // a NumberField
  kText,      // a TextField: "=" the whole value, ":" a part of it
  kWord,      // a TextField: "=" and ":" both the whole value
  kFolder,    // of each path
  kPath,      // "=" a glob, ":" a part of it
  kLatitude,  // degrees
  kLongitude,
  kHas,        // "has:FIELD"
  kAttribute,  // "attributes.KEY"
};

struct FilterField {
  const char* name;
  FieldType type;
  // NumberField or TextField, by the type.
  int column;
  // A number equals one that differs by less than this share of it: exposures
  // are written as rounded fractions.
  double tolerance;
  // Longest unit or mark that may stand around the number: "f/2.8", "35mm",
  // "1/250s".
  const char* prefix;
  const char* suffix;
};

// nullptr when there is none of that name.
const FilterField* FindFilterField(absl::string_view name);

// "added, album, …": all of them, for error messages.
std::string FilterFieldNames();

std::span<const FilterField> AllFilterFields();

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_FILTER_FIELDS_H_
