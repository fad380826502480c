#include "searcher/attribute_segment.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/numbers.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

using Kind = FilterPredicate::Kind;

constexpr double kKmPerDegree = 111.195;
// Room for rounding: what lies in the box is measured exactly.
constexpr double kBoxMargin = 1.001;

// A text that is compared whole and has no wildcard is looked up, others are
// compared with each distinct value.
void FindText(const PostingColumn<std::string>& column, const TextPattern& pattern, bool part, Roaring& out) {
  if (pattern.is_literal() && !part) {
    column.AddRange(column.LowerBound(pattern.literal()), column.UpperBound(pattern.literal()), out);
    return;
  }
  for (size_t i = 0; i < column.value_count(); ++i) {
    const std::string& value = column.value(i);
    if (part ? pattern.MatchesPart(value) : pattern.Matches(value)) column.AddRange(i, i + 1, out);
  }
}

void FindTextNumbers(const PostingColumn<std::string>& column, double low, double high, Roaring& out) {
  for (size_t i = 0; i < column.value_count(); ++i) {
    double number = 0;
    if (absl::SimpleAtod(column.value(i), &number) && number >= low && number <= high) {
      column.AddRange(i, i + 1, out);
    }
  }
}

// What surely holds the circle.
GeoBox BoxAround(const GeoCircle& circle) {
  const double degrees = circle.radius_km / kKmPerDegree * kBoxMargin + 1e-6;
  GeoBox box;
  box.south = std::max(-90.0, circle.latitude - degrees);
  box.north = std::min(90.0, circle.latitude + degrees);
  // Meridians meet at the poles: with one inside, every longitude may be.
  if (box.south <= -90 || box.north >= 90) return box;
  const double widest = std::max(std::abs(box.south), std::abs(box.north)) * std::numbers::pi / 180;
  const double across = degrees / std::cos(widest);
  if (across >= 180) return box;
  box.west = circle.longitude - across;
  box.east = circle.longitude + across;
  if (box.west < -180) box.west += 360;
  if (box.east > 180) box.east -= 360;
  return box;
}

}  // namespace

absl::StatusOr<Roaring> AttributeSegment::Evaluate(const FilterPredicate& predicate, const Roaring& universe,
                                                   const std::function<bool()>& cancelled) const {
  EIDETIC_ASSIGN_OR_RETURN(Roaring found, Find(predicate, universe, cancelled));
  found &= universe;
  return found;
}

absl::StatusOr<Roaring> AttributeSegment::Find(const FilterPredicate& predicate, const Roaring& universe,
                                               const std::function<bool()>& cancelled) const {
  if (cancelled && cancelled()) return absl::CancelledError("the search was stopped while it was filtered");
  const auto& number = numbers_[static_cast<size_t>(predicate.number)];
  const auto& text = texts_[static_cast<size_t>(predicate.text)];
  const auto attribute = attributes_.find(predicate.key);
  Roaring found;
  switch (predicate.kind) {
    case Kind::kAnd:
      return FindAll(predicate, universe, cancelled);
    case Kind::kOr:
      for (const FilterPredicate& child : predicate.children) {
        EIDETIC_ASSIGN_OR_RETURN(const Roaring some, Find(child, universe, cancelled));
        found |= some;
      }
      return found;
    case Kind::kNot: {
      EIDETIC_ASSIGN_OR_RETURN(const Roaring others, Find(predicate.children[0], universe, cancelled));
      return universe - others;
    }
    case Kind::kNumber:
      number.AddRange(number.LowerBound(predicate.low), number.UpperBound(predicate.high), found);
      return found;
    case Kind::kHasNumber:
      return number.present();
    case Kind::kText:
      FindText(text, predicate.pattern, predicate.part, found);
      return found;
    case Kind::kHasText:
      return text.present();
    case Kind::kFolder:
      paths_.FindFolders(predicate.pattern, predicate.part, found);
      return found;
    case Kind::kPath:
      EIDETIC_RETURN_IF_ERROR(paths_.FindPaths(predicate.pattern, predicate.part, cancelled, found));
      return found;
    case Kind::kHasPath:
      return paths_.present();
    case Kind::kAttribute:
      if (attribute != attributes_.end()) {
        FindText(attribute->second, predicate.pattern, predicate.part, found);
      }
      return found;
    case Kind::kAttributeNumber:
      if (attribute != attributes_.end()) {
        FindTextNumbers(attribute->second, predicate.low, predicate.high, found);
      }
      return found;
    case Kind::kHasAttribute:
      return attribute == attributes_.end() ? found : attribute->second.present();
    case Kind::kBox:
      return FindLocations(predicate.box, nullptr);
    case Kind::kWithin:
      return FindLocations(BoxAround(predicate.circle), &predicate.circle);
    case Kind::kHasLocation:
      return located_;
    case Kind::kHasCaption:
      return captioned_;
  }
  return found;
}

absl::StatusOr<Roaring> AttributeSegment::FindAll(const FilterPredicate& predicate, const Roaring& universe,
                                                  const std::function<bool()>& cancelled) const {
  Roaring all = universe;
  for (const FilterPredicate& child : predicate.children) {
    if (all.isEmpty()) break;
    EIDETIC_ASSIGN_OR_RETURN(const Roaring some, Find(child, all, cancelled));
    all &= some;
  }
  return all;
}

