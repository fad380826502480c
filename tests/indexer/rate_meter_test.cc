#include "indexer/rate_meter.h"

#include <gtest/gtest.h>

namespace eidetic::indexer {
namespace {

TEST(RateMeterTest, FindsASteadyRateAtOnceAndFollowsAChange) {
  RateMeter meter;
  absl::Time now = absl::UnixEpoch();
  uint64_t done = 0;
  EXPECT_EQ(meter.Update(done, now), 0);
  for (int i = 0; i < 10; ++i) {
    now += absl::Seconds(1);
    done += 50;
    EXPECT_NEAR(meter.Update(done, now), 50, 1e-6);
  }
  double rate = 50;
  for (int i = 0; i < 30; ++i) {
    now += absl::Seconds(1);
    done += 10;
    const double next = meter.Update(done, now);
    EXPECT_LT(next, rate);
    rate = next;
  }
  EXPECT_NEAR(rate, 10, 0.5);
}

TEST(RateMeterTest, ResetForgets) {
  RateMeter meter;
  meter.Update(0, absl::UnixEpoch());
  meter.Update(100, absl::UnixEpoch() + absl::Seconds(1));
  meter.Reset();
  EXPECT_EQ(meter.Update(7, absl::UnixEpoch() + absl::Seconds(2)), 0);
}

}  // namespace
}  // namespace eidetic::indexer
