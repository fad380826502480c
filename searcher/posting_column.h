// One field of many photos, inverted: its distinct values in order, each with
// the ordinals that have it. Rare values share one run of ordinals, frequent ones
// have a bitmap each; cuts through a long run make a wide range one subtraction
// of bitmaps. Immutable once made; any thread.
//
//   PostingColumn<double>::Builder builder;
//   builder.Add(400, ordinal);
//   const PostingColumn<double> column = std::move(builder).Build();
//   Roaring found;
//   column.AddRange(column.LowerBound(100), column.UpperBound(800), found);
#ifndef EIDETIC_SEARCHER_POSTING_COLUMN_H_
#define EIDETIC_SEARCHER_POSTING_COLUMN_H_

#include <roaring/roaring.hh>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace eidetic::searcher {

template <typename Value>
class PostingColumn {
 public:
  class Builder;

  // Values are named by their place in the order.
  size_t value_count() const { return values_.size(); }
  const Value& value(size_t index) const { return values_[index]; }
  size_t LowerBound(const Value& value) const {
    return static_cast<size_t>(std::lower_bound(values_.begin(), values_.end(), value) - values_.begin());
  }
  size_t UpperBound(const Value& value) const {
    return static_cast<size_t>(std::upper_bound(values_.begin(), values_.end(), value) - values_.begin());
  }

  // All ordinals that have a value.
  const Roaring& present() const { return present_; }

  // The ordinals of the values [begin, end).
  void AddRange(size_t begin, size_t end, Roaring& out) const {
    if (begin >= end) return;
    if (begin == 0 && end == values_.size()) {
      out |= present_;
      return;
    }
    AddRun(starts_[begin], starts_[end], out);
    const auto first = std::lower_bound(frequent_.begin(), frequent_.end(), begin,
                                        [](const auto& entry, size_t index) { return entry.first < index; });
    std::vector<const Roaring*> bitmaps;
    for (auto entry = first; entry != frequent_.end() && entry->first < end; ++entry) {
      bitmaps.push_back(&entry->second);
    }
    if (bitmaps.size() == 1) out |= *bitmaps[0];
    if (bitmaps.size() > 1) out |= Roaring::fastunion(bitmaps.size(), bitmaps.data());
  }

  // `visit(value, ordinal)` for each pair, by rising value.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    auto frequent = frequent_.begin();
    for (size_t index = 0; index < values_.size(); ++index) {
      for (uint32_t i = starts_[index]; i < starts_[index + 1]; ++i) visit(values_[index], run_[i]);
      if (frequent == frequent_.end() || frequent->first != index) continue;
      for (const uint32_t ordinal : frequent->second) visit(values_[index], ordinal);
      ++frequent;
    }
  }

  // Memory held, roughly.
  size_t memory_bytes() const {
    size_t bytes = values_.capacity() * sizeof(Value) + starts_.capacity() * sizeof(uint32_t) +
                   run_.capacity() * sizeof(uint32_t) + present_.getSizeInBytes(false);
    for (const Value& value : values_) bytes += HeapBytes(value);
    for (const auto& [index, bitmap] : frequent_) bytes += sizeof(bitmap) + bitmap.getSizeInBytes(false);
    for (const Roaring& cut : cuts_) bytes += sizeof(cut) + cut.getSizeInBytes(false);
    return bytes;
  }

 private:
  // From this many ordinals on a value has a bitmap of its own.
  static constexpr size_t kFrequent = 32;
  // A run of this length has cuts; at most kCuts, so that a range looks at few
  // ordinals one by one.
  static constexpr size_t kShortestCut = 4'096;
  static constexpr size_t kCuts = 32;

  static size_t HeapBytes(double) { return 0; }
  static size_t HeapBytes(const std::string& text) {
    return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
  }

  // Builds presence and cuts; an ordinal has one value when `single`.
  void Finish(bool single) {
    starts_.push_back(static_cast<uint32_t>(run_.size()));
    values_.shrink_to_fit();
    run_.shrink_to_fit();
    present_.addMany(run_.size(), run_.data());
    for (const auto& [index, bitmap] : frequent_) present_ |= bitmap;
    present_.runOptimize();
    if (!single || run_.size() < 2 * kShortestCut) return;
    cut_step_ = std::max(kShortestCut, run_.size() / kCuts);
    Roaring before;
    for (size_t cut = 0; (cut + 1) * cut_step_ <= run_.size(); ++cut) {
      cuts_.push_back(before);
      before.addMany(cut_step_, run_.data() + cut * cut_step_);
    }
    cuts_.push_back(std::move(before));
  }

  void AddRun(size_t begin, size_t end, Roaring& out) const {
    if (end - begin <= std::max<size_t>(cut_step_, 1) || cuts_.empty()) {
      out.addMany(end - begin, run_.data() + begin);
      return;
    }
    // What lies before the nearest cut to each end, put right by the ordinals
    // between cut and end.
    const auto nearest = [this](size_t place) {
      return std::min(cuts_.size() - 1, (place + cut_step_ / 2) / cut_step_);
    };
    const size_t first_cut = nearest(begin);
    const size_t last_cut = nearest(end);
    Roaring range = cuts_[last_cut] - cuts_[first_cut];
    const size_t first = first_cut * cut_step_;
    const size_t last = last_cut * cut_step_;
    const auto bitmap = [this](size_t from, size_t to) { return Roaring(to - from, run_.data() + from); };
    if (begin < first) range |= bitmap(begin, first);
    if (begin > first) range -= bitmap(first, begin);
    if (end > last) range |= bitmap(last, end);
    if (end < last) range -= bitmap(end, last);
    out |= range;
  }

  std::vector<Value> values_;
  // Where the ordinals of each value begin in run_, and the end of the last.
  std::vector<uint32_t> starts_;
  std::vector<uint32_t> run_;
  std::vector<std::pair<size_t, Roaring>> frequent_;
  Roaring present_;
  // cuts_[i] holds the ordinals of run_[0, i * cut_step_).
  std::vector<Roaring> cuts_;
  size_t cut_step_ = 0;
};

