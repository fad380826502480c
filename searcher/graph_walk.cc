#include "searcher/graph_walk.h"

#include <algorithm>
#include <cstring>

#include "searcher/code_kernels.h"

namespace eidetic::searcher {
namespace {

// Rows whose codes are asked for ahead of the one that is compared.
constexpr size_t kAhead = 4;
constexpr size_t kCacheLine = 64;

// The best so far, best first, in a sorted array of fixed length: insertion moves
// what is behind, which for a few hundred entries is faster than a heap.
class CandidatePool {
 public:
  void Reset(size_t capacity) {
    capacity_ = capacity;
    size_ = 0;
    next_ = 0;
    if (entries_.size() < capacity + 1) entries_.resize(capacity + 1);
  }

  bool Accepts(float score) const { return size_ < capacity_ || score > entries_[size_ - 1].score; }

  // Only when it is accepted.
  void Insert(float score, uint32_t position) {
    size_t low = 0;
    size_t high = size_;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (entries_[middle].score < score) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    if (size_ < capacity_) ++size_;
    std::memmove(&entries_[low + 1], &entries_[low], (size_ - 1 - low) * sizeof(Entry));
    entries_[low] = {score, position};
    next_ = std::min(next_, low);
  }

  // The best whose links were not followed yet; false: there is none.
  bool Next(uint32_t& position) {
    while (next_ < size_ && (entries_[next_].position & kFollowed) != 0) ++next_;
    if (next_ == size_) return false;
    position = entries_[next_].position;
    entries_[next_++].position |= kFollowed;
    return true;
  }
  // The one that Next would give now.
  const uint32_t* Peek() const {
    for (size_t i = next_; i < size_; ++i) {
      if ((entries_[i].position & kFollowed) == 0) return &entries_[i].position;
    }
    return nullptr;
  }

  size_t size() const { return size_; }
  Candidate at(size_t i) const { return {entries_[i].score, entries_[i].position & ~kFollowed}; }

 private:
  static constexpr uint32_t kFollowed = 1U << 31;
  struct Entry {
    float score;
    uint32_t position;
  };

  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t next_ = 0;
  std::vector<Entry> entries_;
};

// One bit a row.
class VisitedBits {
 public:
  void Reset(uint32_t size) {
    const size_t words = size / 64 + 1;
    if (words_.size() < words) words_.resize(words);
    std::fill_n(words_.begin(), words, 0);
  }
  // Whether it was not there yet.
  bool Insert(uint32_t position) {
    uint64_t& word = words_[position / 64];
    const uint64_t bit = uint64_t{1} << (position % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    return true;
  }

 private:
  std::vector<uint64_t> words_;
};

bool Better(const Candidate& a, const Candidate& b) { return a.score > b.score; }
bool Worse(const Candidate& a, const Candidate& b) { return a.score < b.score; }

// For a walk where not every row may be returned: nodes to follow, the best on
// top, and the best rows that may be, the worst on top.
class FilteredPool {
 public:
  void Reset(size_t capacity) {
    capacity_ = capacity;
    open_.clear();
    passing_.clear();
  }
  bool Accepts(float score) const { return passing_.size() < capacity_ || score > passing_.front().score; }
  void Insert(float score, uint32_t position, bool passes) {
    open_.push_back({score, position});
    std::push_heap(open_.begin(), open_.end(), Worse);
    if (!passes) return;
    if (passing_.size() == capacity_) {
      std::pop_heap(passing_.begin(), passing_.end(), Better);
      passing_.pop_back();
    }
    passing_.push_back({score, position});
    std::push_heap(passing_.begin(), passing_.end(), Better);
  }
  bool Next(uint32_t& position) {
    if (open_.empty() || !Accepts(open_.front().score)) return false;
    position = open_.front().position;
    std::pop_heap(open_.begin(), open_.end(), Worse);
    open_.pop_back();
    return true;
  }
  const uint32_t* Peek() const { return open_.empty() ? nullptr : &open_.front().position; }
  std::vector<Candidate>& Sorted() {
    std::sort_heap(passing_.begin(), passing_.end(), Better);
    return passing_;
  }

 private:
  size_t capacity_ = 0;
  std::vector<Candidate> open_;
  std::vector<Candidate> passing_;
};

struct Scratch {
  CandidatePool pool;
  FilteredPool filtered;
  VisitedBits visited;
  std::vector<uint32_t> fresh;
};

class Walk {
 public:
  Walk(const HnswGraph& graph, const VectorRows& rows, const CodedQuery& query, const WalkOptions& options,
       Scratch& scratch, std::vector<Candidate>& found)
      : graph_(graph),
        rows_(rows),
        query_(query),
        options_(options),
        pool_(scratch.pool),
        filtered_(scratch.filtered),
        visited_(scratch.visited),
        fresh_(scratch.fresh),
        found_(found),
        all_pass_(options.filter == nullptr && rows.live() >= options.rows) {}

