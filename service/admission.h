// Lets a bounded number of calls in; the rest are refused at once instead of
// queueing, with google.rpc.RetryInfo. Any thread; outlives its tickets.
//
//   EIDETIC_ASSIGN_OR_RETURN(Admission::Ticket ticket, admission.Enter());
#ifndef EIDETIC_SERVICE_ADMISSION_H_
#define EIDETIC_SERVICE_ADMISSION_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace eidetic::service {

class Admission {
 public:
  // The call is over when its ticket is destroyed.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (admission_ != nullptr) admission_->in_flight_.fetch_sub(1);
    }

   private:
    friend class Admission;
    explicit Ticket(Admission* admission) : admission_(admission) {}

    Admission* admission_;
  };

  explicit Admission(int max_concurrent_calls) : max_concurrent_calls_(max_concurrent_calls) {}

  // kResourceExhausted when as many calls as allowed are in flight.
  absl::StatusOr<Ticket> Enter();

  int in_flight() const { return in_flight_; }
  // Calls that were refused so far.
  uint64_t rejected() const { return rejected_; }

 private:
  const int max_concurrent_calls_;
  std::atomic<int> in_flight_ = 0;
  std::atomic<uint64_t> rejected_ = 0;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_ADMISSION_H_