Roaring AttributeSegment::FindLocations(const GeoBox& box, const GeoCircle* circle) const {
  const auto first =
      std::lower_bound(locations_.begin(), locations_.end(), box.south,
                       [](const Location& location, double south) { return location.latitude < south; });
  std::vector<uint32_t> ordinals;
  for (auto location = first; location != locations_.end() && location->latitude <= box.north; ++location) {
    const double longitude = location->longitude;
    const bool inside = box.west <= box.east ? longitude >= box.west && longitude <= box.east
                                             : longitude >= box.west || longitude <= box.east;
    if (!inside) continue;
    if (circle != nullptr &&
        DistanceKm(circle->latitude, circle->longitude, location->latitude, longitude) > circle->radius_km) {
      continue;
    }
    ordinals.push_back(location->ordinal);
  }
  return Roaring(ordinals.size(), ordinals.data());
}

size_t AttributeSegment::memory_bytes() const {
  size_t bytes = sizeof(*this) + locations_.capacity() * sizeof(Location) + paths_.memory_bytes() +
                 rows_.getSizeInBytes(false) + located_.getSizeInBytes(false) +
                 captioned_.getSizeInBytes(false);
  for (const auto& column : numbers_) bytes += column.memory_bytes();
  for (const auto& column : texts_) bytes += column.memory_bytes();
  for (const auto& [key, column] : attributes_) bytes += key.capacity() + column.memory_bytes();
  return bytes;
}

void AttributeSegment::Builder::AddRow(const AttributeRow& row) {
  segment_->rows_.add(row.ordinal);
  if (row.has_caption) segment_->captioned_.add(row.ordinal);
  for (size_t i = 0; i < kNumberFields; ++i) {
    if (row.numbers[i].has_value()) numbers_[i].Add(*row.numbers[i], row.ordinal);
  }
  for (size_t i = 0; i < kTextFields; ++i) {
    for (const std::string& text : row.texts[i]) texts_[i].Add(text, row.ordinal);
  }
  for (const auto& [key, value] : row.attributes) attributes_[key].Add(value, row.ordinal);
  for (const auto& [folder, name] : row.paths) paths_.Add(folder, name, row.ordinal);
  if (row.location.has_value()) {
    segment_->locations_.push_back({row.location->first, row.location->second, row.ordinal});
  }
}

void AttributeSegment::Builder::AddSegment(const AttributeSegment& segment, const Roaring& rows) {
  const auto add_to = [&rows](auto& builder) {
    return [&rows, &builder](const auto& value, uint32_t ordinal) {
      if (rows.contains(ordinal)) builder.Add(value, ordinal);
    };
  };
  segment_->rows_ |= rows;
  segment_->captioned_ |= segment.captioned_ & rows;
  for (size_t i = 0; i < kNumberFields; ++i) segment.numbers_[i].ForEach(add_to(numbers_[i]));
  for (size_t i = 0; i < kTextFields; ++i) segment.texts_[i].ForEach(add_to(texts_[i]));
  for (const auto& [key, column] : segment.attributes_) column.ForEach(add_to(attributes_[key]));
  segment.paths_.ForEach([&](const std::string& folder, absl::string_view name, uint32_t ordinal) {
    if (rows.contains(ordinal)) paths_.Add(folder, name, ordinal);
  });
  for (const Location& location : segment.locations_) {
    if (rows.contains(location.ordinal)) segment_->locations_.push_back(location);
  }
}

size_t AttributeSegment::Builder::memory_bytes() const {
  size_t bytes = paths_.memory_bytes() + segment_->locations_.size() * sizeof(Location);
  for (const auto& column : numbers_) bytes += column.memory_bytes();
  for (const auto& column : texts_) bytes += column.memory_bytes();
  for (const auto& [key, column] : attributes_) bytes += key.size() + column.memory_bytes();
  return bytes;
}

std::shared_ptr<const AttributeSegment> AttributeSegment::Builder::Build() && {
  AttributeSegment& segment = *segment_;
  for (size_t i = 0; i < kNumberFields; ++i) segment.numbers_[i] = std::move(numbers_[i]).Build();
  for (size_t i = 0; i < kTextFields; ++i) segment.texts_[i] = std::move(texts_[i]).Build();
  for (auto& [key, column] : attributes_) segment.attributes_[key] = std::move(column).Build();
  segment.paths_ = std::move(paths_).Build();
  std::sort(segment.locations_.begin(), segment.locations_.end(), [](const Location& a, const Location& b) {
    return a.latitude != b.latitude ? a.latitude < b.latitude : a.ordinal < b.ordinal;
  });
  segment.locations_.shrink_to_fit();
  std::vector<uint32_t> located;
  located.reserve(segment.locations_.size());
  for (const Location& location : segment.locations_) located.push_back(location.ordinal);
  segment.located_ = Roaring(located.size(), located.data());
  for (Roaring* bitmap : {&segment.rows_, &segment.captioned_, &segment.located_}) bitmap->runOptimize();
  return std::move(segment_);
}

}  // namespace eidetic::searcher
