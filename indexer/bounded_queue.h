// A queue between two stages of a pipeline. Push waits while it is full, Pop
// while it is empty; Close lets those who take finish what is there, Abort drops
// it and wakes everybody. Any number of threads on both sides.
//
//   BoundedQueue<Item> queue(64);
//   while (queue.Push(item)) ...          // false: aborted or closed
//   while (auto item = queue.Pop()) ...   // nullopt: closed and empty, or aborted
#ifndef EIDETIC_INDEXER_BOUNDED_QUEUE_H_
#define EIDETIC_INDEXER_BOUNDED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace eidetic::indexer {

template <typename Item>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  bool Push(Item item) {
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return items_.size() < capacity_ || closed_;
    };
    const absl::MutexLock lock(&mutex_, absl::Condition(&ready));
    if (closed_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  std::optional<Item> Pop() {
    std::vector<Item> one = PopMany(1, absl::ZeroDuration());
    if (one.empty()) return std::nullopt;
    return std::move(one.front());
  }

  // Waits for one item, then up to `linger` for more, `most` in all. Empty:
  // closed and empty, or aborted.
  std::vector<Item> PopMany(size_t most, absl::Duration linger) {
    const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !items_.empty() || closed_; };
    const auto enough = [this, most]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return items_.size() >= most || closed_;
    };
    std::vector<Item> taken;
    const absl::MutexLock lock(&mutex_, absl::Condition(&any));
    if (most > 1) mutex_.AwaitWithTimeout(absl::Condition(&enough), linger);
    while (!items_.empty() && taken.size() < most) {
      taken.push_back(std::move(items_.front()));
      items_.pop_front();
    }
    return taken;
  }

  void Close() {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

  void Abort() {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    items_.clear();
  }

 private:
  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<Item> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_BOUNDED_QUEUE_H_
