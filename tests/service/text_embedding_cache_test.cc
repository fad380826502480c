#include "service/text_embedding_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace eidetic::service {
namespace {

TEST(TextEmbeddingCacheTest, ForgetsTheLeastRecentlyUsed) {
  TextEmbeddingCache cache(2);
  cache.Put("a", {1});
  cache.Put("b", {2});
  EXPECT_TRUE(cache.Get("a").has_value());
  cache.Put("c", {3});
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_FALSE(cache.Get("b").has_value());
  EXPECT_EQ(cache.Get("a"), std::vector<float>{1});
  EXPECT_EQ(cache.Get("c"), std::vector<float>{3});
}

TEST(TextEmbeddingCacheTest, ReplacesAndTellsTextsApart) {
  TextEmbeddingCache cache(4);
  cache.Put("Dog", {1});
  cache.Put("dog", {2});
  cache.Put("dog", {3});
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.Get("dog"), std::vector<float>{3});
  EXPECT_EQ(cache.Get("Dog"), std::vector<float>{1});
}

TEST(TextEmbeddingCacheTest, KeepsNoLongTextsAndNothingWithoutRoom) {
  TextEmbeddingCache cache(4);
  cache.Put(std::string(TextEmbeddingCache::kMaxTextBytes + 1, 'x'), {1});
  EXPECT_EQ(cache.size(), 0U);
  TextEmbeddingCache none(0);
  none.Put("a", {1});
  EXPECT_FALSE(none.Get("a").has_value());
}

TEST(TextEmbeddingCacheTest, TakesManyThreads) {
  TextEmbeddingCache cache(16);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 2'000; ++i) {
        const int key = (i * (t + 1)) % 40;
        cache.Put(std::to_string(key), {static_cast<float>(key)});
        const auto found = cache.Get(std::to_string(key));
        if (found.has_value()) {
          EXPECT_EQ(found->front(), static_cast<float>(key));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.size(), 16U);
}

}  // namespace
}  // namespace eidetic::service
