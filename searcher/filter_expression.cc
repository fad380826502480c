#include "searcher/filter_expression.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "proto/status_macros.h"
#include "searcher/filter_parser.h"

namespace eidetic::searcher {
namespace {

using Kind = FilterPredicate::Kind;

constexpr double kEarthRadiusKm = 6'371.0088;
// Half way round.
constexpr double kMostKm = 20'038;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Longer ones are no field's value, and cost time at every comparison.
constexpr size_t kMaxPatternBytes = 4'096;
constexpr size_t kMaxQuotedBytes = 60;

// What a literal stands for: a day is all its microseconds, a rounded fraction
// all that round to it.
struct Interval {
  double first = 0;
  double last = 0;
};

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", text.substr(0, kMaxQuotedBytes), text.size() > kMaxQuotedBytes ? "…\"" : "\"");
}

std::optional<double> ParseNumber(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const size_t slash = text.find('/');
  double number = 0;
  if (slash != absl::string_view::npos) {
    double divisor = 0;
    if (!absl::SimpleAtod(text.substr(0, slash), &number) ||
        !absl::SimpleAtod(text.substr(slash + 1), &divisor) || divisor == 0) {
      return std::nullopt;
    }
    number /= divisor;
  } else if (!absl::SimpleAtod(text, &number)) {
    return std::nullopt;
  }
  if (!std::isfinite(number)) return std::nullopt;
  return number;
}

absl::StatusOr<Interval> NumberOf(const FilterField& field, const FilterLiteral& literal) {
  absl::string_view text = absl::StripAsciiWhitespace(literal.text);
  const std::string lower = absl::AsciiStrToLower(text);
  if (absl::StartsWith(lower, field.prefix)) text.remove_prefix(absl::string_view(field.prefix).size());
  if (absl::EndsWith(lower, field.suffix)) text.remove_suffix(absl::string_view(field.suffix).size());
  const std::optional<double> number = ParseNumber(text);
  if (!number.has_value()) {
    return FilterError(literal.position, absl::StrCat(Quoted(literal.text), " is not a number, which ",
                                                      field.name, " is compared with"));
  }
  const double slack = std::abs(*number) * field.tolerance;
  return Interval{*number - slack, *number + slack};
}

Interval Between(absl::Time first, absl::Time end) {
  return {static_cast<double>(absl::ToUnixMicros(first)), static_cast<double>(absl::ToUnixMicros(end) - 1)};
}

template <typename Civil>
std::optional<Interval> ParseCivil(absl::string_view text) {
  Civil civil;
  if (!absl::ParseCivilTime(text, &civil)) return std::nullopt;
  const absl::TimeZone utc = absl::UTCTimeZone();
  return Between(absl::FromCivil(absl::CivilSecond(civil), utc),
                 absl::FromCivil(absl::CivilSecond(civil + 1), utc));
}

absl::StatusOr<Interval> TimeOf(const FilterField& field, const FilterLiteral& literal) {
  std::string text(absl::StripAsciiWhitespace(literal.text));
  // "2023-06-01 12:30" is what people write.
  if (text.size() > 10 && text[10] == ' ') text[10] = 'T';
  std::optional<Interval> interval;
  // A year has four digits: five would be a time beyond what is stored.
  if (text.size() >= 4 && std::all_of(text.begin(), text.begin() + 4, absl::ascii_isdigit) &&
      (text.size() == 4 || text[4] == '-')) {
    if (!interval) interval = ParseCivil<absl::CivilYear>(text);
    if (!interval) interval = ParseCivil<absl::CivilMonth>(text);
    if (!interval) interval = ParseCivil<absl::CivilDay>(text);
    if (!interval) interval = ParseCivil<absl::CivilHour>(text);
    if (!interval) interval = ParseCivil<absl::CivilMinute>(text);
    if (!interval) interval = ParseCivil<absl::CivilSecond>(text);
    absl::Time instant;
    std::string error;
    if (!interval && (absl::ParseTime(absl::RFC3339_full, text, &instant, &error) ||
                      absl::ParseTime("%Y-%m-%dT%H:%M:%E*S", text, &instant, &error))) {
      const bool has_fraction = absl::StrContains(text, ".");
      interval = Between(instant, instant + (has_fraction ? absl::Microseconds(1) : absl::Seconds(1)));
    }
  }
  if (interval.has_value()) return *interval;
  return FilterError(literal.position,
                     absl::StrCat(Quoted(literal.text), " is not a time, which ", field.name,
                                  " is compared with: write \"2023\", \"2023-06\", \"2023-06-01\" or "
                                  "\"2023-06-01T12:30:00+02:00\""));
}

