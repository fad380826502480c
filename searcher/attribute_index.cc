#include "searcher/attribute_index.h"

#include <utility>

#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

constexpr size_t kMaxCached = 64;

}  // namespace

absl::StatusOr<FilterMatches> AttributeIndex::Evaluate(const FilterExpression& filter,
                                                       const std::function<bool()>& cancelled) {
  const uint64_t wanted = library_->last_sequence();
  Prepare();
  EIDETIC_ASSIGN_OR_RETURN(const auto state, photos_.AwaitState(wanted, cancelled));
  FilterMatches matches;
  matches.live_count = state->live_count;
  matches.last_sequence = state->last_sequence;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = cache_.find(filter.canonical);
    if (cached_sequence_ == state->last_sequence && found != cache_.end()) {
      matches.photos = found->second;
      matches.cached = true;
      return matches;
    }
  }
  Roaring all;
  for (const auto& part : state->parts) {
    EIDETIC_ASSIGN_OR_RETURN(const Roaring found,
                             part.segment->Evaluate(filter.predicate, part.valid, cancelled));
    all |= found;
  }
  all.runOptimize();
  matches.photos = std::make_shared<const BitmapFilter>(std::move(all));
  const absl::MutexLock lock(&mutex_);
  if (cached_sequence_ > state->last_sequence) return matches;
  if (cached_sequence_ != state->last_sequence || cache_.size() >= kMaxCached) cache_.clear();
  cached_sequence_ = state->last_sequence;
  cache_[filter.canonical] = matches.photos;
  return matches;
}

}  // namespace eidetic::searcher
