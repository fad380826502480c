// Lets one long job run at a time; the next one is refused and told what runs.
// Any thread; outlives its tickets.
//
//   EIDETIC_ASSIGN_OR_RETURN(ExclusiveRun::Ticket ticket, index_run.Begin("indexing /photos"));
#ifndef EIDETIC_SERVICE_EXCLUSIVE_RUN_H_
#define EIDETIC_SERVICE_EXCLUSIVE_RUN_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace eidetic::service {

class ExclusiveRun {
 public:
  // The job is over when its ticket is destroyed.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept : run_(std::exchange(other.run_, nullptr)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (run_ != nullptr) run_->End();
    }

   private:
    friend class ExclusiveRun;
    explicit Ticket(ExclusiveRun* run) : run_(run) {}

    ExclusiveRun* run_;
  };

  // kAborted, naming the running job, while there is one.
  absl::StatusOr<Ticket> Begin(std::string description) {
    absl::MutexLock lock(&mutex_);
    if (!running_.empty()) {
      return absl::AbortedError(
          absl::StrCat("another run goes on, since ",
                       absl::FormatDuration(absl::Trunc(absl::Now() - start_, absl::Seconds(1))), ": ",
                       running_, "; wait for its end or cancel it"));
    }
    running_ = std::move(description);
    start_ = absl::Now();
    return Ticket(this);
  }

 private:
  void End() {
    absl::MutexLock lock(&mutex_);
    running_.clear();
  }

  absl::Mutex mutex_;
  std::string running_ ABSL_GUARDED_BY(mutex_);
  absl::Time start_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_EXCLUSIVE_RUN_H_