FilterPredicate Of(Kind kind) {
  FilterPredicate predicate;
  predicate.kind = kind;
  return predicate;
}

FilterPredicate Not(FilterPredicate predicate) {
  FilterPredicate inverse = Of(Kind::kNot);
  inverse.children.push_back(std::move(predicate));
  return inverse;
}

FilterPredicate Nothing() { return Of(Kind::kOr); }

// AIP-160: what has no value is not different from one.
FilterPredicate Unequal(FilterPredicate present, FilterPredicate equal) {
  FilterPredicate both = Of(Kind::kAnd);
  both.children.push_back(std::move(present));
  both.children.push_back(Not(std::move(equal)));
  return both;
}

// [first, last] under a comparator other than "!=".
Interval Compared(Comparator comparator, Interval value) {
  switch (comparator) {
    case Comparator::kLess:
      return {-kInfinity, std::nextafter(value.first, -kInfinity)};
    case Comparator::kLessOrEqual:
      return {-kInfinity, value.last};
    case Comparator::kGreater:
      return {std::nextafter(value.last, kInfinity), kInfinity};
    case Comparator::kGreaterOrEqual:
      return {value.first, kInfinity};
    default:
      return value;
  }
}

bool IsOrder(Comparator comparator) {
  return comparator != Comparator::kEqual && comparator != Comparator::kNotEqual &&
         comparator != Comparator::kHas;
}

class Compiler {
 public:
  absl::StatusOr<FilterPredicate> Compile(const FilterNode& node) const {
    switch (node.kind) {
      case FilterNode::Kind::kRestriction:
        return Restriction(node);
      case FilterNode::Kind::kFunction:
        return Function(node);
      case FilterNode::Kind::kAnd:
      case FilterNode::Kind::kOr:
      case FilterNode::Kind::kNot:
        break;
    }
    FilterPredicate predicate = Of(node.kind == FilterNode::Kind::kAnd  ? Kind::kAnd
                                   : node.kind == FilterNode::Kind::kOr ? Kind::kOr
                                                                        : Kind::kNot);
    for (const FilterNode& child : node.children) {
      EIDETIC_ASSIGN_OR_RETURN(FilterPredicate compiled, Compile(child));
      predicate.children.push_back(std::move(compiled));
    }
    return predicate;
  }

 private:
  static absl::StatusOr<FilterPredicate> Restriction(const FilterNode& node) {
    const FilterField* field = FindFilterField(node.name[0]);
    if (field == nullptr) {
      return FilterError(node.position, absl::StrCat("there is no field ", Quoted(node.name[0]),
                                                     "; fields are ", FilterFieldNames()));
    }
    const bool is_attribute = field->type == FieldType::kAttribute;
    if (is_attribute && node.name.size() == 1) {
      return FilterError(node.position, "attributes needs a key, as in attributes.shelf = \"A3\"");
    }
    if (!is_attribute && node.name.size() > 1) {
      return FilterError(node.position, absl::StrCat(field->name, " has no field ", Quoted(node.name[1])));
    }
    const FilterLiteral& value = node.values[0];
    if (value.pattern.size() > kMaxPatternBytes) {
      return FilterError(value.position, absl::StrCat("a value of ", value.pattern.size(),
                                                      " bytes; the most is ", kMaxPatternBytes));
    }
    const std::string key =
        is_attribute ? absl::StrJoin(node.name.begin() + 1, node.name.end(), ".") : std::string();
    if (field->type == FieldType::kHas) return Has(node, value);
    FilterPredicate present = Present(*field, key);
    // "camera:*".
    if (node.comparator == Comparator::kHas && value.pattern == "*") return present;
    EIDETIC_ASSIGN_OR_RETURN(FilterPredicate compared, Comparison(*field, key, node, value));
    if (node.comparator != Comparator::kNotEqual) return compared;
    return Unequal(std::move(present), std::move(compared));
  }

