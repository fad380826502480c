// The attributes of some photos, inverted for filters: a part of the attribute
// index that never changes. Each field becomes a bitmap of ordinals, AND, OR and
// NOT combine them. Any thread.
//
//   AttributeSegment::Builder builder;
//   builder.AddRow(row);
//   std::shared_ptr<const AttributeSegment> segment = std::move(builder).Build();
//   ASSIGN_OR_RETURN(Roaring found, segment->Evaluate(filter.predicate, segment->rows(), {}));
#ifndef EIDETIC_SEARCHER_ATTRIBUTE_SEGMENT_H_
#define EIDETIC_SEARCHER_ATTRIBUTE_SEGMENT_H_

#include <roaring/roaring.hh>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "searcher/attribute_row.h"
#include "searcher/filter_expression.h"
#include "searcher/path_column.h"
#include "searcher/posting_column.h"
#include "storage/library.h"

namespace eidetic::searcher {

class AttributeSegment {
 public:
  class Builder;

  // Ordinals of its photos.
  const Roaring& rows() const { return rows_; }

  // Those of `universe`, which are some of rows(), for which `predicate` is true.
  // `cancelled` may be empty; → kCancelled.
  absl::StatusOr<Roaring> Evaluate(const FilterPredicate& predicate, const Roaring& universe,
                                   const std::function<bool()>& cancelled) const;

  // Memory held, roughly.
  size_t memory_bytes() const;

 private:
  // Where a photo was taken, by rising latitude.
  struct Location {
    double latitude = 0;
    double longitude = 0;
    uint32_t ordinal = 0;
  };

  // May hold ordinals that are not in `universe`, except under NOT.
  absl::StatusOr<Roaring> Find(const FilterPredicate& predicate, const Roaring& universe,
                               const std::function<bool()>& cancelled) const;
  absl::StatusOr<Roaring> FindAll(const FilterPredicate& predicate, const Roaring& universe,
                                  const std::function<bool()>& cancelled) const;
  Roaring FindLocations(const GeoBox& box, const GeoCircle* circle) const;

  Roaring rows_;
  std::array<PostingColumn<double>, kNumberFields> numbers_;
  std::array<PostingColumn<std::string>, kTextFields> texts_;
  std::map<std::string, PostingColumn<std::string>> attributes_;
  PathColumn paths_;
  std::vector<Location> locations_;
  Roaring located_;
  Roaring captioned_;
};

class AttributeSegment::Builder {
 public:
  // An ordinal comes once.
  void AddRow(const AttributeRow& row);
  absl::Status AddAsset(const storage::v1::AssetRecord& record, bool has_captions,
                        const storage::Library& /*library*/) {
    AddRow(MakeAttributeRow(record, has_captions));
    return absl::OkStatus();
  }
  // The rows of `segment` that are in `rows`.
  void AddSegment(const AttributeSegment& segment, const Roaring& rows);
  // Memory of what was added, roughly.
  size_t memory_bytes() const;
  std::shared_ptr<const AttributeSegment> Build() &&;

 private:
  std::shared_ptr<AttributeSegment> segment_ = std::make_shared<AttributeSegment>();
  std::array<PostingColumn<double>::Builder, kNumberFields> numbers_;
  std::array<PostingColumn<std::string>::Builder, kTextFields> texts_;
  std::map<std::string, PostingColumn<std::string>::Builder> attributes_;
  PathColumn::Builder paths_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_ATTRIBUTE_SEGMENT_H_
