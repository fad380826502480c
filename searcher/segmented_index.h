// What follows a library's photos in memory for one purpose: immutable segments,
// made from RocksDB and kept up to date by the change log, small ones merged in the
// background. `Segment` says what is kept of a photo: AttributeSegment for filters,
// WordSegment for words. Nothing is read before Prepare or AwaitState. Owned by the
// index that asks it; the library must outlive it. Every method may be called from
// any thread; readers share an immutable state and never wait for a writer.
//
//   SegmentedIndex<WordSegment> photos(library, {.max_bytes = ..., .content = "words"});
//   ASSIGN_OR_RETURN(const auto state, photos.AwaitState(library->last_sequence(), {}));
//   for (const auto& part : state->parts) ... part.segment, part.valid
#ifndef EIDETIC_SEARCHER_SEGMENTED_INDEX_H_
#define EIDETIC_SEARCHER_SEGMENTED_INDEX_H_

#include <roaring/roaring.hh>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/library.h"

namespace eidetic::searcher {

struct SegmentedIndexOptions {
  // What is kept of the photos, for messages: "attributes".
  const char* content = "";
  // What cannot be answered without it: "filters".
  const char* purpose = "";
  // While the library is read, in bytes; beyond it: RESOURCE_EXHAUSTED.
  size_t max_bytes = 0;
  // Segments with more photos than this are merged by a thread of their own.
  size_t merge_aside_from = 20'000;
};

struct SegmentedIndexStatus {
  enum class State { kIdle, kBuilding, kReady, kFailed };
  State state = State::kIdle;
  uint64_t photo_count = 0;
  uint64_t last_sequence = 0;
  size_t segment_count = 0;
  size_t memory_bytes = 0;
  absl::Duration build_time;
};

// A Segment has rows(), memory_bytes() and a Builder with AddAsset(record,
// has_captions, library), AddSegment(segment, rows), memory_bytes() and Build().
template <typename Segment>
class SegmentedIndex {
 public:
  // A segment and those of its rows that no later change has touched.
  struct Part {
    std::shared_ptr<const Segment> segment;
    Roaring valid;
  };
  // What readers see. Never changed once published.
  struct State {
    std::vector<Part> parts;  // the largest first
    uint64_t live_count = 0;
    uint64_t last_sequence = 0;
  };

  SegmentedIndex(const storage::Library* library, const SegmentedIndexOptions& options)
      : library_(library), options_(options) {}
  ~SegmentedIndex();

  // Begins to read the library, in the background, when nobody has yet.
  void Prepare();

  // A state that contains every change up to `sequence`; waits for it, the first
  // time for the building. `cancelled` may be empty; -> kCancelled. kDataLoss and
  // others: the library could not be read.
  absl::StatusOr<std::shared_ptr<const State>> AwaitState(uint64_t sequence,
                                                          const std::function<bool()>& cancelled);

  SegmentedIndexStatus status() const;

 private:
  void Run();
  absl::Status Build();
  // Takes in the changes up to now; kOutOfRange when the log was cut.
  absl::Status CatchUp();
  absl::Status TakeIn(const std::vector<storage::Change>& changes);
  // Merges the last parts while they are of a size; large ones beside.
  void MergeParts();
  // Index of the part that should be merged with the one behind it; -1: none.
  static int MergeablePart(const State& state);
  static std::shared_ptr<const Segment> Merge(const Part& a, const Part& b);
  // Puts `merged` in place of the two parts that it was made of.
  void Replace(const Segment* a, const Segment* b, std::shared_ptr<const Segment> merged);
  static void CountLive(State& state);
  std::shared_ptr<const State> state() const;

  const storage::Library* const library_;
  const SegmentedIndexOptions options_;

  mutable absl::Mutex mutex_;
  SegmentedIndexStatus::State phase_ ABSL_GUARDED_BY(mutex_) = SegmentedIndexStatus::State::kIdle;
  // Of the last attempt to build or catch up.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const State> state_ ABSL_GUARDED_BY(mutex_);
  absl::Duration build_time_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread worker_;
  // Used by the worker alone.
  std::thread merger_;
  bool merging_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SEGMENTED_INDEX_H_
