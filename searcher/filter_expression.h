// A filter with its names resolved and its literals typed: what the attribute
// index evaluates. Immutable; any thread.
//
//   ASSIGN_OR_RETURN(const FilterExpression filter, CompileFilter("camera = \"X100V\""));
//   ASSIGN_OR_RETURN(const FilterMatches matches, attribute_index->Evaluate(filter, {}));
#ifndef EIDETIC_SEARCHER_FILTER_EXPRESSION_H_
#define EIDETIC_SEARCHER_FILTER_EXPRESSION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "searcher/filter_fields.h"
#include "searcher/text_pattern.h"

namespace eidetic::searcher {

// One part of the globe. `west` above `east`: across the 180th meridian.
struct GeoBox {
  double south = -90;
  double west = -180;
  double north = 90;
  double east = 180;
};

struct GeoCircle {
  double latitude = 0;
  double longitude = 0;
  double radius_km = 0;
};

// Great-circle distance on a sphere of 6,371.0088 km radius.
double DistanceKm(double latitude_a, double longitude_a, double latitude_b, double longitude_b);

struct FilterPredicate {
  enum class Kind {
    kAnd,              // all of `children`; without any: true
    kOr,               // one of `children`
    kNot,              // not children[0]
    kNumber,           // low <= number <= high
    kHasNumber,        // the number is known
    kText,             // a value of text matches `pattern`, or a part of it
    kHasText,          // there is a value
    kFolder,           // as kText, for the folder of one of the paths
    kPath,             // as kText, for one of the paths
    kHasPath,          //
    kAttribute,        // as kText, for the client's attribute `key`
    kAttributeNumber,  // the attribute is a number, low <= number <= high
    kHasAttribute,     //
    kBox,              // inside `box`
    kWithin,           // inside `circle`
    kHasLocation,      //
    kHasCaption,       //
  };
  Kind kind = Kind::kAnd;
  std::vector<FilterPredicate> children;
  NumberField number = NumberField::kTaken;
  TextField text = TextField::kCamera;
  double low = 0;
  double high = 0;
  TextPattern pattern;
  bool part = false;
  std::string key;
  GeoBox box;
  GeoCircle circle;
};

struct FilterExpression {
  FilterPredicate predicate;
  // The same for filters that differ in spaces, quotes or parentheses only.
  std::string canonical;
  // True for every photo.
  bool is_trivial() const {
    return predicate.kind == FilterPredicate::Kind::kAnd && predicate.children.empty();
  }
};

// kInvalidArgument "at character N: …": grammar, unknown field, wrong type.
absl::StatusOr<FilterExpression> CompileFilter(absl::string_view text);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_FILTER_EXPRESSION_H_
