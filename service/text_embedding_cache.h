// The most recently used text embeddings, so that a repeated query costs no run
// of the text tower. Any thread.
//
//   TextEmbeddingCache cache(4096);
//   cache.Put("a dog", embedding);
//   std::optional<std::vector<float>> found = cache.Get("a dog");
#ifndef EIDETIC_SERVICE_TEXT_EMBEDDING_CACHE_H_
#define EIDETIC_SERVICE_TEXT_EMBEDDING_CACHE_H_

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace eidetic::service {

class TextEmbeddingCache {
 public:
  // Longer texts are not kept: memory is capacity times a bounded entry.
  static constexpr size_t kMaxTextBytes = 1024;

  // A capacity of 0 keeps nothing.
  explicit TextEmbeddingCache(size_t capacity) : capacity_(capacity) {}

  std::optional<std::vector<float>> Get(absl::string_view text);
  void Put(absl::string_view text, const std::vector<float>& embedding);
  size_t size() const;

  struct Requests {
    uint64_t hits = 0;
    uint64_t misses = 0;
  };
  // Outcomes of Get so far.
  Requests requests() const;

 private:
  struct Entry {
    std::string text;
    std::vector<float> embedding;
  };

  const size_t capacity_;
  mutable absl::Mutex mutex_;
  // Most recently used first.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  Requests requests_ ABSL_GUARDED_BY(mutex_);
  // Keys view the texts of entries_.
  absl::flat_hash_map<absl::string_view, std::list<Entry>::iterator> by_text_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_TEXT_EMBEDDING_CACHE_H_