  WalkStats Run() {
    visited_.Reset(graph_.size());
    fresh_.resize(graph_.width());
    const Candidate start = Descend();
    visited_.Insert(start.position);
    uint32_t position = 0;
    if (all_pass_) {
      pool_.Reset(options_.effort);
      pool_.Insert(start.score, start.position);
      while (pool_.Next(position)) Expand(pool_, position);
      for (size_t i = 0; i < std::min(options_.limit, pool_.size()); ++i) found_.push_back(pool_.at(i));
      return stats_;
    }
    filtered_.Reset(options_.effort);
    filtered_.Insert(start.score, start.position, Passes(start.position));
    while (filtered_.Next(position)) {
      Expand(filtered_, position);
      stats_.gave_up = stats_.compared > options_.most_compared;
      if (stats_.gave_up) return stats_;
    }
    const std::vector<Candidate>& sorted = filtered_.Sorted();
    found_.assign(sorted.begin(),
                  sorted.begin() + static_cast<ptrdiff_t>(std::min(options_.limit, sorted.size())));
    return stats_;
  }

 private:
  float Score(uint32_t position, int32_t product) const {
    return static_cast<float>(product) * query_.scale() * rows_.scale(position);
  }
  float Compare(uint32_t position) {
    ++stats_.compared;
    return Score(position, kernel_.dot(rows_.codes(position), query_.codes(), query_.sum(), query_.size()));
  }

  // From the entry to the nearest node of the level above the lowest.
  Candidate Descend() {
    Candidate best = {Compare(graph_.entry()), graph_.entry()};
    for (int level = graph_.top_level(); level > 0; --level) {
      for (bool nearer = true; nearer;) {
        nearer = false;
        for (const int32_t link : graph_.links(best.position, level)) {
          if (link < 0) break;
          const auto position = static_cast<uint32_t>(link);
          const float score = Compare(position);
          if (score > best.score) {
            best = {score, position};
            nearer = true;
          }
        }
      }
    }
    return best;
  }

  void Prefetch(uint32_t position) const {
    const uint8_t* codes = rows_.codes(position);
    for (size_t byte = 0; byte < query_.size(); byte += kCacheLine) __builtin_prefetch(codes + byte);
    __builtin_prefetch(rows_.scale_address(position));
  }

  template <typename Pool>
  void Expand(Pool& pool, uint32_t node) {
    ++stats_.expanded;
    size_t count = 0;
    for (const int32_t link : graph_.links(node)) {
      if (link < 0) break;
      const auto position = static_cast<uint32_t>(link);
      if (!visited_.Insert(position)) continue;
      if (count < kAhead) Prefetch(position);
      fresh_[count++] = position;
    }
    // Likely the next to be expanded.
    if (const uint32_t* next = pool.Peek(); next != nullptr) {
      const int32_t* links = graph_.links(*next).data();
      for (size_t i = 0; i < graph_.width(); i += kCacheLine / sizeof(int32_t)) __builtin_prefetch(links + i);
    }
    stats_.compared += count;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
      const uint8_t* codes[4];
      int32_t products[4];
      for (size_t j = 0; j < 4; ++j) {
        if (i + j + kAhead < count) Prefetch(fresh_[i + j + kAhead]);
        codes[j] = rows_.codes(fresh_[i + j]);
      }
      kernel_.dot_of_four(codes, query_.codes(), query_.sum(), query_.size(), products);
      for (size_t j = 0; j < 4; ++j) Offer(pool, Score(fresh_[i + j], products[j]), fresh_[i + j]);
    }
    for (; i < count; ++i) {
      Offer(
          pool,
          Score(fresh_[i], kernel_.dot(rows_.codes(fresh_[i]), query_.codes(), query_.sum(), query_.size())),
          fresh_[i]);
    }
  }

  bool Passes(uint32_t position) const {
    return rows_.IsLive(position, options_.rows) &&
           (options_.filter == nullptr || options_.filter->Contains(rows_.id(position)));
  }
  static void Offer(CandidatePool& pool, float score, uint32_t position) {
    if (pool.Accepts(score)) pool.Insert(score, position);
  }
  void Offer(FilteredPool& pool, float score, uint32_t position) const {
    if (pool.Accepts(score)) pool.Insert(score, position, Passes(position));
  }

  const HnswGraph& graph_;
  const VectorRows& rows_;
  const CodedQuery& query_;
  const WalkOptions& options_;
  CandidatePool& pool_;
  FilteredPool& filtered_;
  VisitedBits& visited_;
  std::vector<uint32_t>& fresh_;
  std::vector<Candidate>& found_;
  const bool all_pass_;
  const CodeKernel& kernel_ = BestCodeKernel();
  WalkStats stats_;
};

}  // namespace

WalkStats WalkGraph(const HnswGraph& graph, const VectorRows& rows, const CodedQuery& query,
                    const WalkOptions& options, std::vector<Candidate>& found) {
  found.clear();
  if (graph.size() == 0 || options.limit == 0) return {};
  thread_local Scratch scratch;
  return Walk(graph, rows, query, options, scratch, found).Run();
}

}  // namespace eidetic::searcher
