// A set of ordinals as an IdFilter: a compressed bitmap to count and list, and
// plain bits beside it where it is dense enough, since a graph walk asks
// thousands of times. Immutable; any thread.
//
//   const BitmapFilter filter(Roaring::bitmapOf(3, 1, 5, 9));
//   filter.Contains(5);  // true
#ifndef EIDETIC_SEARCHER_BITMAP_FILTER_H_
#define EIDETIC_SEARCHER_BITMAP_FILTER_H_

#include <roaring/roaring.hh>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "searcher/id_filter.h"

namespace eidetic::searcher {

class BitmapFilter final : public IdFilter {
 public:
  explicit BitmapFilter(Roaring bitmap) : bitmap_(std::move(bitmap)), cardinality_(bitmap_.cardinality()) {
    if (cardinality_ < kFewestForBits) return;
    const uint64_t end = uint64_t{bitmap_.maximum()} + 1;
    // At most 16 bytes of plain bits for each ordinal.
    if (end > cardinality_ * 128) return;
    bits_.resize((end + 63) / 64);
    for (const uint32_t ordinal : bitmap_) bits_[ordinal / 64] |= uint64_t{1} << (ordinal % 64);
  }

  const Roaring& bitmap() const { return bitmap_; }

  bool Contains(uint64_t id) const override {
    if (bits_.empty()) return id <= UINT32_MAX && bitmap_.contains(static_cast<uint32_t>(id));
    return id / 64 < bits_.size() && (bits_[id / 64] >> (id % 64) & 1) != 0;
  }
  uint64_t Cardinality() const override { return cardinality_; }
  void ForEach(const std::function<bool(uint64_t id)>& visit) const override {
    for (const uint32_t ordinal : bitmap_) {
      if (!visit(ordinal)) return;
    }
  }

  // Memory held, roughly.
  size_t memory_bytes() const {
    return sizeof(*this) + bitmap_.getSizeInBytes(false) + bits_.capacity() * sizeof(uint64_t);
  }

 private:
  static constexpr uint64_t kFewestForBits = 1'024;

  Roaring bitmap_;
  uint64_t cardinality_;
  std::vector<uint64_t> bits_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_BITMAP_FILTER_H_
