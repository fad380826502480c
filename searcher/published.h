// A shared pointer that is replaced while others read it. A reader holds a shared
// lock for as long as it takes to copy the pointer, never during a search; what it
// got stays as it was until it lets go. Any thread.
//
// Not std::atomic<std::shared_ptr>: in GCC 12 its load unlocks without a barrier,
// so that on arm64 the pointer may be read after the next one was stored.
//
//   Published<const Graph> graph;
//   graph.store(std::move(built));
//   const std::shared_ptr<const Graph> seen = graph.load();
#ifndef EIDETIC_SEARCHER_PUBLISHED_H_
#define EIDETIC_SEARCHER_PUBLISHED_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace eidetic::searcher {

template <typename T>
class Published {
 public:
  Published() = default;
  explicit Published(std::shared_ptr<T> value) : value_(std::move(value)) {}

  std::shared_ptr<T> load() const {
    const absl::ReaderMutexLock lock(&mutex_);
    return value_;
  }
  // What was there is let go of after the lock: that may take long.
  void store(std::shared_ptr<T> value) {
    const absl::MutexLock lock(&mutex_);
    value_.swap(value);
  }

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<T> value_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_PUBLISHED_H_
