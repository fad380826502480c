#include "searcher/segmented_index.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "searcher/attribute_segment.h"
#include "searcher/word_segment.h"

namespace eidetic::searcher {
namespace {

using Phase = SegmentedIndexStatus::State;

constexpr int kChangesAtOnce = 1'024;
// The worker looks whether it should stop this often, a waiting filter whether
// its call was cancelled.
constexpr absl::Duration kWorkerWakes = absl::Milliseconds(50);
constexpr absl::Duration kWaiterWakes = absl::Milliseconds(20);
// After a failed attempt.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
// Parts keep to falling sizes: one is merged with the next when it has less than
// so many times its rows.
constexpr uint64_t kSizeRatio = 2;
// Rows read between two looks at whether to stop.
constexpr size_t kRowsAtOnce = 4'096;

}  // namespace

template <typename Segment>
SegmentedIndex<Segment>::~SegmentedIndex() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (worker_.joinable()) worker_.join();
}

template <typename Segment>
void SegmentedIndex<Segment>::Prepare() {
  const absl::MutexLock lock(&mutex_);
  if (phase_ != Phase::kIdle) return;
  phase_ = Phase::kBuilding;
  worker_ = std::thread([this] { Run(); });
}

template <typename Segment>
SegmentedIndexStatus SegmentedIndex<Segment>::status() const {
  SegmentedIndexStatus status;
  std::shared_ptr<const State> state;
  {
    const absl::MutexLock lock(&mutex_);
    status.state = phase_;
    status.build_time = build_time_;
    state = state_;
  }
  if (state == nullptr) return status;
  status.photo_count = state->live_count;
  status.last_sequence = state->last_sequence;
  status.segment_count = state->parts.size();
  for (const Part& part : state->parts) {
    status.memory_bytes += part.segment->memory_bytes() + part.valid.getSizeInBytes(false);
  }
  return status;
}

template <typename Segment>
auto SegmentedIndex<Segment>::AwaitState(uint64_t sequence, const std::function<bool()>& cancelled)
    -> absl::StatusOr<std::shared_ptr<const State>> {
  const auto there = [this, sequence]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return phase_ == Phase::kFailed || (state_ != nullptr && state_->last_sequence >= sequence);
  };
  const absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&there), kWaiterWakes)) {
    if (cancelled && cancelled()) {
      return absl::CancelledError(
          absl::StrCat("the search was stopped while the photos' ", options_.content, " were read"));
    }
  }
  // Behind and failing is not answered: a photo might be missing, or pass by
  // what it no longer is.
  if (state_ == nullptr || state_->last_sequence < sequence) {
    return AddContext(failure_, absl::StrCat(options_.purpose, " cannot be answered now"));
  }
  return state_;
}

template <typename Segment>
auto SegmentedIndex<Segment>::state() const -> std::shared_ptr<const State> {
  const absl::MutexLock lock(&mutex_);
  return state_;
}

template <typename Segment>
void SegmentedIndex<Segment>::CountLive(State& state) {
  state.live_count = 0;
  for (const Part& part : state.parts) state.live_count += part.valid.cardinality();
}

template <typename Segment>
void SegmentedIndex<Segment>::Run() {
  const auto stopping = [this] {
    const absl::MutexLock lock(&mutex_);
    return stop_;
  };
  bool built = false;
  while (!stopping()) {
    absl::Status status = built ? CatchUp() : Build();
    if (absl::IsOutOfRange(status) && built) {
      // The log was cut behind us: from the start.
      built = false;
      continue;
    }
    if (status.ok()) built = true;
    {
      const absl::MutexLock lock(&mutex_);
      phase_ = status.ok() ? Phase::kReady : Phase::kFailed;
      failure_ = status;
    }
    if (!status.ok()) {
      for (absl::Duration waited; waited < kRetryAfter && !stopping(); waited += kWorkerWakes) {
        absl::SleepFor(kWorkerWakes);
      }
      continue;
    }
    MergeParts();
    library_->WaitForChange(state()->last_sequence, absl::Now() + kWorkerWakes);
  }
  if (merger_.joinable()) merger_.join();
}

template <typename Segment>
absl::Status SegmentedIndex<Segment>::Build() {
  const absl::Time began = absl::Now();
  typename Segment::Builder builder;
  size_t rows = 0;
  State state;
  const auto add = [&](const storage::v1::AssetRecord& record, bool has_captions) -> absl::Status {
    EIDETIC_RETURN_IF_ERROR(builder.AddAsset(record, has_captions, *library_));
    if (++rows % kRowsAtOnce != 0) return absl::OkStatus();
    if (builder.memory_bytes() > options_.max_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat("the ", options_.content, " of ", rows,
                                                       " photos fill ", options_.max_bytes >> 20,
                                                       " MiB, the most there may be for ", options_.purpose));
    }
    const absl::MutexLock lock(&mutex_);
    return stop_ ? absl::CancelledError("reading the library was stopped") : absl::OkStatus();
  };
  EIDETIC_ASSIGN_OR_RETURN(state.last_sequence, library_->ForEachAsset(add));
  Part& part = state.parts.emplace_back();
  part.segment = std::move(builder).Build();
  part.valid = part.segment->rows();
  CountLive(state);
  const absl::MutexLock lock(&mutex_);
  state_ = std::make_shared<const State>(std::move(state));
  phase_ = Phase::kReady;
  build_time_ = absl::Now() - began;
  return absl::OkStatus();
}

