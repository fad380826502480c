#include "indexer/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

namespace eidetic::indexer {
namespace {

TEST(BoundedQueueTest, NeverHoldsMoreThanItMay) {
  BoundedQueue<int> queue(3);
  std::atomic<int> pushed = 0;
  std::thread producer([&] {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(queue.Push(i));
      ++pushed;
    }
    queue.Close();
  });
  int taken = 0;
  while (const auto item = queue.Pop()) {
    EXPECT_EQ(*item, taken);
    ++taken;
    EXPECT_LE(pushed, taken + 3 + 1);
  }
  producer.join();
  EXPECT_EQ(taken, 100);
}

TEST(BoundedQueueTest, ManyOnBothSidesLoseNothing) {
  BoundedQueue<int> queue(8);
  std::vector<std::thread> producers;
  for (int p = 0; p < 4; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < 500; ++i) ASSERT_TRUE(queue.Push(p * 500 + i));
    });
  }
  std::mutex mutex;
  std::multiset<int> seen;
  std::vector<std::thread> consumers;
  for (int c = 0; c < 3; ++c) {
    consumers.emplace_back([&] {
      while (true) {
        const std::vector<int> items = queue.PopMany(16, absl::Milliseconds(1));
        if (items.empty()) return;
        EXPECT_LE(items.size(), 16U);
        const std::lock_guard<std::mutex> lock(mutex);
        seen.insert(items.begin(), items.end());
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  queue.Close();
  for (std::thread& consumer : consumers) consumer.join();
  EXPECT_EQ(seen.size(), 2000U);
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 2000U);
}

TEST(BoundedQueueTest, CloseLetsTheRestOutAndAbortDropsIt) {
  BoundedQueue<int> closed(4);
  ASSERT_TRUE(closed.Push(1));
  closed.Close();
  EXPECT_FALSE(closed.Push(2));
  EXPECT_EQ(closed.Pop(), 1);
  EXPECT_EQ(closed.Pop(), std::nullopt);

  BoundedQueue<int> aborted(1);
  ASSERT_TRUE(aborted.Push(1));
  std::thread blocked([&] { EXPECT_FALSE(aborted.Push(2)); });
  absl::SleepFor(absl::Milliseconds(10));
  aborted.Abort();
  blocked.join();
  EXPECT_EQ(aborted.Pop(), std::nullopt);
}

}  // namespace
}  // namespace eidetic::indexer
