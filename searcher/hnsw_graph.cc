#include "searcher/hnsw_graph.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/HNSW.h>
#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "proto/status_macros.h"
#include "searcher/code_kernels.h"

namespace eidetic::searcher {
namespace {

// In front of a stored graph; a cache line, so that the links keep their place in one.
struct alignas(64) Header {
  char magic[8] = {'e', 'i', 'd', 'e', 't', 'i', 'c', 'G'};
  uint32_t version = 1;
  uint32_t width = 0;
  uint32_t size = 0;
  uint32_t entry = 0;
  int32_t top_level = 0;
  uint32_t upper_nodes = 0;
  uint64_t upper_links = 0;
};

constexpr int kMaxLinks = 1'024;
constexpr int kMaxLevel = 64;
// Nodes that a thread takes at a time, and that are put in between two reports.
constexpr size_t kNodesAtOnce = 16;
constexpr uint64_t kReportEvery = 1'024;
// How far builders beside searches give way.
constexpr int kNice = 10;

// Negated inner products of codes: of a row with all others, and of any two.
class CodeDistance final : public faiss::DistanceComputer {
 public:
  explicit CodeDistance(const VectorRows& rows)
      : rows_(rows), query_(std::vector<uint8_t>(rows.stride(), 128).data(), rows.stride(), 0) {}

  void SetRow(uint32_t position) { query_.Assign(rows_.codes(position), rows_.scale(position)); }
  // FAISS would give a float vector; rows are set by position instead.
  void set_query(const float* /*query*/) override {}
  float operator()(idx_t other) override {
    const auto position = static_cast<uint32_t>(other);
    const int32_t product = kernel_.dot(rows_.codes(position), query_.codes(), query_.sum(), rows_.stride());
    return -static_cast<float>(product) * query_.scale() * rows_.scale(position);
  }
  float symmetric_dis(idx_t a, idx_t b) override {
    const auto left = static_cast<uint32_t>(a);
    const auto right = static_cast<uint32_t>(b);
    const int32_t product = kernel_.dot_of_rows(rows_.codes(left), rows_.codes(right), rows_.stride());
    return -static_cast<float>(product) * rows_.scale(left) * rows_.scale(right);
  }

 private:
  const VectorRows& rows_;
  const CodeKernel& kernel_ = BestCodeKernel();
  CodedQuery query_;
};

// Puts nodes into a FAISS graph on several threads: the higher levels first, so
// that the lower ones find their way.
class GraphBuilder {
 public:
  GraphBuilder(const VectorRows& rows, uint32_t first, uint32_t end, const GraphBuildOptions& options,
               faiss::HNSW* graph)
      : rows_(rows), first_(first), end_(end), options_(options), graph_(graph), locks_(end) {
    for (omp_lock_t& lock : locks_) omp_init_lock(&lock);
  }
  ~GraphBuilder() {
    for (omp_lock_t& lock : locks_) omp_destroy_lock(&lock);
  }
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  absl::Status Run() {
    std::vector<uint32_t> order(end_ - first_);
    std::iota(order.begin(), order.end(), first_);
    std::stable_sort(order.begin(), order.end(),
                     [this](uint32_t a, uint32_t b) { return graph_->levels[a] > graph_->levels[b]; });
    const size_t threads = options_.threads > 0 ? static_cast<size_t>(options_.threads)
                                                : std::max<size_t>(1, std::thread::hardware_concurrency());
    // Never several levels at once: a node finds links on a level only when those
    // that belong to it are there.
    for (size_t begin = 0; begin < order.size() && !stop_;) {
      size_t end = begin;
      while (end < order.size() && graph_->levels[order[end]] == graph_->levels[order[begin]]) ++end;
      next_ = begin;
      const std::span<const uint32_t> level(order.data(), end);
      std::vector<std::thread> others;
      for (size_t i = 1; i < threads && (end - begin) > i * kNodesAtOnce; ++i) {
        others.emplace_back([this, level] { Insert(level); });
      }
      // This thread too gives way only in one of its own: the caller's stays.
      std::thread([this, level] { Insert(level); }).join();
      for (std::thread& other : others) other.join();
      begin = end;
    }
    {
      const absl::MutexLock lock(&mutex_);
      EIDETIC_RETURN_IF_ERROR(failure_);
    }
    if (stop_) return absl::CancelledError("building the index was stopped");
    if (options_.progress) options_.progress(order.size(), order.size());
    return absl::OkStatus();
  }