template <typename Segment>
absl::Status SegmentedIndex<Segment>::CatchUp() {
  while (true) {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::Change> changes,
                             library_->ReadChanges(state()->last_sequence, kChangesAtOnce));
    if (changes.empty()) return absl::OkStatus();
    EIDETIC_RETURN_IF_ERROR(TakeIn(changes));
    MergeParts();
    const absl::MutexLock lock(&mutex_);
    if (stop_) return absl::OkStatus();
  }
}

template <typename Segment>
absl::Status SegmentedIndex<Segment>::TakeIn(const std::vector<storage::Change>& changes) {
  // What is read is the present state, so each photo is looked at once.
  std::set<storage::Ordinal> touched;
  for (const storage::Change& change : changes) touched.insert(change.record.ordinal());
  const std::vector<storage::Ordinal> ordinals(touched.begin(), touched.end());
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::optional<storage::Asset>> assets,
                           library_->GetAssets(ordinals));
  typename Segment::Builder builder;
  Roaring gone;
  for (size_t i = 0; i < ordinals.size(); ++i) {
    gone.add(ordinals[i]);
    if (!assets[i].has_value()) continue;
    EIDETIC_ASSIGN_OR_RETURN(const auto captions, library_->GetCaptions(ordinals[i]));
    EIDETIC_RETURN_IF_ERROR(builder.AddAsset(assets[i]->record, !captions.empty(), *library_));
  }
  Part added;
  added.segment = std::move(builder).Build();
  added.valid = added.segment->rows();
  // Only this thread and a merge change the state, and a merge not the rows.
  const absl::MutexLock lock(&mutex_);
  State next = *state_;
  for (Part& part : next.parts) part.valid -= gone;
  if (!added.valid.isEmpty()) next.parts.push_back(std::move(added));
  next.last_sequence = changes.back().sequence;
  CountLive(next);
  state_ = std::make_shared<const State>(std::move(next));
  return absl::OkStatus();
}

template <typename Segment>
int SegmentedIndex<Segment>::MergeablePart(const State& state) {
  for (int i = static_cast<int>(state.parts.size()) - 2; i >= 0; --i) {
    const auto size = [&state](int part) {
      return state.parts[static_cast<size_t>(part)].valid.cardinality();
    };
    if (size(i) < kSizeRatio * size(i + 1)) return i;
  }
  return -1;
}

template <typename Segment>
void SegmentedIndex<Segment>::MergeParts() {
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      if (merging_ || stop_) return;
    }
    const std::shared_ptr<const State> now = state();
    const int first = MergeablePart(*now);
    if (first < 0) return;
    const Part& a = now->parts[static_cast<size_t>(first)];
    const Part& b = now->parts[static_cast<size_t>(first) + 1];
    if (a.valid.cardinality() + b.valid.cardinality() <= options_.merge_aside_from) {
      Replace(a.segment.get(), b.segment.get(), Merge(a, b));
      continue;
    }
    if (merger_.joinable()) merger_.join();
    {
      const absl::MutexLock lock(&mutex_);
      merging_ = true;
    }
    merger_ = std::thread([this, now, a, b] {
      Replace(a.segment.get(), b.segment.get(), Merge(a, b));
      const absl::MutexLock lock(&mutex_);
      merging_ = false;
    });
    return;
  }
}

template <typename Segment>
std::shared_ptr<const Segment> SegmentedIndex<Segment>::Merge(const Part& a, const Part& b) {
  typename Segment::Builder builder;
  builder.AddSegment(*a.segment, a.valid);
  builder.AddSegment(*b.segment, b.valid);
  return std::move(builder).Build();
}

template <typename Segment>
void SegmentedIndex<Segment>::Replace(const Segment* a, const Segment* b,
                                      std::shared_ptr<const Segment> merged) {
  const absl::MutexLock lock(&mutex_);
  State next = *state_;
  const auto find = [&next](const Segment* segment) {
    return std::find_if(next.parts.begin(), next.parts.end(),
                        [segment](const Part& part) { return part.segment.get() == segment; });
  };
  const auto first = find(a);
  const auto second = find(b);
  // Built anew meanwhile.
  if (first == next.parts.end() || second == next.parts.end()) return;
  // What changes took from either since the merge began stays taken.
  first->valid |= second->valid;
  first->segment = std::move(merged);
  next.parts.erase(second);
  state_ = std::make_shared<const State>(std::move(next));
}

template class SegmentedIndex<AttributeSegment>;
template class SegmentedIndex<WordSegment>;

}  // namespace eidetic::searcher