  static FilterPredicate Present(const FilterField& field, const std::string& key) {
    FilterPredicate present;
    switch (field.type) {
      case FieldType::kTime:
      case FieldType::kNumber:
        present.kind = Kind::kHasNumber;
        present.number = static_cast<NumberField>(field.column);
        break;
      case FieldType::kText:
      case FieldType::kWord:
        present.kind = Kind::kHasText;
        present.text = static_cast<TextField>(field.column);
        break;
      case FieldType::kFolder:
      case FieldType::kPath:
        present.kind = Kind::kHasPath;
        break;
      case FieldType::kLatitude:
      case FieldType::kLongitude:
        present.kind = Kind::kHasLocation;
        break;
      case FieldType::kAttribute:
        present.kind = Kind::kHasAttribute;
        present.key = key;
        break;
      case FieldType::kHas:
        break;
    }
    return present;
  }

  static absl::StatusOr<FilterPredicate> Has(const FilterNode& node, const FilterLiteral& value) {
    if (node.comparator != Comparator::kHas) {
      return FilterError(node.position, "has is followed by \":\", as in has:caption or NOT has:caption");
    }
    if (value.text == "caption") return Of(Kind::kHasCaption);
    if (value.text == "location") return Of(Kind::kHasLocation);
    const FilterField* field = FindFilterField(value.text);
    if (field == nullptr || field->type == FieldType::kHas || field->type == FieldType::kAttribute) {
      return FilterError(value.position, absl::StrCat("has:", value.text.substr(0, kMaxQuotedBytes),
                                                      " is not known: write has:caption, has:location or "
                                                      "has: with a field"));
    }
    return Present(*field, "");
  }

  // As with "=" where the comparator is "!=".
  static absl::StatusOr<FilterPredicate> Comparison(const FilterField& field, const std::string& key,
                                                    const FilterNode& node, const FilterLiteral& value) {
    const bool is_part = node.comparator == Comparator::kHas;
    FilterPredicate predicate;
    switch (field.type) {
      case FieldType::kTime:
      case FieldType::kNumber: {
        EIDETIC_ASSIGN_OR_RETURN(const Interval interval, field.type == FieldType::kTime
                                                              ? TimeOf(field, value)
                                                              : NumberOf(field, value));
        const Interval range = Compared(node.comparator, interval);
        predicate.kind = Kind::kNumber;
        predicate.number = static_cast<NumberField>(field.column);
        predicate.low = range.first;
        predicate.high = range.last;
        return predicate;
      }
      case FieldType::kLatitude:
      case FieldType::kLongitude: {
        EIDETIC_ASSIGN_OR_RETURN(const Interval interval, NumberOf(field, value));
        const bool is_latitude = field.type == FieldType::kLatitude;
        const double most = is_latitude ? 90 : 180;
        const Interval range = Compared(node.comparator, interval);
        const double low = std::max(range.first, -most);
        const double high = std::min(range.last, most);
        // A box from east to west would go round the other way.
        if (low > high) return Nothing();
        predicate.kind = Kind::kBox;
        (is_latitude ? predicate.box.south : predicate.box.west) = low;
        (is_latitude ? predicate.box.north : predicate.box.east) = high;
        return predicate;
      }
      case FieldType::kAttribute:
        predicate.key = key;
        if (IsOrder(node.comparator)) {
          EIDETIC_ASSIGN_OR_RETURN(const Interval interval, NumberOf(field, value));
          const Interval range = Compared(node.comparator, interval);
          predicate.kind = Kind::kAttributeNumber;
          predicate.low = range.first;
          predicate.high = range.last;
          return predicate;
        }
        predicate.kind = Kind::kAttribute;
        break;
      case FieldType::kText:
      case FieldType::kWord:
        predicate.kind = Kind::kText;
        predicate.text = static_cast<TextField>(field.column);
        break;
      case FieldType::kFolder:
        predicate.kind = Kind::kFolder;
        break;
      case FieldType::kPath:
        predicate.kind = Kind::kPath;
        break;
      case FieldType::kHas:
        break;
    }
    if (IsOrder(node.comparator)) {
      return FilterError(node.position, absl::StrCat(field.name, " is a text: compare it by =, != or :, not ",
                                                     ComparatorSymbol(node.comparator)));
    }
    if (value.pattern.empty()) {
      return FilterError(value.position, absl::StrCat("an empty text; to find photos without ", field.name,
                                                      " write NOT ", field.name, ":*"));
    }
    predicate.part = is_part && field.type != FieldType::kWord;
    const bool is_glob = field.type == FieldType::kPath && !is_part;
    EIDETIC_RETURN_IF_ERROR(SetPattern(field, value, is_glob, predicate));
    return predicate;
  }

