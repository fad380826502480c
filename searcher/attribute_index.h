// Answers "which photos pass this filter" for one library: its photos' fields in
// memory, inverted (attribute_segment.h), made from RocksDB and kept up to date
// by its change log. Nothing is read before the first filter, or before Prepare:
// a search without a filter never waits for it. Owned by the process that holds
// the library, which must outlive it. Every method may be called from any thread;
// readers share an immutable state and never wait for a writer.
//
//   AttributeIndex attributes(library, {});
//   ASSIGN_OR_RETURN(const FilterExpression filter, CompileFilter("iso > 800"));
//   ASSIGN_OR_RETURN(const FilterMatches matches, attributes.Evaluate(filter, {}));
#ifndef EIDETIC_SEARCHER_ATTRIBUTE_INDEX_H_
#define EIDETIC_SEARCHER_ATTRIBUTE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "searcher/attribute_segment.h"
#include "searcher/bitmap_filter.h"
#include "searcher/filter_expression.h"
#include "searcher/segmented_index.h"
#include "storage/library.h"

namespace eidetic::searcher {

struct AttributeIndexOptions {
  // Texts and numbers while they are read, in bytes; beyond it filters are
  // refused with RESOURCE_EXHAUSTED. bench/attribute_index_memory measured 265 bytes
  // a photo with them, 93 when they were read, over 200,000 synthetic photos.
  size_t max_bytes = size_t{2} << 30;
  // Segments with more photos than this are merged by a thread of their own.
  size_t merge_aside_from = 20'000;
};

struct FilterMatches {
  std::shared_ptr<const BitmapFilter> photos;
  // Photos in the library at that time.
  uint64_t live_count = 0;
  // Contains every change up to this one.
  uint64_t last_sequence = 0;
  // The same filter was asked before and nothing has changed since.
  bool cached = false;
};

class AttributeIndex {
 public:
  AttributeIndex(const storage::Library* library, const AttributeIndexOptions& options)
      : library_(library),
        photos_(library, {.content = "attributes",
                          .purpose = "filters",
                          .max_bytes = options.max_bytes,
                          .merge_aside_from = options.merge_aside_from}) {}

  // Begins to read the library, in the background, when nobody has yet.
  void Prepare() { photos_.Prepare(); }

  // Photos that pass, of a state that contains every change committed before the
  // call; waits for it, the first time for the building. `cancelled` may be
  // empty; → kCancelled. kDataLoss and others: the library could not be read.
  absl::StatusOr<FilterMatches> Evaluate(const FilterExpression& filter,
                                         const std::function<bool()>& cancelled);

  SegmentedIndexStatus status() const { return photos_.status(); }

 private:
  const storage::Library* const library_;
  SegmentedIndex<AttributeSegment> photos_;

  absl::Mutex mutex_;
  // Answers of filters, good for the state numbered so.
  uint64_t cached_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<const BitmapFilter>> cache_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_ATTRIBUTE_INDEX_H_