// Collects pairs in any order; the same pair may come twice.
template <typename Value>
class PostingColumn<Value>::Builder {
 public:
  void Add(const Value& value, uint32_t ordinal) {
    if constexpr (std::is_same_v<Value, std::string>) {
      const auto [entry, is_new] = numbers_.try_emplace(value, static_cast<uint32_t>(numbers_.size()));
      if (is_new) text_bytes_ += value.size() + sizeof(Value);
      pairs_.emplace_back(entry->second, ordinal);
    } else {
      pairs_.emplace_back(value, ordinal);
    }
  }

  // Memory of what was added, roughly.
  size_t memory_bytes() const { return text_bytes_ + pairs_.size() * sizeof(Pair); }

  PostingColumn Build() && {
    PostingColumn column;
    if constexpr (std::is_same_v<Value, std::string>) {
      std::vector<std::pair<std::string, uint32_t>> texts(numbers_.begin(), numbers_.end());
      numbers_.clear();
      std::sort(texts.begin(), texts.end());
      std::vector<uint32_t> order(texts.size());
      for (size_t i = 0; i < texts.size(); ++i) order[texts[i].second] = static_cast<uint32_t>(i);
      for (Pair& pair : pairs_) pair.first = order[pair.first];
      FillFromPairs(column, [&texts](uint32_t number) { return std::move(texts[number].first); });
    } else {
      FillFromPairs(column, [](Value value) { return value; });
    }
    return column;
  }

 private:
  using Key = std::conditional_t<std::is_same_v<Value, std::string>, uint32_t, Value>;
  using Pair = std::pair<Key, uint32_t>;

  template <typename ToValue>
  void FillFromPairs(PostingColumn& column, const ToValue& to_value) {
    std::sort(pairs_.begin(), pairs_.end());
    pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
    std::vector<uint32_t> ordinals;
    for (size_t i = 0; i < pairs_.size();) {
      const Key key = pairs_[i].first;
      ordinals.clear();
      for (; i < pairs_.size() && pairs_[i].first == key; ++i) ordinals.push_back(pairs_[i].second);
      column.starts_.push_back(static_cast<uint32_t>(column.run_.size()));
      if (ordinals.size() >= kFrequent) {
        Roaring bitmap(ordinals.size(), ordinals.data());
        bitmap.runOptimize();
        column.frequent_.emplace_back(column.values_.size(), std::move(bitmap));
      } else {
        column.run_.insert(column.run_.end(), ordinals.begin(), ordinals.end());
      }
      column.values_.push_back(to_value(key));
    }
    pairs_ = {};
    // Only numbers are asked for in wide ranges, and have one value a photo.
    column.Finish(/*single=*/!std::is_same_v<Value, std::string>);
  }

  absl::flat_hash_map<std::string, uint32_t> numbers_;
  std::vector<Pair> pairs_;
  size_t text_bytes_ = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_POSTING_COLUMN_H_