  static absl::Status SetPattern(const FilterField& field, const FilterLiteral& value, bool is_glob,
                                 FilterPredicate& predicate) {
    absl::string_view pattern = value.pattern;
    if (field.type == FieldType::kFolder && pattern.size() > 1) {
      // "/photos/Italy/" is the folder "/photos/Italy".
      if (!predicate.part) absl::ConsumeSuffix(&pattern, "/");
    }
    if (predicate.kind == Kind::kText && predicate.text == TextField::kExtension) {
      absl::ConsumePrefix(&pattern, ".");
    }
    if (is_glob) {
      // From the root, or from any folder on.
      predicate.pattern = TextPattern::ForPath(
          absl::StartsWith(pattern, "/") || absl::StartsWith(pattern, "**") ? std::string(pattern)
                                                                            : absl::StrCat("**/", pattern));
    } else {
      predicate.pattern = TextPattern::ForText(pattern);
    }
    if (predicate.kind == Kind::kText && predicate.text == TextField::kOrientation) {
      const std::string& word = predicate.pattern.literal();
      if (!predicate.pattern.is_literal() ||
          (word != "landscape" && word != "portrait" && word != "square")) {
        return FilterError(value.position, absl::StrCat(Quoted(value.text),
                                                        " is no orientation: write landscape, portrait or "
                                                        "square"));
      }
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<FilterPredicate> Function(const FilterNode& node) {
    const std::string& name = node.name[0];
    const bool is_within = name == "within";
    if (!is_within && name != "box") {
      return FilterError(node.position, absl::StrCat("there is no function ", Quoted(name),
                                                     "; functions are within(lat, lon, km) and "
                                                     "box(south, west, north, east)"));
    }
    const size_t wanted = is_within ? 3 : 4;
    if (node.values.size() != wanted) {
      return FilterError(node.position,
                         absl::StrCat(name, " has ", node.values.size(), " values, expected ", wanted, ": ",
                                      is_within ? "within(lat, lon, km)" : "box(south, west, north, east)"));
    }
    std::vector<double> numbers;
    for (size_t i = 0; i < wanted; ++i) {
      const FilterLiteral& value = node.values[i];
      const std::optional<double> number = ParseNumber(value.text);
      const bool is_latitude = is_within ? i == 0 : i % 2 == 0;
      const bool is_radius = is_within && i == 2;
      const double low = is_radius ? 0 : is_latitude ? -90 : -180;
      const double high = is_radius ? kMostKm : -low;
      if (!number.has_value() || *number < low || *number > high) {
        return FilterError(value.position, absl::StrCat(Quoted(value.text), ", expected ",
                                                        is_radius     ? "kilometres"
                                                        : is_latitude ? "a latitude in degrees"
                                                                      : "a longitude in degrees",
                                                        " from ", low, " to ", high));
      }
      numbers.push_back(*number);
    }
    FilterPredicate predicate;
    if (is_within) {
      predicate.kind = Kind::kWithin;
      predicate.circle = {numbers[0], numbers[1], numbers[2]};
      return predicate;
    }
    if (numbers[0] > numbers[2]) {
      return FilterError(node.values[2].position,
                         absl::StrCat("the north, ", numbers[2], ", is south of the south, ", numbers[0]));
    }
    predicate.kind = Kind::kBox;
    predicate.box = {numbers[0], numbers[1], numbers[2], numbers[3]};
    return predicate;
  }
};

}  // namespace

double DistanceKm(double latitude_a, double longitude_a, double latitude_b, double longitude_b) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double half_latitude = std::sin((latitude_b - latitude_a) * kRadians / 2);
  const double half_longitude = std::sin((longitude_b - longitude_a) * kRadians / 2);
  const double haversine = half_latitude * half_latitude + std::cos(latitude_a * kRadians) *
                                                               std::cos(latitude_b * kRadians) *
                                                               half_longitude * half_longitude;
  return 2 * kEarthRadiusKm * std::asin(std::sqrt(std::min(1.0, haversine)));
}

absl::StatusOr<FilterExpression> CompileFilter(absl::string_view text) {
  EIDETIC_ASSIGN_OR_RETURN(const FilterNode tree, ParseFilter(text));
  FilterExpression expression;
  EIDETIC_ASSIGN_OR_RETURN(expression.predicate, Compiler().Compile(tree));
  expression.canonical = FilterToString(tree);
  return expression;
}

}  // namespace eidetic::searcher