 private:
  void Insert(std::span<const uint32_t> order) {
    // Linux keeps this number a thread.
    if (options_.low_priority) static_cast<void>(setpriority(PRIO_PROCESS, 0, kNice));
    try {
      CodeDistance distance(rows_);
      faiss::VisitedTable visited(static_cast<int>(end_));
      while (!stop_) {
        const size_t begin = next_.fetch_add(kNodesAtOnce);
        if (begin >= order.size()) return;
        for (const uint32_t node : order.subspan(begin, std::min(kNodesAtOnce, order.size() - begin))) {
          distance.SetRow(node);
          graph_->add_with_locks(distance, graph_->levels[node] - 1, static_cast<int>(node), locks_, visited);
        }
        Report();
      }
    } catch (const faiss::FaissException& error) {
      Fail(absl::InternalError(absl::StrCat("FAISS could not build the graph: ", error.what())));
    } catch (const std::bad_alloc&) {
      Fail(absl::ResourceExhaustedError("no memory to build the graph"));
    }
  }

  void Report() {
    if (options_.cancelled && options_.cancelled()) stop_ = true;
    const uint64_t done = done_.fetch_add(kNodesAtOnce) + kNodesAtOnce;
    if (!options_.progress || done / kReportEvery == (done - kNodesAtOnce) / kReportEvery) return;
    const absl::MutexLock lock(&mutex_);
    options_.progress(std::min<uint64_t>(done, end_ - first_), end_ - first_);
  }

  void Fail(absl::Status failure) {
    stop_ = true;
    const absl::MutexLock lock(&mutex_);
    failure_.Update(std::move(failure));
  }

