// Units per second of long work, smoothed over the last seconds so that the
// remaining time told to a person neither jumps nor lags. One thread at a time.
#ifndef EIDETIC_INDEXER_RATE_METER_H_
#define EIDETIC_INDEXER_RATE_METER_H_

#include <cmath>
#include <cstdint>

#include "absl/time/time.h"

namespace eidetic::indexer {

class RateMeter {
 public:
  // `done` units are finished at `now`; both only grow. Returns units a second.
  double Update(uint64_t done, absl::Time now) {
    if (last_time_ == absl::InfinitePast()) {
      last_time_ = now;
      last_done_ = done;
      return 0;
    }
    const double seconds = absl::ToDoubleSeconds(now - last_time_);
    if (seconds < kInterval) return rate_;
    const double current = static_cast<double>(done - last_done_) / seconds;
    // Exponential smoothing; the first intervals count fully.
    weight_ = weight_ * std::exp(-seconds / kMemory) + (1 - std::exp(-seconds / kMemory));
    rate_ += (current - rate_) * (1 - std::exp(-seconds / kMemory)) / weight_;
    last_time_ = now;
    last_done_ = done;
    return rate_;
  }

  void Reset() { *this = RateMeter(); }

 private:
  static constexpr double kInterval = 0.25;  // seconds between measurements
  static constexpr double kMemory = 5;       // seconds until an old rate has faded to 1/e

  absl::Time last_time_ = absl::InfinitePast();
  uint64_t last_done_ = 0;
  double rate_ = 0;
  double weight_ = 0;
};

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_RATE_METER_H_
