#include "service/weighted_semaphore.h"

#include <algorithm>

#include "absl/time/time.h"
#include "proto/status_macros.h"

namespace eidetic::service {
namespace {

// How soon a waiting call notices that it was cancelled.
constexpr absl::Duration kCancellationInterval = absl::Milliseconds(20);

}  // namespace

absl::StatusOr<WeightedSemaphore::Permit> WeightedSemaphore::Acquire(uint64_t amount,
                                                                     const Cancellation& cancellation) {
  amount = std::min(amount, capacity_);
  absl::MutexLock lock(&mutex_);
  const auto has_room = [this, amount]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return free_ >= amount; };
  do {
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  } while (!mutex_.AwaitWithTimeout(absl::Condition(&has_room), kCancellationInterval));
  free_ -= amount;
  return Permit(this, amount);
}

void WeightedSemaphore::Release(uint64_t amount) {
  absl::MutexLock lock(&mutex_);
  free_ += amount;
}

}  // namespace eidetic::service