  const VectorRows& rows_;
  const uint32_t first_;
  const uint32_t end_;
  const GraphBuildOptions& options_;
  faiss::HNSW* const graph_;
  std::vector<omp_lock_t> locks_;
  std::atomic<size_t> next_ = 0;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<bool> stop_ = false;
  absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<const HnswGraph>> HnswGraph::Build(const VectorRows& rows, uint32_t size,
                                                                  const HnswGraph* base,
                                                                  const GraphBuildOptions& options) {
  try {
    const int links = base != nullptr ? static_cast<int>(base->width_ / 2) : options.links;
    const uint32_t first = base != nullptr ? base->size_ : 0;
    faiss::HNSW graph(links);
    graph.efConstruction = options.ef_construction;
    if (base != nullptr) base->CopyTo(graph);
    // Another run of random levels than the base's.
    graph.rng = faiss::RandomGenerator(12345 + static_cast<int64_t>(first));
    graph.neighbors.reserve(static_cast<size_t>(size) * static_cast<size_t>(links) * 33 / 16);
    graph.prepare_level_tab(size - first);
    GraphBuilder builder(rows, first, size, options, &graph);
    EIDETIC_RETURN_IF_ERROR(builder.Run());
    return CopyFrom(graph);
  } catch (const faiss::FaissException& error) {
    return absl::InternalError(absl::StrCat("FAISS could not build the graph: ", error.what()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory to build the graph");
  }
}

absl::StatusOr<std::shared_ptr<const HnswGraph>> HnswGraph::CopyFrom(const faiss::HNSW& graph) {
  auto copy = std::shared_ptr<HnswGraph>(new HnswGraph);
  copy->size_ = static_cast<uint32_t>(graph.levels.size());
  copy->width_ = static_cast<uint32_t>(graph.nb_neighbors(0));
  copy->top_level_ = graph.max_level;
  copy->entry_ = static_cast<uint32_t>(graph.entry_point);
  EIDETIC_ASSIGN_OR_RETURN(
      copy->memory_, PageBuffer::Allocate(static_cast<size_t>(copy->size_) * copy->width_ * sizeof(int32_t)));
  auto* lowest = copy->memory_.as<int32_t>();
  copy->lowest_ = lowest;
  for (uint32_t position = 0; position < copy->size_; ++position) {
    const auto links = graph.neighbors.begin() + static_cast<ptrdiff_t>(graph.offsets[position]);
    const auto end = graph.neighbors.begin() + static_cast<ptrdiff_t>(graph.offsets[position + 1]);
    std::copy_n(links, copy->width_, lowest + static_cast<size_t>(position) * copy->width_);
    if (graph.levels[position] < 2) continue;
    copy->upper_nodes_.push_back({position, static_cast<uint32_t>(graph.levels[position] - 1)});
    copy->upper_links_.insert(copy->upper_links_.end(), links + copy->width_, end);
  }
  EIDETIC_RETURN_IF_ERROR(copy->IndexUpperNodes());
  return copy;
}

void HnswGraph::CopyTo(faiss::HNSW& graph) const {
  graph.levels.assign(size_, 1);
  for (const UpperNode& node : upper_nodes_) graph.levels[node.position] = static_cast<int>(node.levels) + 1;
  graph.offsets.assign(1, 0);
  graph.offsets.reserve(static_cast<size_t>(size_) + 1);
  for (const int levels : graph.levels) {
    graph.offsets.push_back(graph.offsets.back() + static_cast<size_t>(graph.cum_nb_neighbors(levels)));
  }
  graph.neighbors.resize(graph.offsets.back());
  auto upper = upper_links_.begin();
  auto node = upper_nodes_.begin();
  for (uint32_t position = 0; position < size_; ++position) {
    auto out = graph.neighbors.begin() + static_cast<ptrdiff_t>(graph.offsets[position]);
    out = std::copy_n(lowest_ + static_cast<size_t>(position) * width_, width_, out);
    if (node == upper_nodes_.end() || node->position != position) continue;
    const auto count = static_cast<ptrdiff_t>(node->levels * (width_ / 2));
    std::copy_n(upper, count, out);
    upper += count;
    ++node;
  }
  graph.max_level = top_level_;
  graph.entry_point = size_ == 0 ? -1 : static_cast<int32_t>(entry_);
}

std::span<const int32_t> HnswGraph::links(uint32_t position, int level) const {
  const size_t begin = upper_begin_.at(position);
  const size_t width = width_ / 2;
  return {upper_links_.data() + begin + static_cast<size_t>(level - 1) * width, width};
}

absl::Status HnswGraph::IndexUpperNodes() {
  const size_t width = width_ / 2;
  upper_begin_.reserve(upper_nodes_.size());
  size_t begin = 0;
  uint32_t top = 0;
  int64_t last = -1;
  for (const UpperNode& node : upper_nodes_) {
    if (node.position >= size_ || node.position <= last || node.levels < 1 || node.levels > kMaxLevel) {
      return absl::DataLossError(absl::StrCat("the graph's node ", node.position, " is out of order"));
    }
    last = node.position;
    top = std::max(top, node.levels);
    upper_begin_.emplace(node.position, static_cast<uint32_t>(begin));
    begin += node.levels * width;
  }
  const auto entry = upper_begin_.find(entry_);
  const bool entry_is_there = size_ == 0 || (entry_ < size_ && (top == 0 || entry != upper_begin_.end()));
  if (begin != upper_links_.size() || !entry_is_there ||
      top_level_ != (size_ == 0 ? -1 : static_cast<int>(top))) {
    return absl::DataLossError("the graph's upper levels do not fit together");
  }
  // A link on a level leads to a node of that level.
  begin = 0;
  for (const UpperNode& node : upper_nodes_) {
    for (uint32_t level = 1; level <= node.levels; ++level, begin += width) {
      for (size_t i = begin; i < begin + width && upper_links_[i] >= 0; ++i) {
        const auto target = std::lower_bound(
            upper_nodes_.begin(), upper_nodes_.end(), static_cast<uint32_t>(upper_links_[i]),
            [](const UpperNode& other, uint32_t position) { return other.position < position; });
        if (target == upper_nodes_.end() || target->position != static_cast<uint32_t>(upper_links_[i]) ||
            target->levels < level) {
          return absl::DataLossError(absl::StrCat("the graph's node ", node.position, " has a wrong link"));
        }
      }
    }
  }
  return absl::OkStatus();
}

SnapshotPart HnswGraph::Store(const std::shared_ptr<const HnswGraph>& self) {
  Header header;
  header.width = self->width_;
  header.size = self->size_;
  header.entry = self->entry_;
  header.top_level = self->top_level_;
  header.upper_nodes = static_cast<uint32_t>(self->upper_nodes_.size());
  header.upper_links = self->upper_links_.size();
  const auto bytes = [](const void* data, size_t size) {
    return absl::string_view(static_cast<const char*>(data), size);
  };
  SnapshotPart part(std::string(bytes(&header, sizeof(header))));
  part.Borrow(bytes(self->lowest_, static_cast<size_t>(self->size_) * self->width_ * sizeof(int32_t)), self);
  part.Borrow(bytes(self->upper_nodes_.data(), self->upper_nodes_.size() * sizeof(UpperNode)));
  part.Borrow(bytes(self->upper_links_.data(), self->upper_links_.size() * sizeof(int32_t)));
  return part;
}

absl::StatusOr<std::shared_ptr<const HnswGraph>> HnswGraph::Load(PageBuffer stored, uint32_t rows) {
  const Header expected;
  Header header;
  if (stored.size() < sizeof(header)) return absl::DataLossError("the graph is too short");
  std::memcpy(&header, stored.data(), sizeof(header));
  if (std::memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0 ||
      header.version != expected.version || header.width == 0 || header.width % 2 != 0 ||
      header.width > 2 * kMaxLinks || header.size > rows || header.upper_nodes > header.size ||
      header.upper_links > static_cast<uint64_t>(header.upper_nodes) * kMaxLevel * kMaxLinks) {
    return absl::DataLossError("the graph has another format, or more nodes than there are rows");
  }
  const size_t upper_bytes =
      header.upper_nodes * sizeof(UpperNode) + static_cast<size_t>(header.upper_links) * sizeof(int32_t);
  const size_t lowest_count = static_cast<size_t>(header.size) * header.width;
  if (stored.size() != sizeof(header) + upper_bytes + lowest_count * sizeof(int32_t)) {
    return absl::DataLossError("the graph does not have as many links as it says");
  }
  auto graph = std::shared_ptr<HnswGraph>(new HnswGraph);
  graph->size_ = header.size;
  graph->width_ = header.width;
  graph->top_level_ = header.top_level;
  graph->entry_ = header.entry;
  graph->upper_nodes_.resize(header.upper_nodes);
  graph->upper_links_.resize(header.upper_links);
  const uint8_t* from = stored.data() + sizeof(header) + lowest_count * sizeof(int32_t);
  std::memcpy(graph->upper_nodes_.data(), from, header.upper_nodes * sizeof(UpperNode));
  from += header.upper_nodes * sizeof(UpperNode);
  std::memcpy(graph->upper_links_.data(), from, header.upper_links * sizeof(int32_t));
  EIDETIC_RETURN_IF_ERROR(graph->IndexUpperNodes());
  graph->lowest_ = reinterpret_cast<const int32_t*>(stored.data() + sizeof(header));
  const int32_t* const end = graph->lowest_ + lowest_count;
  const auto size = static_cast<int32_t>(header.size);
  if (!std::all_of(graph->lowest_, end, [size](int32_t link) { return link >= -1 && link < size; })) {
    return absl::DataLossError("the graph has a link to a node that is not there");
  }
  graph->memory_ = std::move(stored);
  return graph;
}

size_t HnswGraph::memory_bytes() const {
  return static_cast<size_t>(size_) * width_ * sizeof(int32_t) + upper_links_.size() * sizeof(int32_t) +
         upper_nodes_.size() * (sizeof(UpperNode) + 2 * sizeof(uint64_t));
}

}  // namespace eidetic::searcher
