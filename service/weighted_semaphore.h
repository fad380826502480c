// Bounds how much of something calls use together: runs of a tower, pixels
// being decoded. Whoever would go over the bound waits, unless his call is
// cancelled first. Any thread; outlives its permits.
//
//   WeightedSemaphore pixels(200'000'000);
//   EIDETIC_ASSIGN_OR_RETURN(auto permit, pixels.Acquire(width * height, cancellation));
#ifndef EIDETIC_SERVICE_WEIGHTED_SEMAPHORE_H_
#define EIDETIC_SERVICE_WEIGHTED_SEMAPHORE_H_

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "service/cancellation.h"

namespace eidetic::service {

class WeightedSemaphore {
 public:
  // Gives its amount back when it is destroyed.
  class Permit {
   public:
    Permit(Permit&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)), amount_(other.amount_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (semaphore_ != nullptr) semaphore_->Release(amount_);
    }

   private:
    friend class WeightedSemaphore;
    Permit(WeightedSemaphore* semaphore, uint64_t amount) : semaphore_(semaphore), amount_(amount) {}

    WeightedSemaphore* semaphore_;
    uint64_t amount_;
  };

  explicit WeightedSemaphore(uint64_t capacity) : capacity_(capacity), free_(capacity) {}

  // An amount above the capacity counts as the whole of it. Errors:
  // `cancellation`'s.
  absl::StatusOr<Permit> Acquire(uint64_t amount, const Cancellation& cancellation);

 private:
  void Release(uint64_t amount);

  const uint64_t capacity_;
  absl::Mutex mutex_;
  uint64_t free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_WEIGHTED_SEMAPHORE_H_
