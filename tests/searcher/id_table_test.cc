#include "searcher/id_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace eidetic::searcher {
namespace {

TEST(IdTableTest, FindsWhatWasSetThroughGrowth) {
  IdTable table;
  EXPECT_EQ(table.Find(0), IdTable::kAbsent);
  for (uint32_t i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(table.Reserve(1).ok());
    // Close together, and far apart with equal lower halves.
    table.Set(i % 2 == 0 ? i : uint64_t{i} << 32, i);
  }
  EXPECT_EQ(table.size(), 20'000U);
  for (uint32_t i = 0; i < 20'000; ++i) EXPECT_EQ(table.Find(i % 2 == 0 ? i : uint64_t{i} << 32), i);
  EXPECT_EQ(table.Find(1), IdTable::kAbsent);
  EXPECT_EQ(table.Find(UINT64_MAX), IdTable::kAbsent);
  table.Set(4, 77);
  EXPECT_EQ(table.Find(4), 77U);
  EXPECT_EQ(table.size(), 20'000U);
}

TEST(IdTableTest, ReadersSeeAnIdFromTheMomentItWasSet) {
  IdTable table;
  std::atomic<uint64_t> set = 0;
  std::thread reader([&] {
    for (uint64_t known = 0; known < 50'000; known = set.load(std::memory_order_acquire)) {
      for (uint64_t id = known > 50 ? known - 50 : 0; id < known; ++id) ASSERT_EQ(table.Find(id), id * 3);
      // Set a moment later or not: never a wrong position.
      const uint32_t next = table.Find(known + 1);
      ASSERT_TRUE(next == IdTable::kAbsent || next == (known + 1) * 3) << next;
    }
  });
  for (uint64_t id = 0; id < 50'000; ++id) {
    ASSERT_TRUE(table.Reserve(1).ok());
    table.Set(id, static_cast<uint32_t>(id * 3));
    set.store(id + 1, std::memory_order_release);
  }
  reader.join();
}

}  // namespace
}  // namespace eidetic::searcher
