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

#include <roaring/roaring.hh>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "searcher/attribute_segment.h"
#include "searcher/bitmap_filter.h"
#include "searcher/filter_expression.h"
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

struct AttributeIndexStatus {
  enum class State { kIdle, kBuilding, kReady, kFailed };
  State state = State::kIdle;
  uint64_t photo_count = 0;
  uint64_t last_sequence = 0;
  size_t segment_count = 0;
  size_t memory_bytes = 0;
  absl::Duration build_time;
};

class AttributeIndex {
 public:
  AttributeIndex(const storage::Library* library, const AttributeIndexOptions& options)
      : library_(library), options_(options) {}
  ~AttributeIndex();

  // Begins to read the library, in the background, when nobody has yet.
  void Prepare();

  // Photos that pass, of a state that contains every change committed before the
  // call; waits for it, the first time for the building. `cancelled` may be
  // empty; → kCancelled. kDataLoss and others: the library could not be read.
  absl::StatusOr<FilterMatches> Evaluate(const FilterExpression& filter,
                                         const std::function<bool()>& cancelled);

  AttributeIndexStatus status() const;

 private:
  // A segment and those of its rows that no later change has touched.
  struct Part {
    std::shared_ptr<const AttributeSegment> segment;
    Roaring valid;
  };
  // What readers see. Never changed once published.
  struct State {
    std::vector<Part> parts;  // the largest first
    uint64_t live_count = 0;
    uint64_t last_sequence = 0;
  };

  void Run();
  absl::Status Build();
  // Takes in the changes up to now; kOutOfRange when the log was cut.
  absl::Status CatchUp();
  absl::Status TakeIn(const std::vector<storage::Change>& changes);
  // Merges the last parts while they are of a size; large ones beside.
  void MergeParts();
  // Index of the part that should be merged with the one behind it; -1: none.
  static int MergeablePart(const State& state);
  static std::shared_ptr<const AttributeSegment> Merge(const Part& a, const Part& b);
  // Puts `merged` in place of the two parts that it was made of.
  void Replace(const AttributeSegment* a, const AttributeSegment* b,
               std::shared_ptr<const AttributeSegment> merged);
  static void CountLive(State& state);
  std::shared_ptr<const State> state() const;
  absl::StatusOr<std::shared_ptr<const State>> AwaitState(uint64_t sequence,
                                                          const std::function<bool()>& cancelled);

  const storage::Library* const library_;
  const AttributeIndexOptions options_;

  mutable absl::Mutex mutex_;
  AttributeIndexStatus::State phase_ ABSL_GUARDED_BY(mutex_) = AttributeIndexStatus::State::kIdle;
  // Of the last attempt to build or catch up.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const State> state_ ABSL_GUARDED_BY(mutex_);
  absl::Duration build_time_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  // Answers of filters, good for the state numbered so.
  uint64_t cached_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<const BitmapFilter>> cache_ ABSL_GUARDED_BY(mutex_);

  std::thread worker_;
  // Used by the worker alone.
  std::thread merger_;
  bool merging_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_ATTRIBUTE_INDEX_H_
