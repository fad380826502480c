#include "service/admission.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "service/exclusive_run.h"
#include "service/grpc_status.h"
#include "service/weighted_semaphore.h"

namespace eidetic::service {
namespace {

TEST(AdmissionTest, RefusesAtOnceOverTheLimit) {
  Admission admission(2);
  std::optional<Admission::Ticket> first = std::move(admission.Enter()).value();
  const Admission::Ticket second = std::move(admission.Enter()).value();
  const absl::Status refused = admission.Enter().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(GetRetryInfo(refused).has_value());
  first.reset();
  EXPECT_TRUE(admission.Enter().ok());
}

TEST(ExclusiveRunTest, NamesTheRunningJob) {
  ExclusiveRun run;
  {
    const ExclusiveRun::Ticket ticket = std::move(run.Begin("indexing /photos")).value();
    const absl::Status refused = run.Begin("indexing /more").status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
    EXPECT_NE(std::string(refused.message()).find("indexing /photos"), std::string::npos);
  }
  EXPECT_TRUE(run.Begin("indexing /more").ok());
}

TEST(WeightedSemaphoreTest, NeverGivesMoreThanItHas) {
  WeightedSemaphore semaphore(10);
  std::atomic<int> used = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 1; i < 500; ++i) {
        const int amount = 1 + i % 10;
        const auto permit = semaphore.Acquire(static_cast<uint64_t>(amount), Cancellation());
        ASSERT_TRUE(permit.ok());
        EXPECT_LE(used.fetch_add(amount) + amount, 10);
        used.fetch_sub(amount);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(WeightedSemaphoreTest, MoreThanAllCountsAsAll) {
  WeightedSemaphore semaphore(10);
  EXPECT_TRUE(semaphore.Acquire(1'000, Cancellation()).ok());
  EXPECT_TRUE(semaphore.Acquire(10, Cancellation()).ok());
}

}  // namespace
}  // namespace eidetic::service
