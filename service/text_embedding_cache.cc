#include "service/text_embedding_cache.h"

namespace eidetic::service {

std::optional<std::vector<float>> TextEmbeddingCache::Get(absl::string_view text) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) {
    ++requests_.misses;
    return std::nullopt;
  }
  ++requests_.hits;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->embedding;
}

void TextEmbeddingCache::Put(absl::string_view text, const std::vector<float>& embedding) {
  if (capacity_ == 0 || text.size() > kMaxTextBytes) return;
  absl::MutexLock lock(&mutex_);
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    found->second->embedding = embedding;
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  if (entries_.size() == capacity_) {
    by_text_.erase(entries_.back().text);
    entries_.pop_back();
  }
  entries_.push_front(Entry{std::string(text), embedding});
  by_text_.emplace(entries_.front().text, entries_.begin());
}

TextEmbeddingCache::Requests TextEmbeddingCache::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

size_t TextEmbeddingCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace eidetic::service
